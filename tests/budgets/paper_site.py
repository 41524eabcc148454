"""A whole qproxy, started from a configuration, with browsers and Qlik nodes on paper.

Everything is real (server, road, gate, sessions, ledger, logs, metrics) but the connections: what comes is put into
the protocols by hand, what goes out is counted.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from budgets.counting import OFTEN, StillLoop, Tally

from qproxy.config.load import load
from qproxy.forwarding.downstream import Downstream
from qproxy.forwarding.tunnel import accept_key
from qproxy.forwarding.upstream import Upstream
from qproxy.model import Attributes, User
from qproxy.server import Server

HOST = "bi.example.com"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
_QUIET = os.pipe()[0]
"""A descriptor on which nothing ever waits."""
_NOTHING: dict[str, Any] = {}


class Clock:
    """The wall clock, moved by hand."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Link(asyncio.Transport):
    """One end of a connection; the other takes everything at once; `last` is what it got last."""

    __slots__ = ("_tally", "closing", "last", "protocol")

    def __init__(self, tally: Tally) -> None:
        super().__init__(_NOTHING)
        self._tally = tally
        self.protocol: Any = None
        self.closing = False
        self.last = b""

    def arrive(self, data: bytes) -> None:
        """One read, into a protocol of either kind."""
        self._tally.reads += 1
        if isinstance(self.protocol, asyncio.BufferedProtocol):
            room = memoryview(self.protocol.get_buffer(len(data)))
            room[: len(data)] = data
            self.protocol.buffer_updated(len(data))
        else:
            self.protocol.data_received(data)

    def write(self, data: Any) -> None:
        self._tally.writes += 1
        self.last = bytes(data)

    def writelines(self, data: Any) -> None:
        self.write(b"".join(data))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        self._tally.asks += 1
        return {"peername": ("192.0.2.1", 1), "socket": self}.get(name, default)

    def fileno(self) -> int:
        return _QUIET

    def setsockopt(self, *_: object) -> None:
        self._tally.asks += 1

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._tally.asks += 1
        self.protocol = protocol

    def is_closing(self) -> bool:
        self._tally.asks += 1
        return self.closing

    def get_write_buffer_size(self) -> int:
        self._tally.asks += 1
        return 0

    def can_write_eof(self) -> bool:
        self._tally.asks += 1
        return True

    def write_eof(self) -> None:
        self._tally.asks += 1

    def pause_reading(self) -> None:
        self._tally.asks += 1

    def resume_reading(self) -> None:
        self._tally.asks += 1

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close


class PaperSite:
    """`cookie` is a logged-in browser's."""

    def __init__(self, directory: Path, loop: StillLoop) -> None:
        self.tally = Tally()
        self.clock = Clock()
        self.loop = loop
        self._log = directory / "access.log"
        _write_files(directory)
        self.server = Server(load(directory), self.clock)
        self.cookie = ""
        self.made: list[Link] = []
        self.due = 0
        """Lines that the access log is to get."""
        self._read = 0
        self._pace = 0.0
        self._never = threading.Event()

    def request_over(self) -> None:
        """Each gets a line in the access log; a batch takes a second, once the site is warm (the store would have to be
        asked again after half a minute)."""
        self.clock.now += self._pace
        self.due += 1

    async def start(self) -> None:
        await self.server.start()
        vp = self.server.vps["sales"]
        session = await vp.open_session(User("SALES", "ann"), Attributes(), False)
        self.cookie = f"Cookie: {vp.cookie_name}={session.id}; _ga=GA1.1.1; theme=dark"

    def browser(self) -> Link:
        link = Link(self.tally)
        link.protocol = Downstream(self.server.listener)
        link.protocol.connection_made(link)
        self.made.append(link)
        return link

    def node(self) -> Link:
        """A connection to Qlik that rests in the pool: the next request gets it."""
        pool = self.server.vps["sales"].pool.members[0]
        link = Link(self.tally)
        upstream = Upstream(pool, pool.name)
        link.protocol = upstream
        upstream.connection_made(link)
        upstream.counted = True
        pool.open_count += 1
        pool.give_back(upstream, self.loop.time())
        self.made.append(link)
        return link

    def settled(self) -> None:
        """The thread that writes the access log has written all lines that are due, and sleeps."""
        self._pace = 1 / OFTEN
        with self._log.open("rb") as log:
            log.seek(self._read)
            for _ in range(1000):
                fresh = log.read()
                self._read += len(fresh)
                self.due -= fresh.count(b"\n")
                if not self.due:
                    return
                self._never.wait(0.01)
        raise RuntimeError(f"{self.due} lines are missing in the access log")

    async def stop(self) -> None:
        for link in self.made:
            link.close()
        await self.server.stop()


@contextlib.asynccontextmanager
async def paper_site() -> AsyncIterator[PaperSite]:
    """Time stands still inside, and no other thread gets in between two calls of qproxy's."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, StillLoop)
    with tempfile.TemporaryDirectory() as directory:
        site = PaperSite(Path(directory), loop)
        await site.start()
        loop.stopped, loop.tally = loop.time(), site.tally
        interval, seconds = sys.getswitchinterval(), time.time
        sys.setswitchinterval(60)
        setattr(time, "time", site.clock)  # noqa: B010 - an assignment would be a type error
        try:
            yield site
        finally:
            setattr(time, "time", seconds)  # noqa: B010
            sys.setswitchinterval(interval)
            loop.stopped = loop.tally = None
            await site.stop()


def _write_files(directory: Path) -> None:
    server = f"""\
        public: {{url: "https://{HOST}", listen: "127.0.0.1:0"}}
        internal: {{listen: "127.0.0.1:0"}}
        sessions: {{store: memory}}
        limits: {{connections: 1000000, connections_per_address: 1000000}}
        logging: {{access: {directory}/access.log, audit: {directory}/audit.log}}
        """
    sales = """\
        prefix: sales
        cookie: X-Qlik-Session-sales
        user_directory: SALES
        upstreams: http://127.0.0.1:4248
        internal_names: [qlik1.internal]
        login: [{method: password_file, file: users}]
        """
    (directory / "server.yaml").write_text(textwrap.dedent(server))
    (directory / "sales.yaml").write_text(textwrap.dedent(sales))
    (directory / "users").touch(mode=0o600)


def switching() -> bytes:
    accept = b"Sec-WebSocket-Accept: " + accept_key(KEY)
    return b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + accept + b"\r\n\r\n"
