"""What the data plane accepts of browsers is a subset of what aiohttp's own parsers accept, with the same framing.

More than 100,000 heads a run, always the same ones: a seed makes each stream, so a failure names the seed to try again.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hostile.comparison import DROPPED, EXCEPTIONS, Difference, Passage, compare, passage
from hostile.drafts import stream
from hostile.readings import REQUESTS, Reading, read

from qproxy.forwarding import body, downstream, head, request_body
from qproxy.headers import RequestHead

HEADS = 100_000
BLOCKS = 25
SEEDS = 3_200
"""Streams a block; they hold some 1.3 heads each."""
COMPILED = not head.__file__.endswith(".py")

SHARES = {
    "an upgrade to another protocol": 0.01,
    "an HTTP/1.0 client that asks to be kept": 0.01,
    "a trailer that aiohttp takes for a field": 0.02,
    "a field that aiohttp lets stand once": 0.03,
    "a field of a WebSocket draft": 0.005,
    "a chunk extension": 0.01,
    "a trailer": 0.005,
}
"""The part of all heads that may be an exception of each kind: enough for what the grammar makes of it, and no more."""


def block(number: int) -> Iterable[int]:
    return range(number * SEEDS, (number + 1) * SEEDS)


def compared(seeds: Iterable[int]) -> Counter[str]:
    """Raises Difference with the seed."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        made = stream(seed)
        passed = passage(made.reads())
        counts["heads"] += made.heads
        if not passed.crossed:
            counts["refused"] += 1
            continue
        try:
            counts += by_all_parsers(made.pieces, passed)
        except Difference as difference:
            raise Difference(f"seed {seed}: {difference}\n{b''.join(made.pieces)!r}") from None
    return counts


def by_all_parsers(pieces: list[bytes], passed: Passage) -> Counter[str]:
    """Of each kind the most that any parser says; equal readings are compared once."""
    readings: list[Reading] = []
    counts: Counter[str] = Counter()
    for make in REQUESTS.values():
        reading = read(make, pieces, len(passed.crossed))
        if reading not in readings:
            readings.append(reading)
            counts |= compare(pieces, passed, reading)
    return counts


@pytest.mark.parametrize("number", range(BLOCKS))
async def test_what_crosses_is_what_aiohttp_would_read(number: int) -> None:
    counts = compared(block(number))
    assert counts["heads"] * BLOCKS >= HEADS
    assert counts["same"] >= 0.5 * counts["heads"], "too few heads get through for the comparison to say much"
    assert counts["refused"] >= 0.2 * counts["heads"], "too few heads are refused"
    assert {name: count for name, count in counts.items() if count > SHARES.get(name, 2.0) * counts["heads"]} == {}


def test_each_exception_has_its_reason_and_its_bound() -> None:
    assert SHARES.keys() == {*EXCEPTIONS, *DROPPED}
    assert [name for name, why in EXCEPTIONS.items() if not why.__doc__] == []


def test_both_parsers_of_aiohttp_are_asked() -> None:
    assert set(REQUESTS) == {"python", "compiled"}


# --- it notices ---


def with_head(change: Callable[[RequestHead], object]) -> Callable[..., RequestHead]:
    def read_request(raw: bytes) -> RequestHead:
        made = head.read_request(raw)
        change(made)
        return made

    return read_request


def taking_one_more(self: Any, data: bytes) -> tuple[bytes, int, bytes]:
    framed, size, rest = _take(self, data)
    return framed + rest[:1], size, rest[1:]


def lenient(self: Any, line: bytes) -> None:
    _read_line(self, line.rstrip(b"\r\n").strip() + b"\r\n")


_take = request_body.RequestBody.take
_read_line = body.ChunkReader._read_line
Patch = tuple[object, str, object]
WEAKENED: dict[str, Patch] = {
    "llhttp is not asked": (head, "judge", lambda parser, raw: None),
    "any host will do": (head, "_is_host", lambda host: True),
    "a length is not looked at": (head, "_frame_request", lambda block: None),
    "a connection is always kept": (
        downstream,
        "read_request",
        with_head(lambda made: setattr(made, "keep_alive", True)),
    ),
    "an upgrade is not told from a request": (
        downstream,
        "read_request",
        with_head(lambda made: setattr(made, "websocket", False)),
    ),
    "a target loses its query": (
        downstream,
        "read_request",
        with_head(lambda made: setattr(made, "target", made.target.partition(b"?")[0])),
    ),
    "a body takes a byte of the next request": (request_body.RequestBody, "take", taking_one_more),
    "chunks may be spaced": (body.ChunkReader, "_read_line", lenient),
    "a chunk's size may be anything that int reads": (
        body,
        "_SIZE_LINE",
        re.compile(rb"([-+0-9a-fA-Fx_]+)[^\r\n]*"),
    ),
}


@pytest.mark.skipif(
    COMPILED, reason="compiled modules cannot be changed from outside; the Python ones are the same source"
)
@pytest.mark.parametrize("what", WEAKENED)
async def test_a_weaker_rule_is_noticed(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, name, instead = WEAKENED[what]
    monkeypatch.setattr(target, name, instead)
    with pytest.raises(Difference):
        compared(range(1500))
