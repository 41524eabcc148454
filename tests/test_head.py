"""Heads: our reader against mutations and two other strict readers, answers of Qlik, and what is written."""

import asyncio
import re
import struct
from collections.abc import Iterator

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParserC
from hostile.corpus import cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qproxy.errors import Failure, Refused
from qproxy.forwarding.conduct import Answer
from qproxy.forwarding.head import HEAD_END, read_request, read_response, write_answer, write_request, write_response
from qproxy.headers import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead

HOST = "bi.example"
SEEDS = sorted(
    {case.request(HOST).partition(HEAD_END)[0] + HEAD_END for case in cases() if case.kind in ("forward", "body")}
)
BITES = [
    b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"chunked", b"Transfer-Encoding: chunked\r\n", b"\x0b",
    b"Content-Length: 3\r\n", b"Content-Length: 0\r\n", b"Host: evil\r\n", b"HTTP/1.0", b"+", b"0x", b"\xff", b"_",
    b"\x7f", b"Connection: upgrade\r\nUpgrade: websocket\r\n", b"X: y\r\n z\r\n", b"#", b"\\", b"..", b"%00",
    b"http://bi.example",
]  # fmt: skip


def mutate(seed: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Each edit removes some bytes somewhere and puts others in their place; the head keeps its one end."""
    head = seed[:-4]
    for place, gone, put in edits:
        at = place % (len(head) + 1)
        head = head[:at] + put + head[at + gone :]
    return head.partition(HEAD_END)[0] + HEAD_END


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


_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_LINE = re.compile(rb"(%b) ([\x21-\x7e]+) HTTP/1\.[01]" % _TOKEN)
_FIELD = re.compile(
    rb"(%b):[ \t]*([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?[ \t]*" % _TOKEN
)


def by_the_grammar(raw: bytes) -> tuple[bytes, int] | None:
    """The grammar of RFC 9112 and nothing else, independent of qproxy: method and length, or None."""
    line, *lines = raw.removesuffix(HEAD_END).split(b"\r\n")
    request, fields = _LINE.fullmatch(line), [_FIELD.fullmatch(one) for one in lines]
    if request is None or None in fields:
        return None
    pairs = [(field[1].lower(), field[2] or b"") for field in fields if field is not None]
    lengths = [value for name, value in pairs if name == b"content-length"]
    codings = [value.lower() for name, value in pairs if name == b"transfer-encoding"]
    hosts = [value for name, value in pairs if name == b"host"]
    if len(hosts) != 1 or len(lengths) + len(codings) > 1 or codings not in ([], [b"chunked"]):
        return None
    if lengths and not re.fullmatch(rb"[0-9]+", lengths[0]):
        return None
    return request[1], CHUNKED if codings else int(lengths[0]) if lengths else 0


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
    again = read_request(write_request(head, head.lines))
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
    assert write_request(head, []).endswith(b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")


def test_an_expectation_of_100_continue_crosses() -> None:
    head = request("Expect: 100-Continue", "Content-Length: 3", start="POST /sales/x HTTP/1.1")
    assert write_request(head, []).endswith(b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")


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


# --- answers of Qlik ---


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
        assert not re.search(rb"[\r\n\0]", b"".join([head.reason, *head.lines, *head.cookies, *head.named.values()]))
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


def test_our_own_answer_is_whole() -> None:
    answer = Answer(404, [b"A: b"], b"gone")
    assert write_answer(answer, b"GET", close=True) == (
        b"HTTP/1.1 404 Not Found\r\nA: b\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngone"
    )
    assert write_answer(answer, b"HEAD", close=False) == b"HTTP/1.1 404 Not Found\r\nA: b\r\nContent-Length: 4\r\n\r\n"


def test_our_own_101_carries_frames_behind_its_head() -> None:
    frames = struct.pack("!BBH", 0x88, 2, 1001)
    raw = write_answer(Answer(101, [], frames), b"GET", close=True)
    assert raw == b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + frames
