"""The two programs at work: the upstream with its counters, and the browsers' load with what it reports.

Every load is bounded: it ends by itself, and a deadline ends it when it does not. What a load reports is trusted only
after `Report.complaints` is empty. It must not know which proxy is in between.
"""

import contextlib
import http.client
import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

DEADLINE_S = 90.0
START_S = 10.0
TOLD = 300


class Failed(Exception):
    """A measurement that does not count; the text says what was wrong."""


@dataclass(frozen=True)
class Counters:
    """What the upstream saw since it was last reset."""

    requests: int = 0
    messages: int = 0
    bodies: int = 0

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Counters":
        return cls(**{name: int(data[name]) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Report:
    """What a load said at its end: `operations` that were completed and checked, of `requests` heads; microseconds.

    The `bad_` counts are answers that were not as they should be; `unserved` were due but never answered.
    """

    operations: int
    requests: int
    errors: int
    bad_status: int
    bad_length: int
    bad_content: int
    unserved: int
    resumed: int
    p50_us: float
    p99_us: float
    first_error: str = ""

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Report":
        return cls(**{name: data[name] for name in cls.__dataclass_fields__})

    def complaints(self) -> list[str]:
        """Empty when every answer was as it should be."""
        names = ("errors", "bad_status", "bad_length", "bad_content", "unserved")
        found = [f"{getattr(self, name)} {name}" for name in names if getattr(self, name)]
        found += [f"the first error was: {self.first_error}"] if self.first_error else []
        return found + ([] if self.operations else ["no operation was completed"])


class CountingUpstream(Protocol):
    """What plays the Qlik node and says what it saw."""

    def counters(self, reset: bool = False) -> Counters: ...

    def close(self) -> None: ...


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
    """A load under way that waits, once its connections are open, for `go`, and after its report for `end`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def opened(self) -> dict[str, Any]:
        """Once all connections are open: {"open": n, "errors": n}."""
        return self._line()

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def report(self) -> Report:
        """At the end of the load; its connections are open still."""
        return Report.read(self._line())

    def end(self) -> None:
        """Closes the connections."""
        _, complained = self._process.communicate(timeout=START_S)
        if self._process.returncode != 0:
            raise Failed(f"the load ended with status {self._process.returncode}: {complained.strip()[-TOLD:]}")

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        text = self._process.stdout.readline()
        if not text:
            _, complained = self._process.communicate(timeout=START_S)
            raise Failed(f"the load ended early: {complained.strip()[-TOLD:] or self._process.returncode}")
        data: dict[str, Any] = json.loads(text)
        return data


@contextlib.contextmanager
def load(binary: Path, arguments: list[str]) -> Iterator[Load]:
    """A load from its start until the end of the block; a deadline ends it before."""
    pipe = subprocess.PIPE
    words = [str(binary), *arguments, "--hold"]
    running = Load(subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
    deadline = threading.Timer(DEADLINE_S, running.kill)
    deadline.start()
    try:
        yield running
    finally:
        deadline.cancel()
        running.kill()
