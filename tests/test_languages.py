"""Which language a browser's person is spoken to in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qproxy.web.languages import best

KNOWN = ["en", "de", "sv", "fr", "es", "ja"]


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-CH, de;q=0.9, en;q=0.8", "de"),
        ("DE-at", "de"),
        ("en;q=0.5, fr;q=0.7", "fr"),
        ("nl, sv;q=0.3", "sv"),
        ("nl-BE, nl;q=0.9", "en"),
        ("ja-Latn-JP-x-old, en;q=0.9", "ja"),
        ("fr, es", "fr"),
        ("es, fr", "es"),
        ("de ; q=0.2 , es\t;\tq=0.20", "de"),
    ],
)
def test_the_language_with_the_greatest_weight_is_spoken(accepted: str, language: str) -> None:
    assert best(accepted, KNOWN) == language


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("*", "en"),
        ("nl, *;q=0.5", "en"),
        ("ja;q=0.2, *;q=0.1", "ja"),
        ("en;q=0.1, *;q=0.5", "de"),
        ("en;q=0, *", "de"),
    ],
)
def test_a_star_means_every_language_that_is_not_named(accepted: str, language: str) -> None:
    assert best(accepted, KNOWN) == language


@pytest.mark.parametrize(
    ("accepted", "language"), [("de;q=0, fr;q=0.1", "fr"), ("de;q=0", "en"), ("de-CH;q=0, de;q=0.8, en;q=0.1", "de")]
)
def test_a_language_that_is_refused_is_not_spoken(accepted: str, language: str) -> None:
    assert best(accepted, KNOWN) == language


@pytest.mark.parametrize(
    "accepted", ["de_DE", "de;q=2", "de;q=-1", "de;q=0.1234", "de;x=1", "d\u00e9", ";;,,", "de fr"]
)
def test_what_is_no_language_is_passed_over(accepted: str) -> None:
    assert best(f"{accepted}, sv;q=0.1", KNOWN) == "sv"
    assert best(accepted, KNOWN) == "en"


def test_only_the_beginning_of_an_endless_list_is_read() -> None:
    assert best("nl, " * 10_000 + "de", KNOWN) == "en"


@given(st.text(alphabet="adefjsv-*;,q=.019 \t", max_size=60))
def test_nothing_that_a_browser_sends_breaks_it(accepted: str) -> None:
    assert best(accepted, KNOWN) in KNOWN
