"""Whose request it is, decided on raw bytes; and that no reader behind us can decide otherwise."""

import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import pytest
from hostile.corpus import rows
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qproxy.errors import Failure, Refused
from qproxy.routing import OWN, Routes, check_target

PREFIXED = Routes({"sales": "sales-vp", "finance": "finance-vp"})
DEFAULT = Routes({"": "default-vp", "sales": "sales-vp", "a.b-c_d~1": "odd-vp"})
PATHS = rows("paths.txt")
PIECES = rb"""/ // sales SALES finance qproxy %73ales sale%53 hub . .. %2e %2E %252e %2f %2F %252f %5c \ ; %3b ;x=1 %00
    %c0%af %c0%ae %u002f %u002e %e0%80%af %20 a % %25 ? # ~ +""".split()


def decision(target: bytes, routes: Routes) -> str:
    """The area, or "refused"."""
    try:
        check_target(target, target.partition(b"?")[0])
        return routes.match(target.partition(b"?")[0])
    except Refused:
        return "refused"


# --- matching ---


@pytest.mark.parametrize(
    ("path", "area"),
    [
        (b"/sales", "sales-vp"),
        (b"/sales/", "sales-vp"),
        (b"/sales/finance", "sales-vp"),
        (b"/qproxy", OWN),
        (b"/qproxy/login/sales", OWN),
        (b"/", "default-vp"),
        (b"/hub/", "default-vp"),
        (b"/salesx/hub", "default-vp"),
        (b"/sale", "default-vp"),
        (b"/hub/sales", "default-vp"),
        (b"/a.b-c_d~1/hub", "odd-vp"),
        (b"/%3Fx/hub", "default-vp"),
        (b"/a;b/hub", "default-vp"),
    ],
)
def test_the_first_segment_decides(path: bytes, area: str) -> None:
    assert DEFAULT.match(path) == area


@pytest.mark.parametrize("path", [b"/", b"/hub", b"/salesx", b"/x/sales"])
def test_without_a_default_an_unknown_prefix_is_refused(path: bytes) -> None:
    with pytest.raises(Refused) as caught:
        PREFIXED.match(path)
    assert caught.value.failure is Failure.UNKNOWN_PATH


@pytest.mark.parametrize(
    "first", [b"SALES", b"%73ales", b"sales;x", b"sales%3b", b"sales%2fhub", b"%2573ales", b"QPROXY"]
)
@pytest.mark.parametrize("routes", [PREFIXED, DEFAULT])
def test_a_known_prefix_in_an_unusual_spelling_is_refused(first: bytes, routes: Routes) -> None:
    with pytest.raises(Refused) as caught:
        routes.match(b"/" + first + b"/hub")
    assert caught.value.failure is Failure.BAD_TARGET


# --- targets ---


@pytest.mark.parametrize(("word", "target"), PATHS)
def test_the_corpus_of_paths_is_decided_as_it_says(word: str, target: bytes) -> None:
    raw_is_fine = re.fullmatch(rb"[\x21-\x7e]+", target) is not None
    assert (raw_is_fine and decision(target, PREFIXED) != "refused") == (word == "accept")


def test_the_corpus_of_paths_is_large() -> None:
    assert len({target for _, target in PATHS}) >= 120


@pytest.mark.parametrize("target", [b"", b"*", b"hub", b"?", b"http://h/", b"@h/"])
def test_what_is_no_path_is_refused(target: bytes) -> None:
    with pytest.raises(Refused) as caught:
        check_target(target, target.partition(b"?")[0])
    assert caught.value.failure is Failure.BAD_TARGET


# --- what other readers make of it ---


def without_dots(path: bytes) -> bytes:
    kept: list[bytes] = []
    for segment in path.split(b"/")[1:]:
        if segment == b"..":
            del kept[-1:]
        elif segment != b".":
            kept.append(segment)
    return b"/" + b"/".join(kept)


def overlong_decoded(path: bytes) -> bytes:
    short = {b"%c0%af": b"/", b"%c0%ae": b".", b"%e0%80%af": b"/", b"%u002f": b"/", b"%u002e": b"."}
    return re.sub(rb"%c0%a[ef]|%e0%80%af|%u002[ef]", lambda match: short[match[0].lower()], path, flags=re.IGNORECASE)


NORMALISERS: list[Callable[[bytes], bytes]] = [
    unquote_to_bytes,
    lambda path: unquote_to_bytes(unquote_to_bytes(path)),
    lambda path: re.sub(rb"/+", b"/", path),
    without_dots,
    lambda path: without_dots(unquote_to_bytes(path)),
    lambda path: path.replace(b"\\", b"/"),
    lambda path: unquote_to_bytes(path).replace(b"\\", b"/"),
    lambda path: re.sub(rb";[^/]*", b"", path),
    lambda path: re.sub(rb"/+", b"/", re.sub(rb";[^/]*", b"", unquote_to_bytes(path))),
    bytes.lower,
    lambda path: path.partition(b"#")[0],
    lambda path: unquote_to_bytes(path).partition(b"\0")[0],
    overlong_decoded,
    lambda path: without_dots(overlong_decoded(unquote_to_bytes(path))),
    lambda path: without_dots(re.sub(rb";[^/]*", b"", unquote_to_bytes(unquote_to_bytes(path)))),
]


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: b"/" + b"".join(pieces)))
@example(b"/;/sales/hub")
@example(b"/%3b/sales")
@example(b"/%c0%afsales")
@example(b"/a/%252e%252e/sales")
@example(b"/sales%252f")
@pytest.mark.parametrize("routes", [PREFIXED, DEFAULT], ids=["prefixes", "with a default"])
def test_no_reader_behind_us_comes_to_another_decision(routes: Routes, target: bytes) -> None:
    ours = decision(target, routes)
    path = target.partition(b"?")[0]
    if ours != "refused":
        assert [index for index, other in enumerate(NORMALISERS) if area_of(other(path), routes) != ours] == []


def area_of(path: bytes, routes: Routes) -> str:
    """What a reader that trusts its own normal form takes for the area: the first segment, letter case aside."""
    first = path[1:].partition(b"/")[0].lower()
    names = {prefix: name for prefix, name in routes._by_prefix.items() if prefix}
    return names.get(first, routes._default or "refused")
