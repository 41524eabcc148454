"""Where each worker puts its numbers for the others to read: its own section of the shared memory, in two copies.

A reader never waits and never sees half a copy: it reads the one that was finished last, and its checksum says whether
it was written anew meanwhile. Nothing here knows what is in a copy.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from qproxy.shared_memory import Section

HEAD = struct.Struct("=B7x")
"""Which of the two copies was finished last; 0 for none. One byte, so it changes at once."""
COPY = struct.Struct("=IId")
"""Bytes, checksum, when."""


@dataclass(frozen=True, slots=True)
class Copy:
    data: bytes
    when: float


class Board:
    """`put` belongs to one worker, `get` to all. `clock` is the same in all of them."""

    def __init__(self, section: Section, clock: Callable[[], float]) -> None:
        self._memory = section.memory
        self._clock = clock
        self._half = (len(self._memory) - HEAD.size) // 2

    def put(self, data: bytes) -> bool:
        """False, and nothing is changed, when there is no room for it."""
        if COPY.size + len(data) > self._half:
            return False
        fresh = 2 if self._latest() == 1 else 1
        start = HEAD.size + (fresh - 1) * self._half
        COPY.pack_into(self._memory, start, len(data), zlib.crc32(data), self._clock())
        self._memory[start + COPY.size : start + COPY.size + len(data)] = data
        self._memory[0] = fresh
        return True

    def get(self) -> Copy | None:
        """What was put last; None when nothing was yet."""
        for _ in range(3):
            latest = self._latest()
            if latest == 0:
                return None
            start = HEAD.size + (latest - 1) * self._half
            size, checksum, when = COPY.unpack_from(self._memory, start)
            data = bytes(self._memory[start + COPY.size : start + COPY.size + min(size, self._half)])
            if zlib.crc32(data) == checksum:
                return Copy(data, when)
        return None

    def _latest(self) -> int:
        return self._memory[0]
