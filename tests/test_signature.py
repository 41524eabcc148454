"""Signed requests: what was signed is accepted once, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from some_sessions import START, Clock, a_key

from qproxy.shared_memory import NONCES_BYTES, Section
from qproxy.web.signature import MOST_KEYS, REMEMBERED, WINDOW, Signatures, signed

KEY, OTHER = a_key(), a_key()
ASKED = ("GET", "/administration/sessions?vp=sales")


def judge(*keys: bytes) -> tuple[Signatures, Clock]:
    clock = Clock()
    return Signatures(keys or [KEY], clock), clock


def test_a_signed_request_is_accepted() -> None:
    signatures, _ = judge()
    assert signatures.refuses(signed([KEY], *ASKED, START), *ASKED) is None


def test_the_same_request_is_not_accepted_again() -> None:
    signatures, clock = judge()
    value = signed([KEY], *ASKED, START)
    signatures.refuses(value, *ASKED)
    clock.advance(WINDOW)
    assert signatures.refuses(value, *ASKED) == "again"
    clock.advance(1)
    assert signatures.refuses(value, *ASKED) == "time"


@pytest.mark.parametrize("other", [("DELETE", ASKED[1]), ("GET", "/administration/sessions"), ("GET", "")])
def test_a_signature_is_good_for_one_method_and_target(other: tuple[str, str]) -> None:
    signatures, _ = judge()
    assert signatures.refuses(signed([KEY], *ASKED, START), *other) == "signature"


@pytest.mark.parametrize("apart", [-WINDOW - 1, WINDOW + 1])
def test_a_request_of_another_time_is_refused(apart: float) -> None:
    signatures, _ = judge()
    assert signatures.refuses(signed([KEY], *ASKED, START + apart), *ASKED) == "time"


def test_another_key_is_refused() -> None:
    signatures, _ = judge()
    assert signatures.refuses(signed([OTHER], *ASKED, START), *ASKED) == "signature"


@pytest.mark.parametrize("keys", [[KEY], [OTHER, KEY], [KEY, OTHER]])
def test_any_key_that_both_sides_have_counts(keys: list[bytes]) -> None:
    signatures, _ = judge(KEY, a_key())
    assert signatures.refuses(signed(keys, *ASKED, START), *ASKED) is None


def test_without_a_key_everything_is_refused() -> None:
    signatures = Signatures([], Clock())
    assert signatures.refuses(signed([KEY], *ASKED, START), *ASKED) == "signature"


def test_keys_can_be_exchanged() -> None:
    signatures, _ = judge()
    signatures.use_keys([OTHER])
    assert signatures.refuses(signed([KEY], *ASKED, START), *ASKED) == "signature"
    assert signatures.refuses(signed([OTHER], *ASKED, START), *ASKED) is None


def test_no_more_than_a_few_keys_sign() -> None:
    value = signed([a_key() for _ in range(MOST_KEYS + 5)], *ASKED, START)
    assert value.count(".") == MOST_KEYS - 1


def test_what_is_remembered_is_bounded() -> None:
    signatures, clock = judge()
    for _ in range(2 * REMEMBERED):
        assert signatures.refuses(signed([KEY], *ASKED, clock.now), *ASKED) is None
    assert len(list(signatures._used)) <= REMEMBERED


def test_a_request_that_one_worker_took_is_refused_by_the_others() -> None:
    section, clock = Section.private(NONCES_BYTES), judge()[1]
    one, other = (Signatures([KEY], clock, section) for _ in range(2))
    request = signed([KEY], *ASKED, clock.now)
    assert (one.refuses(request, *ASKED), other.refuses(request, *ASKED)) == (None, "again")


@given(st.text(), st.integers(0, 300), st.characters())
def test_nothing_else_is_accepted(text: str, where: int, character: str) -> None:
    signatures, _ = judge()
    value = signed([KEY], *ASKED, START)
    changed = value[:where] + character + value[where + 1 :]
    assert signatures.refuses(text, *ASKED) == "unsigned"
    assert value == changed or signatures.refuses(changed, *ASKED) in {"unsigned", "signature"}
