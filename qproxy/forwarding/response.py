"""Reads the heads of Qlik's answers and writes them for the browser: the same two judges as of requests (head.py).

An answer that could be read in two ways is Qlik's fault, and never reaches the browser.
"""

import re
from typing import Final

import httptools

from qproxy import headers
from qproxy.errors import Failure, Refused
from qproxy.forwarding.head import HEAD_END, MOST_FIELDS, PLAIN_KEEP_ALIVE, PRINTED, SILENT, judge
from qproxy.headers import CHUNKED, UNTIL_CLOSE, ResponseHead, StatusLine

RESPONSE_HEAD_BYTES: Final = 65536
MOST_BLOCKS: Final = 2048
LONGEST_BLOCK: Final = 1024
"""Bytes: with MOST_BLOCKS the bound of what is remembered of answers, some 5 MB at the very worst."""

_DATE: Final = b"\r\nDate: "
_LENGTH: Final = b"\r\nContent-Length: "
_LENGTH_LINE: Final = _LENGTH[1:]
"""The date's line may end right before it."""
LONGEST_LENGTH: Final = 18
_BODYLESS_STATUS = frozenset({204, 304})
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_NOT_REMEMBERED = frozenset({b"location", b"content-location", b"qlik-csrf-token"})
"""Rewritten each time, or secret."""


class AnswerBlock:
    """What an accepted answer's head says, but for the values of its first `Date: ` and `Content-Length: ` lines.

    `before` and `behind`: what the browser gets on either side of the date; `varies`: whether there is such a length
    line, which `tail` then goes on to. Shared by all answers with the same bytes, so nothing here may be changed in
    place.
    """

    __slots__ = ("before", "behind", "bodyless", "declared", "keep_alive", "length", "named", "start", "tail", "varies")

    def __init__(self, head: ResponseHead, dated: bool, varies: bool) -> None:
        self.before, self.behind = _around_date(head.written) if dated else (head.written, b"")
        self.tail = self.behind + _LENGTH
        self.start = head.start
        self.named = head.named
        self.length = head.length
        self.declared = head.declared
        self.keep_alive = head.keep_alive
        self.bodyless = head.status in _BODYLESS_STATUS
        self.varies = varies


def _around_date(written: bytes) -> tuple[bytes, bytes]:
    before, date, rest = written.partition(_DATE)
    end = rest.find(b"\r\n")
    return before + date, b"" if end < 0 else rest[end:]


_statuses: dict[bytes, StatusLine] = {}
"""Status lines that were accepted, by their bytes."""
MOST_STATUSES: Final = 512
LONGEST_STATUS: Final = 100

_blocks: dict[bytes, AnswerBlock] = {}
"""By their bytes, without those two values. Forgets everything when full; never a Set-Cookie or a token."""


def read_response(raw: bytes, method: bytes) -> ResponseHead:
    """The bytes of one response head to a `method` request. Raises Refused(UPSTREAM_BAD_ANSWER).

    A head that was accepted before, but for its date and its length, is not judged and sorted again.
    """
    if method == b"HEAD":
        return _read_afresh(raw, method)
    rest, date, length = _without_varying(raw)
    block = _blocks.get(rest)
    if block is None:
        head = _read_afresh(raw, method)
        if head.status >= 200 and not head.cookies and head.named.keys().isdisjoint(_NOT_REMEMBERED):
            _remember(rest, AnswerBlock(head, _DATE in raw, _LENGTH in raw))
        return head
    if date.translate(None, PRINTED) or (block.varies and not (length.isdigit() and len(length) <= LONGEST_LENGTH)):
        return _read_afresh(raw, method)
    head = ResponseHead(block.start, b"", block.named)
    head.plain = True
    head.keep_alive = block.keep_alive
    if block.varies and block.declared:
        head.declared = length
        head.length = 0 if block.bodyless else int(length)
        head.ready = b"".join((block.before, date, block.tail, length, HEAD_END))
    else:
        head.declared = block.declared
        head.length = block.length
        head.written = block.before + date + block.behind
    return head


def _without_varying(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """A head without the values of its first `Date: ` and `Content-Length: ` lines; these values, b"" for none.

    Lines are cut at the CR alone, which stays where the cut-off line may be the last one: behind a CR without its LF
    nothing looks like what was left of a good head.
    """
    before, dated, behind = raw.partition(_DATE)
    date, _, behind = behind.partition(b"\r")
    between, found, rest = behind.partition(_LENGTH_LINE)
    if found:
        length, _, rest = rest.partition(b"\r")
        return before + dated + between + found + rest, date, length
    first, found, before = before.partition(_LENGTH)
    length, end, before = before.partition(b"\r")
    return first + found + end + before + dated + behind, date, length


def _remember(rest: bytes, block: AnswerBlock) -> None:
    if len(rest) <= LONGEST_BLOCK:
        if len(_blocks) >= MOST_BLOCKS:
            _blocks.clear()
        _blocks[rest] = block


def _read_afresh(raw: bytes, method: bytes) -> ResponseHead:
    """Judged as a whole, unless every line of it was accepted before."""
    lines = raw[:-4].split(b"\r\n")
    line = lines.pop(0)
    status = _statuses.get(line)
    fields = headers.fields_of_response(lines)
    try:
        if status is None or not all(fields):
            judge(httptools.HttpResponseParser(SILENT), raw)
            status = _read_status(line)
        passed, named, cookies = headers.sort_response(lines, fields)
    except Refused as refused:
        raise Refused(Failure.UPSTREAM_BAD_ANSWER, refused.detail) from None
    if len(fields) > MOST_FIELDS:
        raise Refused(Failure.UPSTREAM_BAD_ANSWER, "too many fields")
    head = ResponseHead(status, b"\r\n".join([status.line, *passed]), named, cookies)
    head.length = _response_length(head, method)
    head.keep_alive = head.length != UNTIL_CLOSE and _persists(status.minor, named.get(b"connection"))
    if head.status >= 200 and head.status != 204:
        head.declared = named.get(b"content-length", b"")
    return head


def _read_status(line: bytes) -> StatusLine:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise Refused(Failure.UPSTREAM_BAD_ANSWER, "the status line")
    status = StatusLine(int(match[2]), match[3] or b"", int(match[1]))
    if len(_statuses) < MOST_STATUSES and len(line) <= LONGEST_STATUS:
        _statuses[line] = status
    return status


def _persists(minor: int, connection: bytes | None) -> bool:
    if connection is None:
        return minor == 1
    if connection in PLAIN_KEEP_ALIVE:
        return True
    named = headers.tokens(connection)
    return b"close" not in named and (minor == 1 or b"keep-alive" in named)


def _response_length(head: ResponseHead, method: bytes) -> int:
    """RFC 9112 section 6.3: n bytes, CHUNKED or UNTIL_CLOSE."""
    coding = head.named.get(b"transfer-encoding")
    length = head.named.get(b"content-length")
    if coding is not None and (coding.lower() != b"chunked" or head.start.minor == 0 or length is not None):
        raise Refused(Failure.UPSTREAM_BAD_ANSWER, "a transfer coding other than chunked, or with a Content-Length")
    if length is not None and (not length.isdigit() or len(length) > LONGEST_LENGTH):
        raise Refused(Failure.UPSTREAM_BAD_ANSWER, "Content-Length is no number")
    if method == b"HEAD" or head.status < 200 or head.status in _BODYLESS_STATUS:
        return 0
    if coding is not None:
        return CHUNKED
    return UNTIL_CLOSE if length is None else int(length)


def write_response(head: ResponseHead, *, chunked: bool, close: bool) -> bytes:
    """The head as the browser gets it. `chunked`: how the body will be framed when its length is not known."""
    if head.ready and not head.cookies:
        return head.ready[:-2] + b"Connection: close" + HEAD_END if close else head.ready
    named = head.named
    parts = [head.written or head.ready[: -len(_LENGTH + head.declared + HEAD_END)]]
    if head.cookies:
        parts.extend([b"Set-Cookie: " + cookie for cookie in head.cookies])
    if b"location" in named:
        parts.append(b"Location: " + named[b"location"])
    if b"content-location" in named:
        parts.append(b"Content-Location: " + named[b"content-location"])
    if chunked:
        parts.append(b"Transfer-Encoding: chunked")
    elif head.declared:
        parts.append(b"Content-Length: " + head.declared)
    if head.status == 101:
        parts.append(b"Connection: Upgrade\r\nUpgrade: websocket")
    elif close:
        parts.append(b"Connection: close")
    parts.append(HEAD_END[:2])
    return b"\r\n".join(parts)
