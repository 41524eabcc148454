"""`qproxy` as an administrator or the service manager runs it: as a process, with signals and an exit status."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from a_site import Front, prepared, tell_qlik
from site_plan import Plan, free_port
from waiting import eventually

COMMAND = (sys.executable, "-c", "from qproxy.cli import main; main()")
READY_S = 30.0
SQLITE = "{store: sqlite, path: sessions.db, key_file: session.key}"


class Process:
    """A running command. `said` and `complained` are all that it wrote so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said, self.complained = bytearray(), bytearray()
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [
            asyncio.create_task(_keep(process.stdout, self.said)),
            asyncio.create_task(_keep(process.stderr, self.complained)),
        ]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    @property
    def errors(self) -> str:
        return self.complained.decode()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """As a crash: nothing can be written or told any more."""
        self._process.kill()

    async def ended(self, within: float = 15.0) -> int:
        """The exit status, or minus the signal that ended it."""
        async with asyncio.timeout(within):
            status = await self._process.wait()
            await asyncio.gather(*self._readers)
        return status

    async def close(self) -> None:
        if self.running:
            self._process.kill()
        await self._process.wait()
        await asyncio.gather(*self._readers)
        transport: Any = getattr(self._process, "_transport")  # noqa: B009 - asyncio closes it at a later step of the loop
        transport.close()


async def _keep(stream: asyncio.StreamReader, kept: bytearray) -> None:
    while data := await stream.read(65536):
        kept += data


@contextlib.asynccontextmanager
async def command(*words: str, **environ: str) -> AsyncIterator[Process]:
    """`qproxy WORDS`; killed at the end if it still runs."""
    pipe = asyncio.subprocess.PIPE
    made = await asyncio.create_subprocess_exec(
        *COMMAND, *words, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=os.environ | environ
    )
    process = Process(made)
    try:
        yield process
    finally:
        await process.close()


class ServiceManager:
    """The socket at which a service says how it is (sd_notify(3))."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(getattr(socket, "AF_UNIX"), socket.SOCK_DGRAM)  # noqa: B009 - Windows has none
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)

    def told(self, message: str) -> bool:
        """Whether the next message, if there is one already, is this one."""
        try:
            return self._socket.recv(4096) == message.encode()
        except BlockingIOError:
            return False

    def close(self) -> None:
        self._socket.close()


@dataclass
class ProcessSite(Front):
    """`start` may be called again after the process has ended."""

    vps: dict[str, str] = field(default_factory=dict)
    internal_port: int = 0
    process: Process = field(init=False)
    manager: ServiceManager = field(init=False)
    _open: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def start(self) -> None:
        """`qproxy run`, until it says that it is ready."""
        running = command("run", str(self.directory), NOTIFY_SOCKET=self.manager.address)
        self.process = await self._open.enter_async_context(running)
        await eventually(lambda: self.manager.told("READY=1") or not self.process.running, within=READY_S)
        assert self.process.running, self.process.errors
        tell_qlik(self, self.internal_port, self.vps)

    async def stop(self) -> None:
        """As the service manager stops it: afterwards all its logs are written."""
        self.process.send(signal.SIGTERM)
        assert await self.process.ended() == 0, self.process.errors

    async def close(self) -> None:
        await self._open.aclose()
        self.manager.close()


@contextlib.asynccontextmanager
async def process_site(directory: Path, sessions: str = SQLITE, **wishes: Any) -> AsyncIterator[ProcessSite]:
    """A site whose qproxy is a process; with sessions in SQLite unless a test wants otherwise."""
    port = free_port()
    (directory / "session.key").write_text(os.urandom(32).hex())
    (directory / "session.key").chmod(0o600)
    wishes["server"] = f"internal: {{listen: '127.0.0.1:{port}'}}\nsessions: {sessions}\n{wishes.get('server', '')}"
    plan = Plan(**wishes)
    async with prepared(directory, plan) as front:
        built = ProcessSite(
            front.nodes,
            front.origin,
            front.clock,
            directory,
            front.certificates,
            vps=dict(plan.vps),
            internal_port=port,
        )
        built.manager = ServiceManager(str(directory / "notify"))
        try:
            await built.start()
            yield built
        finally:
            for person in built.people:
                await person.close()
            await built.close()
