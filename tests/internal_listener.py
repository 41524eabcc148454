"""The internal listener as tests use it: real sockets, real sessions in a memory store, requests sent as raw bytes."""

import asyncio
import contextlib
import ipaddress
import json
import os
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from qproxy.auth.guesses import Guesses
from qproxy.auth.way import Way
from qproxy.model import Attributes, End, Lifetime, Session, User
from qproxy.observe import LogTargets, Metrics, Observer
from qproxy.sessions.front import Sessions
from qproxy.sessions.memory import MemoryStore
from qproxy.sessions.pace import QlikMade
from qproxy.told_sessions import Adopted
from qproxy.web.administration import Administration
from qproxy.web.internal import CalmLogger, Guard, internal_app
from qproxy.web.session_module import SessionModule
from qproxy.web.signature import Signatures, signed
from qproxy.web.status import Check, Status

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
JOHN = User("SSO", "john")


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class SessionsDesk:
    """A virtual proxy as far as the session module needs one, over the real sessions."""

    name: str
    sessions: Sessions
    clock: Clock
    attribute_cap: int = 8000
    ways: Sequence[Way] = ()
    ended: list[tuple[str, End]] = field(default_factory=list)

    async def find(self, session_id: str) -> Session | None:
        return await self.sessions.find(self.name, session_id)

    async def adopt(self, user: User, attributes: Attributes, session_id: str) -> Adopted:
        others = [one for one in await self.of_user(user) if one.id != session_id]
        session = Session(session_id, self.name, user, attributes, self.clock(), self.clock(), by_qlik=True)
        return Adopted(await self.sessions.adopt(session), not others)

    async def ended_by_qlik(self, session_id: str) -> None:
        await self.end_session(session_id, End.QLIK)

    async def end_session(self, session_id: str, why: End) -> None:
        if await self.sessions.end(self.name, session_id, why):
            self.ended.append((session_id, why))

    async def of_user(self, user: User) -> list[Session]:
        return await self.sessions.of_user(self.name, user)

    def sockets_of(self, session_id: str) -> int:
        return 2

    async def end_user(self, user: User, why: End) -> None:
        for session in await self.of_user(user):
            await self.end_session(session.id, why)


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Site:
    """A running internal listener and everything behind it."""

    desks: dict[str, SessionsDesk]
    store: MemoryStore
    clock: Clock
    observer: Observer
    module: SessionModule
    checks: dict[str, Check]
    guesses: Guesses
    key: bytes = field(default_factory=lambda: os.urandom(32))
    port: int = 0
    tls: ssl.SSLContext | None = None

    async def ask(self, method: str, path: str, body: bytes = b"", headers: str = "") -> Reply:
        """One request on a connection of its own; a path that starts with "session" or "user" is sales's module's."""
        target = f"/session-module/sales/{path}" if path.startswith(("session", "user")) else path
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        head = f"{head}{headers}\r\n"
        return await exchange(self.port, head.encode("latin-1") + body, self.tls)

    async def administer(self, method: str, path: str) -> Reply:
        """A signed request for what stands below /administration/."""
        target = f"/administration/{path}"
        value = signed([self.key], method, target, self.clock())
        return await self.ask(method, target, headers=f"Authorization: {value}\r\n")

    async def post(self, value: Any) -> Reply:
        return await self.ask("POST", "session", json.dumps(value).encode())

    async def login(self, user: User = JOHN, attributes: Attributes | None = None) -> Session:
        return await self.desks["sales"].sessions.open("sales", user, attributes or Attributes())


def posted(session_id: str, user_id: str = "john", **more: Any) -> dict[str, Any]:
    return {"UserDirectory": "SSO", "UserId": user_id, "Attributes": [], "SessionId": session_id, **more}


async def exchange(port: int, request: bytes, tls: ssl.SSLContext | None = None) -> Reply:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=tls, server_hostname="localhost" if tls else None
    )
    try:
        writer.write(request)
        raw = await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if not raw:
        raise ConnectionResetError("closed without an answer")
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return Reply(int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body)


def make_site(log_folder: str, cap: int = 10_000) -> Site:
    clock, store = Clock(), MemoryStore()
    lifetimes = {"sales": Lifetime(1800, 43200), "hr": Lifetime(1800, 43200)}
    sessions = Sessions(store, lifetimes, clock, QlikMade(cap=cap))
    desks = {name: SessionsDesk(name, sessions, clock) for name in lifetimes}
    observer = Observer(LogTargets("off", f"{log_folder}/audit.log"), Metrics(tuple(desks)), clock)
    return Site(
        desks,
        store,
        clock,
        observer,
        SessionModule(desks, observer, clock),
        {},
        Guesses(clock, store.tries(clock), store.notes(clock)),
    )


@contextlib.asynccontextmanager
async def running(
    site: Site,
    allowed: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network] = LOOPBACK,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Site]:
    """Serve it on a free port; with `tls` a client certificate is asked for."""
    guard = Guard(allowed, tls is not None, site.observer, site.clock)
    status = Status(site.observer.metrics, site.checks, within=0.2)
    signatures = Signatures([site.key], site.clock)
    administration = Administration(site.desks, signatures, site.observer, site.clock, site.guesses)
    app = internal_app(guard, site.module, status, administration)
    runner = web.AppRunner(app, access_log=None, logger=CalmLogger())
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        site.port = runner.addresses[0][1]
        yield site
    finally:
        await runner.cleanup()
        site.observer.close()
