"""The proxies that run: started when first needed, kept for the next workload, all stopped at the end.

While one gets load the others stay up; `idle_cost` shows that they cost nothing then. It must not choose who is
measured.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from bench import machine
from bench.peers.peer import Kind, Peer, Running
from bench.site import Site


@dataclass
class Fleet:
    """A peer runs once for each kind of encryption, unless one process of it serves several. `make` knows them."""

    site: Site
    core: int
    make: Callable[[str, Kind], Peer]
    spinner: int | None = None
    """The process that keeps the core awake, which does not count."""
    _reasons: dict[tuple[str, Kind], str | None] = field(default_factory=dict)
    _running: dict[tuple[str, Kind], Running] = field(default_factory=dict)

    def why_not(self, name: str, kind: Kind) -> str | None:
        """None when the peer can be measured; else the reason, in words."""
        if (name, kind) not in self._reasons:
            self._reasons[name, kind] = self.make(name, kind).available()
        return self._reasons[name, kind]

    def serves(self, name: str, kind: Kind) -> bool:
        return kind in self.make(name, kind).kinds

    def get(self, name: str, kind: Kind) -> Running:
        """Raises PeerError when it does not start."""
        for (known, _), running in self._running.items():
            if known == name and running.ports.get(kind):
                return running
        started = self.make(name, kind).start(self.site, self.core)
        self._running[name, kind] = started
        return started

    def fresh(self, name: str, kind: Kind) -> Running:
        """The same in a new process."""
        for key in [key for key, running in self._running.items() if key[0] == name and running.ports.get(kind)]:
            self._running.pop(key).stop()
        return self.get(name, kind)

    def cpu_of_others(self, running: Running) -> float:
        """Seconds that all but this one have used since they were started."""
        return sum(machine.cpu_seconds(one.pid) for one in self._running.values() if one is not running)

    def cpu_of_strangers(self, running: Running) -> float:
        """Seconds in which the proxies' core did something else, from an arbitrary start."""
        own = machine.cpu_seconds(running.pid) + self.cpu_of_others(running)
        if self.spinner is not None:
            own += machine.cpu_seconds(self.spinner)
        return time.monotonic() - machine.idle_seconds(self.core) - own

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.ExitStack() as stops:
            for running in self._running.values():
                stops.callback(running.stop)
        self._running.clear()
