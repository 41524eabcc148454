"""What the proxies that are measured have in common: how one is asked for, started on a core, waited for and ended.

Here is no word about any single one of them.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from bench.site import HOST, Site, free_port

Kind = Literal["plain", "tls", "tls_both"]
"""Plain on both sides; TLS towards the browser only; TLS on both sides, with the upstream's certificate verified."""
KINDS: tuple[Kind, ...] = ("plain", "tls", "tls_both")
POOL = 256
"""Unused upstream connections that a peer may keep, where it can be told."""
CONNECTIONS = 20_000
READY_S = 20.0
END_S = 10.0
TOLD_LINES = 15
# Ends with whoever started it; takes as many open files as the system allows.
ON_A_CORE = ("taskset", "-c")
BOUND = ("setpriv", "--pdeathsig", "TERM", "--", "sh", "-c", 'ulimit -n "$(ulimit -Hn)"; exec "$@"', "sh")


class PeerError(RuntimeError):
    """A peer cannot be started or used; says which, why and what it wrote."""


@dataclass(frozen=True, slots=True)
class Running:
    """A started peer. `process` is the root of its process tree. Ports that it does not serve are 0."""

    name: str
    kind: Kind
    process: subprocess.Popen[bytes]
    ports: Mapping[Kind, int]
    folder: Path
    cookie: str = ""
    """The Cookie pair of a logged-in session; "" where the peer knows no sessions."""
    internal_port: int = 0
    """qproxy only: session module, health and metrics, in plain HTTP."""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def port(self) -> int:
        return self.ports[self.kind]

    @property
    def plain_port(self) -> int:
        return self.ports.get("plain", 0)

    @property
    def tls_port(self) -> int:
        return self.ports.get("tls", 0)

    @property
    def tls_both_port(self) -> int:
        return self.ports.get("tls_both", 0)

    def stop(self) -> None:
        """Ends it and deletes what it wrote."""
        end(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)


class Peer(Protocol):
    """One way to proxy. `kinds` are those that it can serve; `kind` is the one that `Running.port` stands for."""

    @property
    def name(self) -> str: ...

    @property
    def kinds(self) -> tuple[Kind, ...]: ...

    def available(self) -> str | None:
        """None when it can be started; else why not, and how to get it."""

    def start(self, site: Site, core: int) -> Running:
        """Returns once it listens. Raises PeerError."""


def ports(kinds: Sequence[Kind] = KINDS) -> dict[Kind, int]:
    return {kind: free_port() for kind in kinds}


def lacking(program: str, package: str) -> str | None:
    if shutil.which(program, path=search_path()):
        return None
    return f"{program} is not installed: apt-get install {package}, or bench/run.py --install"


def search_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def launch(
    command: Sequence[str | Path], folder: Path, core: int, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Starts it in `folder` on one core; what it prints goes to output.log there.

    It ends with the thread that started it: call this from one that lives as long as the peer is needed.
    """
    words = [*ON_A_CORE, str(core), *BOUND, *map(str, command)]
    environ = os.environ | {"PATH": search_path()} | dict(environment or {})
    with (folder / "output.log").open("wb") as out:
        return subprocess.Popen(
            words, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )


def listening(running: Running) -> Running:
    """The same, once all its ports take connections. PeerError when it ends before, or takes longer than READY_S."""
    deadline = time.monotonic() + READY_S
    for port in (*running.ports.values(), running.internal_port):
        while port and not _takes(port):
            if running.process.poll() is not None or time.monotonic() > deadline:
                raise failed(running, f"does not listen on port {port}")
            time.sleep(0.02)
    return running


def failed(running: Running, why: str) -> PeerError:
    """Ends the peer; the error holds the end of what it printed. Its folder stays for a look."""
    end(running.process)
    printed = (running.folder / "output.log").read_text("utf-8", "replace").splitlines()[-TOLD_LINES:]
    status = running.process.returncode
    return PeerError("\n  ".join([f"{running.name} {why} (exit status {status}); see {running.folder}", *printed]))


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the root; what is left of its group after END_S is killed."""
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        if sys.platform != "win32":
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _takes(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
