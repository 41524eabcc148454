"""Reads the heads of requests: llhttp judges the grammar, our own rules refuse what it lets through.

One fresh llhttp parser a head, without callbacks: it either accepts the bytes or says why not. The accepted lines are
then sorted by qproxy.headers. Nothing here knows where a request goes. Answers are response.py's.
"""

import re
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import httptools

from qproxy import headers, routing
from qproxy.errors import Failure, Refused
from qproxy.forwarding.conduct import Answer
from qproxy.headers import CHUNKED, FieldBlock, RequestHead

HEAD_END: Final = b"\r\n\r\n"
MOST_FIELDS: Final = 256

MOST_BLOCKS: Final = 2048
LONGEST_BLOCK: Final = 2048
"""Bytes: with MOST_BLOCKS the bound of what is remembered of requests, some 10 MB at the very worst."""

_COOKIE: Final = b"\r\nCookie: "
PRINTED = bytes([9, *range(32, 127), *range(128, 256)])
"""All bytes that a field value may hold."""
_VISIBLE = bytes(byte for byte in range(33, 127) if byte != 0x23)
"""What a target may hold that is only looked at here: all that is printed but "#"."""
_VERSIONS = frozenset({b"HTTP/1.1", b"HTTP/1.0"})
ZERO: Final = 0x30
_PLAIN_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
_NOT_REMEMBERED = frozenset({b"authorization", b"content-length", b"transfer-encoding"})
"""Secret, or different each time."""
_REFUSED_METHODS = frozenset({b"CONNECT", b"TRACE", b"PRI"})
_ABSOLUTE_FORM = re.compile(rb"https?://(?P<authority>[^/?#@\\]+)(?P<rest>[/?].*)?", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(rb"[a-z0-9._-]+(?::[0-9]{1,5})?|\[[0-9a-f:.]+\](?::[0-9]{1,5})?", re.IGNORECASE)
PLAIN_KEEP_ALIVE = frozenset({b"keep-alive", b"Keep-Alive"})
_REQUEST_LINE = re.compile(rb"([A-Z-]+) ([\x21-\x7e]+) HTTP/1\.[01]")
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}


class _Silent:
    """llhttp's callbacks: none."""


SILENT = _Silent()

_blocks: dict[bytes, FieldBlock] = {}
"""The fields of requests that were accepted, by their bytes. Forgets everything when full; never a cookie."""


def recall(raw: bytes) -> RequestHead | None:
    """The head of a request of which only the request line and the cookies are new; None for any other.

    The rest must be, byte for byte, what both judges let pass before; so `raw` holds one head and nothing behind it.
    Raises Refused for a target that may not pass.
    """
    line, cookie, rest = _without_cookie(raw)
    block = _blocks.get(rest)
    parts = line.split(b" ")
    if block is None or len(parts) != 3:
        return None
    method, target, version = parts
    if method not in _PLAIN_METHODS or version not in _VERSIONS or target[:1] != b"/":
        return None
    if target.translate(None, _VISIBLE) or cookie.translate(None, PRINTED):
        return None
    head = RequestHead(method, target, block, cookie.strip(b" \t"))
    path = head.path
    if len(path) <= routing.LONGEST_REMEMBERED:
        routing.check_short_path(path)
    else:
        routing.check_path(path)
    return head


def _without_cookie(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """A head's request line, the value of its first Cookie field, and all that is left: with the minor version before
    it, and a NUL, which no good head holds, for the field (without one they begin with another byte than LF).

    Lines are cut at the CR alone, which stays where the cut-off line is not the last one: behind a CR without its LF
    nothing looks like what was left of a good head.
    """
    before, found, behind = raw.partition(_COOKIE)
    line, end, before = before.partition(b"\r")
    if not found:
        return line, b"", line[-1:] + b"-" + before
    cookie, _, behind = behind.partition(b"\r")
    return line, cookie, line[-1:] + end + before + b"\0" + behind


def read_request(raw: bytes) -> RequestHead:
    """The bytes of one request head, up to and with its empty line. Raises Refused with the status to answer.

    Header fields that were read before, byte for byte, are not judged and sorted again.
    """
    return recall(raw) or _read_afresh(raw)


def _read_afresh(raw: bytes) -> RequestHead:
    end = raw.find(b"\r\n")
    match = _REQUEST_LINE.fullmatch(raw, 0, end)
    if match is None:
        raise _bad_request_line(raw[:end])
    method, target = match.groups()
    if method in _REFUSED_METHODS:
        raise Refused(Failure.METHOD_REFUSED, method.decode())
    judge(httptools.HttpRequestParser(SILENT), raw)
    lines = raw[end + 2 : -4].split(b"\r\n")
    if len(lines) > MOST_FIELDS:
        raise Refused(Failure.HEAD_TOO_LARGE, f"{len(lines)} fields")
    dropped: list[bytes] = []
    passed, named = headers.sort_request(lines if lines[0] else (), dropped)
    cookie = named.pop(b"cookie", b"")
    block = _block(raw[end - 1] - ZERO, passed, named, dropped)
    head = RequestHead(method, _origin_form(method, target, block.host), block, cookie)
    routing.check_target(head.target, head.path)
    if b"upgrade" in named:
        _check_upgrade(head)
    elif named.keys().isdisjoint(_NOT_REMEMBERED) and len(lines) < MOST_FIELDS:
        _remember(_without_cookie(raw)[2], block)
    return head


def _remember(rest: bytes, block: FieldBlock) -> None:
    if len(rest) > LONGEST_BLOCK or b"\ncookie:" in rest.lower():
        return
    if len(_blocks) >= MOST_BLOCKS:
        _blocks.clear()
    _blocks[rest] = block


def _block(minor: int, passed: list[bytes], named: dict[bytes, bytes], dropped: list[bytes]) -> FieldBlock:
    connection = named.get(b"connection")
    if connection is not None and connection not in PLAIN_KEEP_ALIVE and (names := headers.nominated(connection)):
        passed = headers.without_named(passed, names)
    block = FieldBlock(minor, headers.whole(passed), named, headers.whole(dropped) if dropped else b"")
    if not _is_host(block.host):
        raise Refused(Failure.BAD_REQUEST, "no Host, or one that is no host name")
    _frame_request(block)
    _expect(block)
    if connection is not None and b"close" in headers.tokens(connection):
        block.keep_alive = False
    return block


def judge(parser: httptools.HttpRequestParser | httptools.HttpResponseParser, raw: bytes) -> None:
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


def _origin_form(method: bytes, target: bytes, host: bytes) -> bytes:
    """The target as a path, also of one in absolute form (RFC 9112 section 3.2)."""
    if target.startswith(b"/"):
        return target
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is None:
        if target == b"*" and method == b"OPTIONS":
            raise Refused(Failure.METHOD_REFUSED, "OPTIONS *")
        raise Refused(Failure.BAD_TARGET, "the target is not a path")
    if absolute["authority"].lower() != host:
        raise Refused(Failure.MISDIRECTED, "the target names another host than Host")
    rest: bytes = absolute["rest"] or b"/"
    return rest if rest.startswith(b"/") else b"/" + rest


@lru_cache(maxsize=256)
def _is_host(host: bytes) -> bool:
    return _HOST.fullmatch(host) is not None


def _frame_request(block: FieldBlock) -> None:
    """RFC 9112 section 6: one clear length, or the request is refused."""
    coding = block.named.get(b"transfer-encoding")
    length = block.named.get(b"content-length")
    if coding is not None:
        if length is not None or block.minor == 0:
            raise Refused(Failure.BAD_FRAMING, "Transfer-Encoding with Content-Length or in HTTP/1.0")
        if coding.lower() != b"chunked":
            raise Refused(Failure.CODING_REFUSED, "a transfer coding other than chunked")
        block.length = CHUNKED
        block.framing = b"Transfer-Encoding: chunked\r\n"
    elif length is not None:
        if not length.isdigit() or len(length) > 18:
            raise Refused(Failure.BAD_FRAMING, "Content-Length is no number")
        block.length = int(length)
        block.framing = b"Content-Length: %d\r\n" % block.length


def _expect(block: FieldBlock) -> None:
    expect = block.named.get(b"expect")
    if expect is None:
        return
    if expect.lower() != b"100-continue":
        raise Refused(Failure.BAD_REQUEST, "an expectation other than 100-continue")
    block.framing += b"Expect: 100-continue\r\n"


def _check_upgrade(head: RequestHead) -> None:
    """RFC 6455 section 4.2.1. An upgrade to anything else is not passed on: the request stays plain HTTP."""
    if b"upgrade" not in headers.tokens(head.named.get(b"connection", b"")):
        return
    if headers.tokens(head.named[b"upgrade"]) != [b"websocket"]:
        return
    key = head.named.get(b"sec-websocket-key", b"")
    version = head.named.get(b"sec-websocket-version", b"")
    if head.method != b"GET" or head.length or head.minor != 1 or not _KEY.fullmatch(key) or version != b"13":
        raise Refused(Failure.BAD_UPGRADE, "no GET, a body, or no valid Sec-WebSocket-Key and -Version")
    if b"content-length" in head.named:
        raise Refused(Failure.BAD_UPGRADE, "an upgrade with a Content-Length")
    head.websocket = True
    head.framing = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


def write_request(head: RequestHead, fields: bytes) -> bytes:
    """The head as QPS gets it: the request line, `fields`, and exactly one framing."""
    return b"".join((head.method, b" ", head.target, b" HTTP/1.1\r\n", fields, head.framing, b"\r\n"))


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
