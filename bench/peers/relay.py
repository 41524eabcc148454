"""A bare TCP relay in C: what carrying bytes through one core costs at least. Plain only, and it logs nothing.

With 64 KB at a time, and with 256 KB, which is what uvloop (so qproxy) asks a socket for at once.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.peers.peer import Kind, PeerError, Running, lacking, launch, listening, ports
from bench.site import WORK, Site

SOURCE = Path(__file__).resolve().parent.parent / "c" / "relay.c"
BINARY = WORK / "relay"
BUILD_S = 120


@dataclass(frozen=True, slots=True)
class Relay:
    kind: Kind = "plain"
    name: str = "relay"
    kinds: tuple[Kind, ...] = ("plain",)
    chunk: int = 64 * 1024
    """Bytes."""

    def available(self) -> str | None:
        if self.kind not in self.kinds:
            return f"the relay knows no TLS, so it cannot serve {self.kind}"
        return None if BINARY.exists() else lacking("cc", "gcc")

    def start(self, site: Site, core: int) -> Running:
        folder, taken = site.folder(self.name), ports(self.kinds)
        command = [str(built()), "--port", str(taken["plain"]), "--upstream", str(site.upstream_port)]
        command += ["--chunk", str(self.chunk)]
        return listening(Running(self.name, self.kind, launch(command, folder, core), taken, folder))


def relay_256k(kind: Kind = "plain") -> Relay:
    return Relay(kind, name="relay-256k", chunk=256 * 1024)


def built() -> Path:
    """The binary, made afresh when the source is newer. Raises PeerError with what the compiler said."""
    if BINARY.exists() and BINARY.stat().st_mtime > SOURCE.stat().st_mtime:
        return BINARY
    BINARY.parent.mkdir(parents=True, exist_ok=True)
    # Under another name first: an interrupted build leaves no half binary, a running one is not written to.
    unfinished = BINARY.with_suffix(".new")
    command = ["cc", "-O2", "-Wall", "-Wextra", "-o", str(unfinished), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, timeout=BUILD_S, check=False)
    if done.returncode:
        raise PeerError(f"{' '.join(command)} failed:\n{done.stderr.decode('utf-8', 'replace')}")
    shutil.move(unfinished, BINARY)
    return BINARY
