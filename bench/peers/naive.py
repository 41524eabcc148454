"""The usual aiohttp proxy (naive_proxy.py) as a peer."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.peers.peer import KINDS, Kind, Running, launch, listening, ports
from bench.site import Site

PROGRAM = Path(__file__).resolve().with_name("naive_proxy.py")


@dataclass(frozen=True, slots=True)
class Naive:
    """One process serves all kinds."""

    kind: Kind = "plain"
    name: str = "naive"
    kinds: tuple[Kind, ...] = KINDS

    def available(self) -> str | None:
        missing = [name for name in ("aiohttp", "uvloop") if importlib.util.find_spec(name) is None]
        return f"{sys.executable} lacks {' and '.join(missing)}: use make bench" if missing else None

    def start(self, site: Site, core: int) -> Running:
        folder, taken = site.folder(self.name), ports()
        given: dict[str, object] = {
            "--plain": taken["plain"],
            "--tls": taken["tls"],
            "--tls-both": taken["tls_both"],
            "--upstream": site.upstream_port,
            "--upstream-tls": site.upstream_tls_port,
            "--ca": site.ca,
            "--certificate": site.certificate,
            "--key": site.key,
            "--access-log": folder / "access.log",
        }
        words = [str(word) for pair in given.items() for word in pair]
        return listening(
            Running(self.name, self.kind, launch([sys.executable, str(PROGRAM), *words], folder, core), taken, folder)
        )
