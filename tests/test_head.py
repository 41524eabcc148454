"""Heads: our reader against mutations and two other strict readers, answers of Qlik, and what is written."""

import asyncio
import re
import struct
from collections.abc import Iterator

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParserC
from hostile.mutation import BITES, SEEDS, by_the_grammar, mutate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qproxy.errors import Failure, Refused
from qproxy.forwarding import head as heads
from qproxy.forwarding.conduct import Answer
from qproxy.forwarding.head import HEAD_END, LONGEST_BLOCK, read_request, write_answer, write_request
from qproxy.headers import CHUNKED, RequestHead

edits = st.tuples(
    st.integers(0, 10_000), st.integers(0, 6), st.one_of(st.sampled_from(BITES), st.binary(max_size=3), st.just(b""))
)
mutants = st.builds(mutate, st.sampled_from(SEEDS), st.lists(edits, min_size=1, max_size=4))


def framing(head: RequestHead) -> tuple[bytes, int]:
    return head.method, head.length


@pytest.fixture(scope="module")
def idle_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """aiohttp's parser wants one, though nothing runs on it."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def aiohttp_framing(raw: bytes, loop: asyncio.AbstractEventLoop) -> tuple[bytes, int] | None:
    """What aiohttp's parser makes of the head: method and length; None when it refuses."""
    parser = HttpRequestParserC(BaseProtocol(loop), loop, 2**16, max_line_size=65536, max_field_size=65536)
    try:
        found, _, _ = parser.feed_data(raw)
    except HttpProcessingError:
        return None
    message = found[0][0]
    length = CHUNKED if message.chunked else int(message.headers.get("Content-Length", "0"))
    return message.method.encode(), length


# --- requests ---


@settings(max_examples=5000, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(raw=mutants)
def test_what_we_accept_two_other_strict_readers_frame_alike(idle_loop: asyncio.AbstractEventLoop, raw: bytes) -> None:
    try:
        head = read_request(raw)
    except Refused:
        return
    assert by_the_grammar(raw) == framing(head)
    if not head.websocket and b"pgrade" not in raw:
        assert aiohttp_framing(raw, idle_loop) == framing(head)


@settings(max_examples=1000, deadline=None)
@given(mutants)
def test_what_we_write_we_would_accept_again_with_the_same_framing(raw: bytes) -> None:
    try:
        head = read_request(raw)
    except Refused:
        return
    again = read_request(write_request(head, head.crossing))
    assert (framing(again), again.target, again.websocket) == (framing(head), head.target, head.websocket)


@given(st.binary(max_size=200))
def test_no_bytes_lead_to_anything_but_a_refusal(noise: bytes) -> None:
    with pytest.raises(Refused):
        read_request(noise.replace(HEAD_END, b"") + HEAD_END)


def request(*lines: str, start: str = "GET /sales/x HTTP/1.1", host: str = "Host: bi.example") -> RequestHead:
    return read_request("\r\n".join([start, host, *lines, "", ""]).encode("latin-1"))


@pytest.mark.parametrize(
    ("lines", "start", "kept"),
    [
        ([], "GET / HTTP/1.1", True),
        (["Connection: keep-alive"], "GET / HTTP/1.1", True),
        (["Connection: Keep-Alive, X"], "GET / HTTP/1.1", True),
        (["Connection: x, CLOSE"], "GET / HTTP/1.1", False),
        ([], "GET / HTTP/1.0", False),
        (["Connection: keep-alive"], "GET / HTTP/1.0", False),
    ],
)
def test_whether_the_browser_keeps_the_connection(lines: list[str], start: str, kept: bool) -> None:
    assert request(*lines, start=start).keep_alive is kept


@pytest.mark.parametrize("connection", ["Upgrade", "keep-alive, Upgrade", "upgrade,x"])
@pytest.mark.parametrize("upgrade", ["websocket", "WebSocket"])
def test_an_upgrade_to_a_websocket_is_recognised(connection: str, upgrade: str) -> None:
    key, version = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"
    head = request(f"Connection: {connection}", f"Upgrade: {upgrade}", key, version)
    assert head.websocket
    assert write_request(head, b"").endswith(b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")


def test_an_expectation_of_100_continue_crosses() -> None:
    head = request("Expect: 100-Continue", "Content-Length: 3", start="POST /sales/x HTTP/1.1")
    assert write_request(head, b"").endswith(b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")


def test_the_absolute_form_is_reduced_to_its_path() -> None:
    assert request(start="GET http://bi.example?a=1 HTTP/1.1").target == b"/?a=1"
    assert request(start="GET HTTPS://BI.example HTTP/1.1").target == b"/"


def test_a_refusal_never_repeats_a_whole_header() -> None:
    with pytest.raises(Refused) as caught:
        request("X" * 500 + "_Y: secret")
    assert len(caught.value.detail) < 80


def test_too_many_fields_are_refused() -> None:
    with pytest.raises(Refused) as caught:
        request(*["X: y"] * 256)
    assert caught.value.failure is Failure.HEAD_TOO_LARGE


# --- what the browser gets of us ---


DATE = re.compile(rb"Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n")


def test_our_own_answer_is_whole() -> None:
    answer = Answer(404, [b"A: b"], b"gone")
    whole = DATE.sub(b"Date\r\n", write_answer(answer, b"GET", close=True))
    assert whole == b"HTTP/1.1 404 Not Found\r\nDate\r\nA: b\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngone"
    bodyless = DATE.sub(b"", write_answer(answer, b"HEAD", close=False))
    assert bodyless == b"HTTP/1.1 404 Not Found\r\nA: b\r\nContent-Length: 4\r\n\r\n"


def test_our_own_101_carries_frames_behind_its_head() -> None:
    frames = struct.pack("!BBH", 0x88, 2, 1001)
    raw = DATE.sub(b"", write_answer(Answer(101, [], frames), b"GET", close=True))
    assert raw == b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + frames


def test_fields_that_were_read_before_mean_the_same_again() -> None:
    first = read_request(b"GET /a HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nConnection: close, X-A\r\n\r\n")
    second = read_request(b"GET /b HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nConnection: close, X-A\r\n\r\n")
    assert (second.target, second.lines, second.named) == (b"/b", first.lines, first.named)


def test_lines_that_were_dropped_are_dropped_again() -> None:
    for _ in range(2):
        head = request("Remote-User: ann", "X-A: dropped again")
        assert head.dropped == b"Remote-User: ann\r\n"
        assert b"Remote-User" not in head.crossing


def test_cookies_are_read_afresh_each_time() -> None:
    found = [read_request(b"GET /a HTTP/1.1\r\nHost: h\r\nCookie: a=%d\r\nX: 1\r\n\r\n" % n) for n in (1, 2)]
    assert [head.cookie for head in found] == [b"a=1", b"a=2"]
    assert found[1].lines == [b"Host: h", b"X: 1"]


@pytest.mark.parametrize(
    "line", [b"Cookie: a=\0", b"Cookie: a\x7f", b"Cookie: a\rb", b"Cookie: a\nb", b"Cookie: a\r\n b"]
)
def test_a_bad_cookie_is_refused_among_fields_that_were_good_before(line: bytes) -> None:
    read_request(b"GET /a HTTP/1.1\r\nHost: h\r\nCookie: a=1\r\nX: 1\r\n\r\n")
    with pytest.raises(Refused):
        read_request(b"GET /a HTTP/1.1\r\nHost: h\r\n%b\r\nX: 1\r\n\r\n" % line)


@pytest.mark.parametrize("start", [b"FROB /a", b"CONNECT h:1", b"GET a", b"GET http://other/a", b"GET /../a"])
def test_a_bad_request_line_is_refused_before_fields_that_were_good_before(start: bytes) -> None:
    read_request(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
    with pytest.raises(Refused):
        read_request(start + b" HTTP/1.1\r\nHost: h\r\n\r\n")


def test_the_version_is_part_of_what_is_remembered() -> None:
    found = [read_request(b"GET /a HTTP/1.%d\r\nHost: h\r\nX: 2\r\n\r\n" % minor) for minor in (1, 0, 1, 0)]
    assert [(head.minor, head.keep_alive) for head in found] == [(1, True), (0, False)] * 2


@pytest.mark.parametrize(
    "line",
    ["Authorization: Basic x", "Content-Length: 1", "cookie: a=1", "Upgrade: websocket", "A: " + "x" * LONGEST_BLOCK],
)
def test_secrets_and_what_differs_each_time_are_not_remembered(line: str) -> None:
    before = dict(heads._blocks)
    request(line)
    assert heads._blocks == before


def test_what_is_remembered_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MOST_BLOCKS", 3)
    for number in range(7):
        request(f"X: {number}")
    assert len(heads._blocks) <= 3


def test_two_cookie_lines_are_joined_in_their_order() -> None:
    for _ in range(2):
        assert request("Cookie: a=1", "COOKIE: b=2", "Cookie: c=3").cookie == b"a=1; b=2; c=3"


def test_a_nul_does_not_stand_for_a_cookie_that_was_left_out() -> None:
    read_request(b"GET / HTTP/1.1\r\nHost: nul.example\r\nCookie: a=b\r\nX-One: 1\r\n\r\n")
    with pytest.raises(Refused):
        read_request(b"GET / HTTP/1.1\r\nHost: nul.example\0\nX-One: 1\r\n\r\n")


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\0", b"\rX", b"\r\r\n"])
def test_a_cookie_that_ends_oddly_is_never_taken_for_one_that_was_read_before(end: bytes) -> None:
    read_request(b"GET / HTTP/1.1\r\nHost: odd.example\r\nCookie: a=b\r\nX-One: 1\r\n\r\n")
    with pytest.raises(Refused):
        read_request(b"GET / HTTP/1.1\r\nHost: odd.example\r\nCookie: a=b" + end + b"X-One: 1\r\n\r\n")


def test_a_request_line_with_two_cr_is_never_taken_for_one_that_was_read_before() -> None:
    read_request(b"GET / HTTP/1.1\r\nCookie: a=b\r\nHost: first.example\r\n\r\n")
    with pytest.raises(Refused):
        read_request(b"GET / HTTP/1.1\r\r\nCookie: a=b\r\nHost: first.example\r\n\r\n")
