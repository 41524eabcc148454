"""The C programs at work: the upstream with its counters, and the browsers' load with what it reports.

Every load is bounded: it ends by itself, and a deadline ends it when it does not. What a load reports is trusted only
after `Report.complaints` is empty. It must not know which proxy is in between.
"""

import contextlib
import http.client
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEADLINE_S = 90.0
START_S = 10.0


class Failed(Exception):
    """A measurement that does not count; the text says what was wrong."""


@dataclass(frozen=True)
class Counters:
    """What the upstream saw since it was last reset."""

    requests: int = 0
    messages: int = 0
    bodies: int = 0
    connections: int = 0
    open: int = 0

    @classmethod
    def read(cls, data: dict[str, Any]) -> "Counters":
        return cls(**{name: int(data[name]) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Report:
    """What a load said at its end. `operations` were completed and checked; times are microseconds."""

    operations: int
    errors: int
    bad_status: int
    bad_length: int
    bytes_in: int
    seconds: float
    p50_us: float
    p99_us: float
    more: dict[str, Any]

    @classmethod
    def read(cls, line: str) -> "Report":
        data = json.loads(line)
        known = {name: data.pop(name) for name in cls.__dataclass_fields__ if name != "more"}
        return cls(**known, more=data)

    def complaints(self) -> list[str]:
        """Empty when every answer was as it should be."""
        counts = {"errors": self.errors, "bad_status": self.bad_status, "bad_length": self.bad_length}
        found = [f"{count} {name}" for name, count in counts.items() if count]
        return found + ([] if self.operations else ["no operation was completed"])


class Upstream:
    """Plays the Qlik node. `reset` and `counters` are calls over one connection that it never counts."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self._calls = http.client.HTTPConnection("127.0.0.1", port, timeout=START_S)

    def counters(self, reset: bool = False) -> Counters:
        self._calls.request("GET", "/counters?reset=1" if reset else "/counters")
        return Counters.read(json.loads(self._calls.getresponse().read()))

    def close(self) -> None:
        self._calls.close()
        self._process.terminate()
        self._process.communicate()


def start_upstream(binary: Path, arguments: list[str], port: int) -> Upstream:
    """Returns when it listens. Failed when it cannot."""
    words = [str(binary), "--port", str(port), *arguments]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    if process.stdout.readline().strip() != "ready":
        process.kill()
        process.communicate()
        raise Failed(f"the upstream did not start: {' '.join(words)}")
    return Upstream(process, port)


class Load:
    """A load under way. `line` is its next line; `finish` lets it end and gives its last one as a report."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        text = self._process.stdout.readline()
        if not text:
            raise Failed(f"the load ended without a word: {self._complaint()}")
        data: dict[str, Any] = json.loads(text)
        return data

    def finish(self, deadline: float = DEADLINE_S) -> Report:
        try:
            said, complained = self._process.communicate(timeout=deadline)
        except subprocess.TimeoutExpired:
            raise Failed(f"the load did not end within {deadline:g} s") from None
        lines = said.splitlines()
        if self._process.returncode != 0 or not lines:
            raise Failed(f"the load ended with status {self._process.returncode}: {complained.strip()[-300:]}")
        return Report.read(lines[-1])

    def kill(self) -> None:
        if self.running:
            self._process.kill()
        self._process.communicate()

    def _complaint(self) -> str:
        _, complained = self._process.communicate(timeout=START_S)
        return complained.strip()[-300:] or f"status {self._process.returncode}"


@contextlib.contextmanager
def load(binary: Path, arguments: list[str]) -> Iterator[Load]:
    """A load from its start until its end, at the latest that of the block."""
    pipe = subprocess.PIPE
    words = [str(binary), *arguments]
    running = Load(subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
    try:
        yield running
    finally:
        running.kill()
