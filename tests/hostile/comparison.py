"""Compares what qproxy made of a stream of requests with what aiohttp's own parsers read in the same bytes.

Each request that crossed must be one that aiohttp accepts, at the same place, with the same method, target, fields and
body. What differs on purpose is in EXCEPTIONS, each with its reason, and is counted.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hostile.lane import Lane
from hostile.readings import FASTEST, REQUESTS, Message, Reading, read

from qproxy.errors import Failure
from qproxy.headers import CHUNKED, REQUEST_RULES, RequestHead, Rule
from qproxy.records import Record

_ORIGIN = re.compile(rb"https?://[^/?]*", re.IGNORECASE)
_WRITTEN = frozenset((b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect", b"cookie"))
"""Fields that qproxy writes itself, so that their place among the others says nothing."""
_CROSSING = frozenset({Rule.PASS, Rule.READ})
_SINGLE = frozenset(
    (b"content-type", b"user-agent", b"content-location", b"content-range", b"etag", b"max-forwards", b"server")
)
_FAMILIES = (b"x-forwarded-", b"x-qproxy-", b"x-qlik-proxy")


@dataclass(frozen=True, slots=True)
class Crossed:
    """A request that qproxy passed on: its head as qproxy read it, and what the node got of it (None: nothing)."""

    head: RequestHead
    refused: bool
    got: Message | None


@dataclass(frozen=True, slots=True)
class Passage:
    """What qproxy made of a whole stream. `tail`: what the node got after a switch to WebSocket."""

    crossed: list[Crossed]
    tail: bytes | None


def passage(reads: Iterable[bytes]) -> Passage:
    lane = Lane()
    for data in reads:
        lane.send(data)
    readings = lane.node_readings()
    got = [message for reading in readings for message in reading.messages]
    heads = [(record.head, refused(record)) for record in lane.road.asked if record.head is not None]
    lane.close()
    padded = [*got, *[None] * (len(heads) - len(got))]
    crossed = [Crossed(head, refused, one) for (head, refused), one in zip(heads, padded, strict=True)]
    return Passage(crossed, readings[-1].tail if readings else None)


def refused(record: Record) -> bool:
    """Whether a request that had begun to cross was broken off for its body."""
    assert record.failure in (None, Failure.BAD_FRAMING), f"{record.failure} {record.detail}"
    return record.failure is not None


@dataclass(frozen=True, slots=True)
class Meeting:
    """One request that crossed, and what a parser of aiohttp read in its place: None and an error where nothing."""

    crossed: Crossed
    read_as: Message | None
    error: str


class Difference(AssertionError):
    """What differs, and how."""


def compare(pieces: Sequence[bytes], made: Passage, reading: Reading) -> Counter[str]:
    """Raises Difference; counts what was compared, and each exception. Behind an exception nothing is compared."""
    counts: Counter[str] = Counter()
    for number, one in enumerate(made.crossed):
        read_as = reading.messages[number] if number < len(reading.messages) else None
        meeting = Meeting(one, read_as, reading.error)
        found = difference(meeting)
        if found:
            counts[excused(pieces, made, meeting, found)] += 1
            return counts
        counts["refused" if one.refused else "same"] += 1
    last = Meeting(made.crossed[-1], reading.messages[-1], "") if made.crossed and reading.messages else None
    if last and made.tail is not None and made.tail != reading.tail:
        raise Difference(f"after the upgrade the node got {made.tail!r}, aiohttp reads {reading.tail!r}")
    return counts


def difference(meeting: Meeting) -> str:
    """ "" where there is none. What qproxy refused in the end, aiohttp may have refused before or taken."""
    one, read_as = meeting.crossed, meeting.read_as
    if one.refused:
        return ""
    if read_as is None:
        return f"aiohttp refuses it: {meeting.error or 'no such request'}"
    head = one.head
    if head.keep_alive == read_as.close:
        return f"keep-alive: {head.keep_alive}, aiohttp closes: {read_as.close}"
    if head.websocket != read_as.upgrade:
        return f"websocket: {head.websocket}, aiohttp's upgrade: {read_as.upgrade}"
    if (one.got is not None and one.got.whole) != read_as.whole:
        return f"the node got {one.got}, aiohttp sees its end: {read_as.whole}"
    return _what_differs(head, one.got, read_as) if one.got is not None else ""


def _what_differs(head: RequestHead, got: Message, read_as: Message) -> str:
    wanted = {
        "version": (head.minor, read_as.minor),
        "request line": (got.start, expected_line(read_as)),
        "fields": (crossing(got.pairs), expected_fields(read_as)),
        "cookies": (got.values(b"cookie"), joined(read_as.values(b"cookie"))),
        "expectation": (bool(got.values(b"expect")), bool(read_as.values(b"expect")) and not head.websocket),
        "length": (list(map(int, got.values(b"content-length"))), list(map(int, read_as.values(b"content-length")))),
        "chunked": ((got.chunked, head.length == CHUNKED), (read_as.chunked, read_as.chunked)),
        "body": (got.body, read_as.body),
    }
    return "; ".join(
        f"{what}: {ours!r}, aiohttp {theirs!r}" for what, (ours, theirs) in wanted.items() if ours != theirs
    )


def expected_line(message: Message) -> tuple[bytes, bytes]:
    """qproxy writes the absolute form, which aiohttp keeps, as the path that stands in it."""
    method, target = message.start
    path = _ORIGIN.sub(b"", target, count=1) if not target.startswith(b"/") else target
    return method, path if path.startswith(b"/") else b"/" + path


def crossing(pairs: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in pairs if name.lower() not in _WRITTEN]


def expected_fields(message: Message) -> list[tuple[bytes, bytes]]:
    """What crosses of a request's fields: none that Connection names, and no Authorization with an upgrade."""
    nominated = {
        token.strip(b" \t").lower() for value in message.values(b"connection") for token in value.split(b",")
    } - {b"close", b"keep-alive", b"upgrade"}
    if message.upgrade:
        nominated.add(b"authorization")
    return [(name, value) for name, value in crossing(message.pairs) if passes(name.lower(), nominated)]


def passes(name: bytes, nominated: set[bytes]) -> bool:
    rule = REQUEST_RULES.get(name, Rule.DROP if name.startswith(_FAMILIES) else Rule.PASS)
    return rule in _CROSSING and name not in nominated


def joined(values: list[bytes]) -> list[bytes]:
    """Several Cookie fields cross as one (RFC 9113 section 8.2.3); an empty one does not."""
    together = b"; ".join(values).strip(b" \t")
    return [together] if together else []


# --- what aiohttp reads differently, and why that is right ---


def _but(meeting: Meeting, **other: Any) -> bool:
    """Whether all is the same but for these of aiohttp's verdicts."""
    return meeting.read_as is not None and not difference(replace(meeting, read_as=replace(meeting.read_as, **other)))


def _another_upgrade(meeting: Meeting) -> bool:
    """Only WebSocket is passed on; the fields of any other offer stay here, so the node sees a plain request."""
    asked = b", ".join(meeting.read_as.values(b"upgrade")).lower() if meeting.read_as else b"websocket"
    return asked != b"websocket" and _but(meeting, upgrade=False)


def _old_client(meeting: Meeting) -> bool:
    """HTTP/1.0 with keep-alive: aiohttp keeps the connection, qproxy closes it and reads nothing more."""
    head = meeting.crossed.head
    return head.minor == 0 and not head.keep_alive and _but(meeting, close=True, upgrade=False)


def _leaked_trailer(meeting: Meeting) -> bool:
    """A fault of aiohttp's compiled parser: the last trailer of a request becomes the next one's first field."""
    return meeting.read_as is not None and _but(meeting, pairs=meeting.read_as.pairs[1:])


def _repeated(meeting: Meeting) -> bool:
    """aiohttp lets some fields stand once only that say nothing of framing, host or person; QPS judges them itself."""
    names = [line.partition(b":")[0].lower() for line in meeting.crossed.head.lines]
    return any(names.count(name) > 1 for name in _SINGLE) and "Duplicate" in meeting.error


def _first_draft(meeting: Meeting) -> bool:
    """The WebSocket draft of 2010, which put eight bytes behind the head. qproxy knows the standard only, in which the
    field means nothing: an upgrade needs the standard's fields as well, and the node gets those."""
    return "Sec-WebSocket-Key1" in meeting.error


EXCEPTIONS: dict[str, Callable[[Meeting], bool]] = {
    "an upgrade to another protocol": _another_upgrade,
    "an HTTP/1.0 client that asks to be kept": _old_client,
    "a trailer that aiohttp takes for a field": _leaked_trailer,
    "a field that aiohttp lets stand once": _repeated,
    "a field of a WebSocket draft": _first_draft,
}
DROPPED = {
    "a chunk extension": (re.compile(rb"(?m)^([0-9A-Fa-f]+)[ \t]*;[^\r\n]*\r\n"), rb"\1\r\n"),
    "a trailer": (re.compile(rb"(?m)^(0+)\r\n(?:[^\r\n]+\r\n)+\r\n"), rb"\1\r\n\r\n"),
}
"""What qproxy drops from a chunked body, and aiohttp reads and may refuse: without it both must read the same."""


def excused(pieces: Sequence[bytes], made: Passage, meeting: Meeting, found: str) -> str:
    for name, fits in EXCEPTIONS.items():
        if fits(meeting):
            return name
    for name, (pattern, instead) in DROPPED.items():
        plain = [pattern.sub(instead, piece) if b"chunked" in piece.lower() else piece for piece in pieces]
        if plain != list(pieces):
            compare(plain, made, read(REQUESTS[FASTEST], plain, len(made.crossed)))
            return name
    raise Difference(found)
