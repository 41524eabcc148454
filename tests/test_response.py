"""The heads of Qlik's answers: what is read, what is refused, what is remembered, what the browser gets."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qproxy.errors import Failure, Refused
from qproxy.forwarding import response
from qproxy.forwarding.head import HEAD_END
from qproxy.forwarding.response import LONGEST_BLOCK, read_response, write_response
from qproxy.headers import CHUNKED, UNTIL_CLOSE, ResponseHead


def answer(*lines: str, start: str = "HTTP/1.1 200 OK", method: bytes = b"GET") -> ResponseHead:
    return read_response("\r\n".join([start, *lines, "", ""]).encode("latin-1"), method)


@pytest.mark.parametrize(
    ("start", "lines", "method", "length"),
    [
        ("HTTP/1.1 200 OK", ["Content-Length: 12"], b"GET", 12),
        ("HTTP/1.1 200 OK", ["Transfer-Encoding: Chunked"], b"GET", CHUNKED),
        ("HTTP/1.1 200 OK", [], b"GET", UNTIL_CLOSE),
        ("HTTP/1.1 200", [], b"GET", UNTIL_CLOSE),
        ("HTTP/1.1 200 OK", ["Content-Length: 12"], b"HEAD", 0),
        ("HTTP/1.1 200 OK", ["Transfer-Encoding: chunked"], b"HEAD", 0),
        ("HTTP/1.1 204 No Content", [], b"GET", 0),
        ("HTTP/1.1 304 Not Modified", ["Content-Length: 12"], b"GET", 0),
        ("HTTP/1.1 100 Continue", [], b"POST", 0),
    ],
)
def test_how_long_an_answer_is(start: str, lines: list[str], method: bytes, length: int) -> None:
    assert answer(*lines, start=start, method=method).length == length


@pytest.mark.parametrize(
    ("start", "lines", "kept"),
    [
        ("HTTP/1.1 200 OK", ["Content-Length: 0"], True),
        ("HTTP/1.1 200 OK", ["Content-Length: 0", "Connection: keep-alive"], True),
        ("HTTP/1.1 200 OK", ["Content-Length: 0", "Connection: x, Close"], False),
        ("HTTP/1.1 200 OK", ["Content-Length: 0", "Connection: x"], True),
        ("HTTP/1.1 200 OK", [], False),
        ("HTTP/1.0 200 OK", ["Content-Length: 0"], False),
        ("HTTP/1.0 200 OK", ["Content-Length: 0", "Connection: keep-alive"], True),
        ("HTTP/1.0 200 OK", ["Content-Length: 0", "Connection: Keep-Alive, x"], True),
    ],
)
def test_whether_qlik_keeps_the_connection(start: str, lines: list[str], kept: bool) -> None:
    assert answer(*lines, start=start).keep_alive is kept


UPGRADE = ["Upgrade: websocket", "Connection: upgrade"]
BAD_ANSWERS = [
    ("HTTP/1.1 101 X", []),
    ("HTTP/1.1 200 O\0K", []),
    ("HTTP/1.1 200 O\x01K", []),
    ("HTTP/1.1 099 X", []),
    ("HTTP/1.1 600 X", []),
    ("HTTP/1.1 20 X", []),
    ("HTTP/1.1 2000 X", []),
    ("HTTP/1.1 +20 X", []),
    ("HTTP/1.1  200 X", []),
    ("HTTP/2.0 200 X", []),
    ("HTTP/0.9 200 X", []),
    ("ICY 200 OK", []),
    ("", []),
    ("nonsense", []),
    ("HTTP/1.1 200 OK", ["Content-Length: 3", "Content-Length: 4"]),
    ("HTTP/1.1 200 OK", ["Content-Length: 3", "Transfer-Encoding: chunked"]),
    ("HTTP/1.1 200 OK", ["Transfer-Encoding: gzip, chunked"]),
    ("HTTP/1.1 200 OK", ["Transfer-Encoding: gzip"]),
    ("HTTP/1.0 200 OK", ["Transfer-Encoding: chunked"]),
    ("HTTP/1.1 200 OK", ["Content-Length: -3"]),
    ("HTTP/1.1 200 OK", ["Content-Length: 0x3"]),
    ("HTTP/1.1 200 OK", ["Content-Length: 1234567890123456789"]),
    ("HTTP/1.1 200 OK", ["X: a\0b"]),
    ("HTTP/1.1 200 OK", ["X: a\rSet-Cookie: b"]),
    ("HTTP/1.1 200 OK", ["X: a\nSet-Cookie: b"]),
    ("HTTP/1.1 200 OK", ["X: a", " folded"]),
    ("HTTP/1.1 200 OK", ["X : a"]),
    ("HTTP/1.1 200 OK", ["no colon"]),
    ("HTTP/1.1 200 OK", ["Location: /a", "Location: /b"]),
    ("HTTP/1.1 200 OK", ["X: y"] * 257),
]


@pytest.mark.parametrize(("start", "lines"), BAD_ANSWERS)
def test_an_answer_that_could_be_read_in_two_ways_is_qliks_fault(start: str, lines: list[str]) -> None:
    with pytest.raises(Refused) as caught:
        answer(*lines, start=start)
    assert caught.value.failure is Failure.UPSTREAM_BAD_ANSWER


@given(st.binary(max_size=120), st.sampled_from([b"GET", b"HEAD"]))
def test_any_answer_is_read_or_qliks_fault(noise: bytes, method: bytes) -> None:
    raw = b"HTTP/1.1 200 OK\r\n" + noise.replace(HEAD_END, b"") + HEAD_END
    head = answer_or_failure(raw, method)
    if isinstance(head, ResponseHead):
        assert set(head.written.split(b"\r\n")[1:]) <= set(raw.split(b"\r\n"))
        assert not re.search(rb"[\r\n\0]", b"".join([*head.cookies, *head.named.values()]))
    else:
        assert head is Failure.UPSTREAM_BAD_ANSWER


def answer_or_failure(raw: bytes, method: bytes) -> ResponseHead | Failure:
    try:
        return read_response(raw, method)
    except Refused as refused:
        return refused.failure


# --- what the browser gets ---


def test_an_answers_lines_cross_and_its_cookies_stay_apart() -> None:
    head = answer(
        "ETag: x", "Set-Cookie: a=1", "Set-Cookie: b=2", "Location: /l", "Content-Location: /c", "Content-Length: 3"
    )
    assert write_response(head, chunked=False, close=False) == (
        b"HTTP/1.1 200 OK\r\nETag: x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nLocation: /l\r\nContent-Location: /c\r\n"
        b"Content-Length: 3\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("start", "lines", "chunked", "close", "framed"),
    [
        ("HTTP/1.1 200 OK", [], True, False, b"Transfer-Encoding: chunked\r\n"),
        ("HTTP/1.1 200 OK", [], False, True, b"Connection: close\r\n"),
        ("HTTP/1.1 204 X", ["Content-Length: 0"], False, False, b""),
        ("HTTP/1.1 103 X", ["Content-Length: 0"], False, False, b""),
        ("HTTP/1.1 304 X", ["Content-Length: 9"], False, False, b"Content-Length: 9\r\n"),
        ("HTTP/1.1 101 X", UPGRADE, False, False, b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    ],
)
def test_each_answer_has_one_framing(start: str, lines: list[str], chunked: bool, close: bool, framed: bytes) -> None:
    head = answer(*lines, start=start)
    assert write_response(head, chunked=chunked, close=close) == f"{start}\r\n".encode() + framed + b"\r\n"


# --- what is remembered ---

AGAIN = ["Server: x", "Date: Sun, 22 Nov 2026 16:00:00 GMT", "Content-Length: 3", "ETag: e"]


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    response._blocks.clear()


def crossed(*lines: str, start: str = "HTTP/1.1 200 OK", method: bytes = b"GET") -> tuple[bytes, int, bool]:
    head = answer(*lines, start=start, method=method)
    return write_response(head, chunked=False, close=False), head.length, head.keep_alive


ALIKE = [
    ("HTTP/1.1 200 OK", AGAIN),
    ("HTTP/1.1 200 OK", AGAIN[::-1]),
    ("HTTP/1.1 200 OK", ["Date: x"]),
    ("HTTP/1.1 200 OK", ["Content-Length: 12"]),
    ("HTTP/1.1 200 OK", ["content-length: 12", "date: now"]),
    ("HTTP/1.1 200 OK", ["Date: a", "Date: b", "Transfer-Encoding: chunked"]),
    ("HTTP/1.1 204 X", ["Content-Length: 0", "Date: x"]),
    ("HTTP/1.1 304 X", ["Content-Length: 9", "Date: x"]),
    ("HTTP/1.0 200 X", ["Content-Length: 9", "Connection: keep-alive"]),
    ("HTTP/1.1 200 X", ["Content-Length: 9", "Connection: close", "Alt-Svc: x"]),
]


@pytest.mark.parametrize(("start", "lines"), ALIKE)
def test_an_answer_that_was_accepted_before_means_the_same_again(start: str, lines: list[str]) -> None:
    first = crossed(*lines, start=start)
    assert len(response._blocks) == 1
    assert crossed(*lines, start=start) == first


@pytest.mark.parametrize(("start", "lines"), ALIKE)
def test_date_and_length_are_read_afresh_each_time(start: str, lines: list[str]) -> None:
    changed = [line.replace("16:00", "17:00").replace("Length: ", "Length: 1") for line in lines]
    afresh = crossed(*changed, start=start)
    response._blocks.clear()
    crossed(*lines, start=start)
    assert crossed(*changed, start=start) == afresh


def test_a_bodyless_answer_to_head_is_no_pattern_for_one_to_get() -> None:
    crossed(*AGAIN, method=b"HEAD")
    assert [crossed(*AGAIN, method=method)[1] for method in (b"GET", b"HEAD", b"GET")] == [3, 0, 3]


@pytest.mark.parametrize("length", ["", "-1", "+1", "1 1", "0x1", "1" * 19, "1, 1"])
def test_a_bad_length_is_refused_among_lines_that_were_good_before(length: str) -> None:
    crossed(*AGAIN)
    with pytest.raises(Refused):
        crossed(*[f"Content-Length: {length}" if line.startswith("Content-L") else line for line in AGAIN])


@pytest.mark.parametrize("date", ["a\0", "a\x7f", "a\rSet-Cookie: b", "a\nSet-Cookie: b"])
def test_a_bad_date_is_refused_among_lines_that_were_good_before(date: str) -> None:
    crossed(*AGAIN)
    with pytest.raises(Refused):
        crossed(*[f"Date: {date}" if line.startswith("Date") else line for line in AGAIN])


@pytest.mark.parametrize(
    ("start", "line"),
    [
        ("HTTP/1.1 200 OK", "Set-Cookie: a=1"),
        ("HTTP/1.1 302 X", "Location: /l"),
        ("HTTP/1.1 204 X", "qlik-csrf-token: t"),
        ("HTTP/1.1 103 X", "Link: l"),
        ("HTTP/1.1 200 OK", "X: " + "x" * LONGEST_BLOCK),
    ],
)
def test_secrets_and_what_is_rewritten_are_not_remembered(start: str, line: str) -> None:
    answer(line, start=start)
    assert not response._blocks


def test_what_is_remembered_of_answers_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response, "MOST_BLOCKS", 3)
    for number in range(7):
        answer(f"X: {number}")
    assert len(response._blocks) <= 3


DATED = "Date: Mon, 23 Nov 2026 00:00:00 GMT"
LINES = ["X-Cut: 1", DATED, "Content-Length: 3"]
ORDERS = [[LINES[k] for k in order] for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))]


@pytest.mark.parametrize("lines", ORDERS)
def test_what_was_read_before_is_read_alike_with_another_date_and_length(lines: list[str]) -> None:
    first, again = (answer(*lines) for _ in range(2))
    changed = answer(*[line.replace("00:00:00", "11:11:11").replace("h: 3", "h: 44") for line in lines])
    written = [write_response(head, chunked=False, close=False) for head in (first, again)]
    assert written[0] == written[1]
    assert (changed.length, changed.declared) == (44, b"44")
    assert b"11:11:11" in write_response(changed, chunked=False, close=True)


@pytest.mark.parametrize("lines", ORDERS)
@pytest.mark.parametrize("odd", ["\r", "\n", "\0"])
def test_a_line_that_ends_oddly_is_never_taken_for_one_that_was_read_before(lines: list[str], odd: str) -> None:
    answer(*lines)
    for number in range(3):
        broken = [line + odd * (place == number) for place, line in enumerate(lines)]
        with pytest.raises(Refused):
            answer(*broken)


def test_a_cookie_that_is_added_to_a_remembered_head_crosses() -> None:
    head = [answer(*LINES) for _ in range(2)][1]
    head.cookies.append(b"a=1")
    written = write_response(head, chunked=False, close=False)
    assert written.count(b"Content-Length: 3\r\n") == written.count(b"Set-Cookie: a=1\r\n") == 1
