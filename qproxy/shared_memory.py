"""What all workers of one qproxy see: places in memory, which outlive a worker that dies, and tables in them.

It is made before the workers are, and they inherit it. A qproxy of one process has the same places for itself alone.
What stands in them is told by whoever uses them; none of it may be a secret that a worker has not got anyway.
"""

import mmap
import os
import secrets
import ssl
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

if sys.platform != "win32":
    import fcntl

ASKED_BYTES = 768 * 1024
NONCES_BYTES = 256 * 1024
BOARD_BYTES = 8 * 1024 * 1024
"""Address space; only what is written to becomes memory."""
KEY_BYTES = 16
WAYS = 16
"""Records that one key may stand in."""
EMPTY = bytes(KEY_BYTES)

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the memory. `alone()`: until its context ends, no other worker is within its own."""

    memory: memoryview
    seed: bytes
    alone: Callable[[], AbstractContextManager[object]] = nullcontext

    @classmethod
    def private(cls, size: int) -> "Section":
        return cls(memoryview(bytearray(size)), secrets.token_bytes(KEY_BYTES))


@dataclass(frozen=True, slots=True)
class Shared:
    """`boards`: one for each worker, which alone writes there."""

    asked: Section
    nonces: Section
    boards: tuple[Section, ...] = ()

    @classmethod
    def by_nobody(cls) -> "Shared":
        return cls(Section.private(ASKED_BYTES), Section.private(NONCES_BYTES))

    @classmethod
    def between(cls, workers: int) -> "Shared":
        """For processes that are forked from this one. Raises OSError."""
        sizes = [ASKED_BYTES, NONCES_BYTES, *[BOARD_BYTES] * workers]
        asked, nonces, *boards = _sections(sizes)
        return cls(asked, nonces, tuple(boards))


@dataclass(frozen=True, slots=True)
class Worker:
    """Which of the workers this process is, from 1; `count` is 1 where there are no others. `public_tls`: what all of
    them make the public listener's TLS context of."""

    number: int
    count: int
    shared: Shared
    public_tls: ssl.SSLContext | None = None

    @classmethod
    def only(cls) -> "Worker":
        return cls(1, 1, Shared.by_nobody())


def _sections(sizes: list[int]) -> list[Section]:
    if sys.platform != "linux":
        return [Section.private(size) for size in sizes]  # nothing is forked there
    else:  # a type checker skips a branch for another system, but calls code behind it unreachable
        descriptor = os.memfd_create("qproxy")
        os.ftruncate(descriptor, sum(sizes))
        memory = memoryview(mmap.mmap(descriptor, sum(sizes)))
        sections, start = [], 0
        for size in sizes:
            alone = _lock(descriptor, start)
            sections.append(Section(memory[start : start + size], secrets.token_bytes(KEY_BYTES), alone))
            start += size
        return sections


def _lock(descriptor: int, place: int) -> Callable[[], AbstractContextManager[object]]:
    """Between processes, not between threads. The system takes it from a process that dies."""

    @contextmanager
    def held() -> Iterator[None]:
        if sys.platform == "win32":
            yield
        else:
            fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, place)
            try:
                yield
            finally:
                fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, place)

    return held


class Table:
    """Records of one form (as `struct` has it) by key. Bounded: a new key may push another one out.

    Who reads and then writes does both within `alone()`.
    """

    def __init__(self, section: Section, form: str, room: int) -> None:
        self._record = struct.Struct(f"={KEY_BYTES}s{form}")
        self._ways = min(WAYS, room)
        self._sets = max(1, room // self._ways)
        self._memory = section.memory
        self._seed = section.seed
        self.alone = section.alone
        if self._record.size * self._ways * self._sets > len(self._memory):
            raise ValueError(f"{room} records of {self._record.size} bytes do not fit into {len(self._memory)}")

    def key(self, *parts: str) -> bytes:
        """Nobody outside can choose two that push each other out."""
        text = "\0".join(parts).encode("utf-8", "surrogatepass")
        return blake2b(text, digest_size=KEY_BYTES, key=self._seed).digest()

    def get(self, key: bytes) -> Values | None:
        return next((values for kept, values in map(self._read, self._places(key)) if kept == key), None)

    def put(self, key: bytes, values: Values, weigh: Callable[[Values], Any]) -> None:
        """Where there is no room the record goes that weighs least."""
        places = {place: self._read(place) for place in self._places(key)}
        chosen = next((place for place, (kept, _) in places.items() if kept == key), None)
        if chosen is None:
            free = (place for place, (kept, _) in places.items() if kept == EMPTY)
            chosen = next(free, None)
        if chosen is None:
            chosen = min(places, key=lambda place: weigh(places[place][1]))
        self._record.pack_into(self._memory, chosen, key, *values)

    def __iter__(self) -> Iterator[Values]:
        records = map(self._read, range(0, self._record.size * self._ways * self._sets, self._record.size))
        return (values for key, values in records if key != EMPTY)

    def _places(self, key: bytes) -> range:
        size = self._record.size * self._ways
        start = int.from_bytes(key[:8], "big") % self._sets * size
        return range(start, start + size, self._record.size)

    def _read(self, place: int) -> tuple[bytes, Values]:
        key, *values = self._record.unpack_from(self._memory, place)
        return key, tuple(values)
