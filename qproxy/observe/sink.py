"""Where access lines go: a bounded queue and one thread that writes it, so that no disk or pipe can hold up the loop.

A line that does not fit, or that the disk refuses, is dropped and counted; nothing is ever waited for except, for a
moment, in `close`. The thread does not survive a fork: make the sink in the process that uses it.
"""

import logging
import os
import stat
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

log = logging.getLogger(__name__)

LINES = 20_000
GATHER = 0.05
"""Seconds for which lines are gathered before one write."""
CLOSE_WITHIN = 2.0
UNMIXED = 4096
"""Bytes that a pipe takes at once (PIPE_BUF), when other workers and the other logs write into it too. A file that is
appended to takes any number."""


def open_append(target: str) -> int:
    """A file descriptor to append to: the path (made with mode 0640), or a copy of stdout or stderr."""
    if target in {"stdout", "stderr"}:
        stream = sys.__stdout__ if target == "stdout" else sys.__stderr__
        if stream is None:
            raise OSError(f"this program has no {target}; give the log a path")
        return os.dup(stream.fileno())
    return os.open(Path(target), os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o640)


def _is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def pieces(data: bytes, most: int = UNMIXED) -> Iterator[bytes]:
    """Whole lines, as many as fit into `most` bytes, and a longer line by itself."""
    start = 0
    while len(data) - start > most:
        end = data.rfind(b"\n", start, start + most) + 1 or data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end
    if start < len(data):
        yield data[start:]


class Sink:
    """Lines for one target. `put` never blocks; `dropped` counts the lines that were lost."""

    def __init__(self, target: str, lines: int = LINES) -> None:
        self._target = target
        self._cap = lines
        self._descriptor = open_append(target)
        self._whole = _is_file(self._descriptor)
        self._chunks: deque[tuple[bytes, int]] = deque()
        """Bytes, and how many lines they are."""
        self._queued = 0
        self._taken = 0
        """Lines, counted by whoever puts and by the thread: each number has one writer."""
        self._wake = threading.Event()
        self._awake = False
        self._closing = threading.Event()
        self._reopen = False
        self._torn = False
        self._failing = False
        self._in_hand = 0
        self.refused = 0
        self.lost = 0
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        return self.refused + self.lost

    def put(self, lines: Sequence[str]) -> None:
        """Queue lines that end with their newline; joined here, so that the thread holds up the loop for less."""
        room = self._cap - (self._queued - self._taken)
        if len(lines) > room:
            self.refused += len(lines) - room
            lines = lines[:room]
            if not lines:
                return
        self._queued += len(lines)
        self._chunks.append(("".join(lines).encode("ascii", "backslashreplace"), len(lines)))
        if not self._awake:
            self._awake = True
            self._wake.set()

    def reopen(self) -> None:
        """Open the target anew before the next write (after a rotation)."""
        self._reopen = True
        self._wake.set()

    def close(self, within: float = CLOSE_WITHIN) -> None:
        """Write what is queued, wait at most `within` seconds for it, count the rest as lost."""
        self._closing.set()
        self._wake.set()
        self._thread.join(within)
        if self._thread.is_alive():
            self.lost += self._in_hand + self._queued - self._taken
            log.warning("the access log at %s did not take its last lines in time", self._target)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._wake.clear()
            self._closing.wait(GATHER)
            self._awake = False
            self._drain()
        self._drain()
        os.close(self._descriptor)

    def _drain(self) -> None:
        batch = [self._chunks.popleft() for _ in range(len(self._chunks))]
        self._in_hand = lines = sum(count for _, count in batch)
        self._taken += lines
        try:
            if self._reopen:
                self._open_anew()
            if batch:
                self._write(b"".join([data for data, _ in batch]))
        except OSError as error:
            self.lost += lines
            self._fails(error)

    def _open_anew(self) -> None:
        fresh = open_append(self._target)
        os.close(self._descriptor)
        self._descriptor, self._reopen, self._torn = fresh, False, False
        self._whole = _is_file(fresh)

    def _write(self, data: bytes) -> None:
        torn, self._torn = self._torn, True
        for piece in (data,) if self._whole else pieces(data):
            write_all(self._descriptor, b"\n" + piece if torn else piece)
            torn = False
        self._torn = False
        if self._failing:
            self._failing = False
            log.warning("the access log at %s can be written again; %d lines were lost", self._target, self.dropped)

    def _fails(self, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            log.error("the access log at %s cannot be written (%s); lines are dropped", self._target, error.strerror)
