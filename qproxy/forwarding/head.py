"""Reads the heads of requests and responses: llhttp judges the grammar, our own rules refuse what it lets through.

One fresh llhttp parser a head, without callbacks: it either accepts the bytes or says why not. The accepted lines are
then sorted by qproxy.headers. Nothing here knows where a request goes.
"""

import re
import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import httptools

from qproxy import headers, routing
from qproxy.errors import Failure, Refused
from qproxy.forwarding.conduct import Answer
from qproxy.headers import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead

HEAD_END: Final = b"\r\n\r\n"
RESPONSE_HEAD_BYTES: Final = 65536
MOST_FIELDS: Final = 256

_REFUSED_METHODS = frozenset({b"CONNECT", b"TRACE", b"PRI"})
_BODYLESS_STATUS = frozenset({204, 304})
_ABSOLUTE_FORM = re.compile(rb"https?://(?P<authority>[^/?#@\\]+)(?P<rest>[/?].*)?", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(rb"[a-z0-9._-]+(?::[0-9]{1,5})?|\[[0-9a-f:.]+\](?::[0-9]{1,5})?", re.IGNORECASE)
_PLAIN_KEEP_ALIVE = frozenset({b"keep-alive", b"Keep-Alive"})
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_REQUEST_LINE = re.compile(rb"([A-Z-]+) ([\x21-\x7e]+) HTTP/1\.([01])")
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}


class _Silent:
    """llhttp's callbacks: none."""


_SILENT = _Silent()


class Repeat:
    """The header lines of one connection's previous request: browsers send the same ones again and again."""

    __slots__ = ("block", "lines", "named")

    def __init__(self) -> None:
        self.block = b""
        self.lines: list[bytes] = []
        self.named: Mapping[bytes, bytes] = {}


def read_request(raw: bytes, repeat: Repeat | None = None) -> RequestHead:
    """The bytes of one request head, up to and with its empty line. Raises Refused with the status to answer.

    `repeat` is the connection's own; lines equal to the last ones to the byte are sorted only once.
    """
    end = raw.find(b"\r\n")
    match = _REQUEST_LINE.fullmatch(raw, 0, end)
    if match is None:
        raise _bad_request_line(raw[:end])
    method, target, minor = match[1], match[2], 1 if match[3] == b"1" else 0
    if method in _REFUSED_METHODS:
        raise Refused(Failure.METHOD_REFUSED, method.decode())
    _judge(httptools.HttpRequestParser(_SILENT), raw)
    block = raw[end:]
    if repeat is not None and repeat.block == block:
        head = RequestHead(method, target, minor, repeat.lines, repeat.named, size=len(raw))
    else:
        head = RequestHead(method, target, minor, *_sorted(block), size=len(raw))
        if repeat is not None:
            repeat.block, repeat.lines, repeat.named = block, head.lines, head.named
    _check_host(head)
    routing.check_target(head.target)
    _frame_request(head)
    _persist_or_upgrade(head)
    return head


def _sorted(block: bytes) -> tuple[list[bytes], dict[bytes, bytes]]:
    lines = block[2:-4].split(b"\r\n") if len(block) > len(HEAD_END) else []
    if len(lines) > MOST_FIELDS:
        raise Refused(Failure.HEAD_TOO_LARGE, f"{len(lines)} fields")
    return headers.sort_request(lines)


def _judge(parser: httptools.HttpRequestParser | httptools.HttpResponseParser, raw: bytes) -> None:
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserInvalidMethodError:
        raise Refused(Failure.METHOD_REFUSED, "unknown method") from None
    except httptools.HttpParserInvalidURLError as error:
        raise Refused(Failure.BAD_TARGET, str(error)) from None
    except httptools.HttpParserError as error:
        framing = "Content-Length" in str(error) or "Transfer-Encoding" in str(error)
        raise Refused(Failure.BAD_FRAMING if framing else Failure.BAD_REQUEST, str(error)) from None


def _bad_request_line(line: bytes) -> Refused:
    version = line.rpartition(b" ")[2]
    if version.startswith(b"HTTP/") and version not in (b"HTTP/1.1", b"HTTP/1.0"):
        return Refused(Failure.VERSION_REFUSED, repr(version[:12]))
    return Refused(Failure.BAD_REQUEST, "the request line is not METHOD TARGET HTTP/1.x")


def _check_host(head: RequestHead) -> None:
    host = head.named.get(b"host", b"")
    if not _is_host(host):
        raise Refused(Failure.BAD_REQUEST, "no Host, or one that is no host name")
    if head.target.startswith(b"/"):
        return
    absolute = _ABSOLUTE_FORM.fullmatch(head.target)
    if absolute is None:
        if head.target == b"*" and head.method == b"OPTIONS":
            raise Refused(Failure.METHOD_REFUSED, "OPTIONS *")
        raise Refused(Failure.BAD_TARGET, "the target is not a path")
    if absolute["authority"].lower() != host.lower():
        raise Refused(Failure.MISDIRECTED, "the target names another host than Host")
    rest: bytes = absolute["rest"] or b"/"
    head.target = rest if rest.startswith(b"/") else b"/" + rest


@lru_cache(maxsize=256)
def _is_host(host: bytes) -> bool:
    return _HOST.fullmatch(host) is not None


def _frame_request(head: RequestHead) -> None:
    """RFC 9112 section 6: one clear length, or the request is refused."""
    coding = head.named.get(b"transfer-encoding")
    length = head.named.get(b"content-length")
    if coding is not None:
        if length is not None or head.minor == 0:
            raise Refused(Failure.BAD_FRAMING, "Transfer-Encoding with Content-Length or in HTTP/1.0")
        if coding.lower() != b"chunked":
            raise Refused(Failure.CODING_REFUSED, "a transfer coding other than chunked")
        head.length = CHUNKED
    elif length is not None:
        if not length.isdigit() or len(length) > 18:
            raise Refused(Failure.BAD_FRAMING, "Content-Length is no number")
        head.length = int(length)


def _persist_or_upgrade(head: RequestHead) -> None:
    expect = head.named.get(b"expect")
    if expect is not None and expect.lower() != b"100-continue":
        raise Refused(Failure.BAD_REQUEST, "an expectation other than 100-continue")
    connection = head.named.get(b"connection")
    head.keep_alive = head.minor == 1
    if connection is None or connection in _PLAIN_KEEP_ALIVE:
        return
    named = headers.tokens(connection)
    if b"close" in named:
        head.keep_alive = False
    if b"upgrade" in named and b"upgrade" in head.named:
        _check_upgrade(head)
    headers.without_nominated(head)


def _check_upgrade(head: RequestHead) -> None:
    """RFC 6455 section 4.2.1. An upgrade to anything else is not passed on: the request stays plain HTTP."""
    if headers.tokens(head.named[b"upgrade"]) != [b"websocket"]:
        return
    key = head.named.get(b"sec-websocket-key", b"")
    version = head.named.get(b"sec-websocket-version", b"")
    if head.method != b"GET" or head.length or head.minor != 1 or not _KEY.fullmatch(key) or version != b"13":
        raise Refused(Failure.BAD_UPGRADE, "no GET, a body, or no valid Sec-WebSocket-Key and -Version")
    if b"content-length" in head.named:
        raise Refused(Failure.BAD_UPGRADE, "an upgrade with a Content-Length")
    head.websocket = True


def read_response(raw: bytes, method: bytes) -> ResponseHead:
    """The bytes of one response head to a `method` request. Raises Refused(UPSTREAM_BAD_ANSWER)."""
    line, *lines = raw[:-4].split(b"\r\n")
    try:
        _judge(httptools.HttpResponseParser(_SILENT), raw)
        passed, named, cookies = headers.sort_response(lines)
    except Refused as refused:
        raise Refused(Failure.UPSTREAM_BAD_ANSWER, refused.detail) from None
    match = _STATUS_LINE.fullmatch(line)
    if match is None or len(lines) > MOST_FIELDS:
        raise Refused(Failure.UPSTREAM_BAD_ANSWER, "the status line, or too many fields")
    head = ResponseHead(int(match[2]), match[3] or b"", int(match[1]), passed, named, cookies)
    head.length = _response_length(head, method)
    head.keep_alive = head.length != UNTIL_CLOSE and _persists(head.minor, named.get(b"connection"))
    return head


def _persists(minor: int, connection: bytes | None) -> bool:
    if connection is None:
        return minor == 1
    if connection in _PLAIN_KEEP_ALIVE:
        return True
    named = headers.tokens(connection)
    return b"close" not in named and (minor == 1 or b"keep-alive" in named)


def _response_length(head: ResponseHead, method: bytes) -> int:
    """RFC 9112 section 6.3: n bytes, CHUNKED or UNTIL_CLOSE."""
    coding = head.named.get(b"transfer-encoding")
    if coding is not None and (coding.lower() != b"chunked" or head.minor == 0):
        raise Refused(Failure.UPSTREAM_BAD_ANSWER, "a transfer coding other than chunked")
    length = head.named.get(b"content-length")
    if length is not None and (not length.isdigit() or len(length) > 18):
        raise Refused(Failure.UPSTREAM_BAD_ANSWER, "Content-Length is no number")
    if method == b"HEAD" or head.status < 200 or head.status in _BODYLESS_STATUS:
        return 0
    if coding is not None:
        return CHUNKED
    return UNTIL_CLOSE if length is None else int(length)


def write_request(head: RequestHead, lines: list[bytes]) -> bytes:
    """The head as QPS gets it: the request line, `lines`, and exactly one framing."""
    parts = [head.method + b" " + head.target + b" HTTP/1.1", *lines]
    if head.length == CHUNKED:
        parts.append(b"Transfer-Encoding: chunked")
    elif b"content-length" in head.named:
        parts.append(b"Content-Length: %d" % head.length)
    if head.websocket:
        parts.append(b"Connection: Upgrade\r\nUpgrade: websocket")
    elif b"expect" in head.named:
        parts.append(b"Expect: 100-continue")
    parts.append(HEAD_END[:2])
    return b"\r\n".join(parts)


def write_response(head: ResponseHead, *, chunked: bool, close: bool) -> bytes:
    """The head as the browser gets it. `chunked`: how the body will be framed when its length is not known."""
    named = head.named
    parts = [b"HTTP/1.1 %d %b" % (head.status, head.reason), *head.lines]
    if head.cookies:
        parts.extend([b"Set-Cookie: " + cookie for cookie in head.cookies])
    if b"location" in named:
        parts.append(b"Location: " + named[b"location"])
    if b"content-location" in named:
        parts.append(b"Content-Location: " + named[b"content-location"])
    if chunked:
        parts.append(b"Transfer-Encoding: chunked")
    elif b"content-length" in named and head.length >= 0 and head.status >= 200 and head.status != 204:
        parts.append(b"Content-Length: " + named[b"content-length"])
    if head.status == 101:
        parts.append(b"Connection: Upgrade\r\nUpgrade: websocket")
    elif close:
        parts.append(b"Connection: close")
    parts.append(HEAD_END[:2])
    return b"\r\n".join(parts)


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    """RFC 9110 section 5.6.7."""
    return formatdate(second, usegmt=True).encode()


def write_answer(answer: Answer, method: bytes, *, close: bool) -> bytes:
    """qproxy's own response, whole."""
    status = b"HTTP/1.1 %d %s" % (answer.status, _PHRASES.get(answer.status, b""))
    parts = [status, b"Date: " + _date(int(time.time())), *answer.lines]
    if answer.status == 101:
        parts.append(b"Connection: Upgrade\r\nUpgrade: websocket")
    else:
        parts.append(b"Content-Length: %d" % len(answer.body))
        if close:
            parts.append(b"Connection: close")
    parts.append(HEAD_END[:2] + (b"" if method == b"HEAD" else answer.body))
    return b"\r\n".join(parts)
