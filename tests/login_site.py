"""A login application on a loopback port, with desks that keep their sessions in a dict, and a browser with cookies.

The browser follows nothing, so that a test sees each answer.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, DummyCookieJar, web
from argon2 import PasswordHasher
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from qproxy.auth import Accept, Method
from qproxy.auth.guesses import Guesses
from qproxy.auth.lately import Lately
from qproxy.auth.local_rules import LocalRules
from qproxy.auth.login_keys import LoginKeys
from qproxy.auth.mapping import Denied, Identity, Rules, identify
from qproxy.auth.password_file import PasswordFile
from qproxy.auth.passwords import Passwords
from qproxy.auth.user_file import Entry
from qproxy.auth.way import Way
from qproxy.config.mapping_models import WhoConfig
from qproxy.model import NO_TIE, Attributes, End, Session, Tie, User, new_session_id
from qproxy.sessions.memory_notes import MemoryNotes
from qproxy.sessions.memory_tries import MemoryTries
from qproxy.web.desk import LoginDesk, LoginEvent
from qproxy.web.login import LoginTools
from qproxy.web.own_app import login_app
from qproxy.web.own_pages import OwnPagesProtocol
from qproxy.web.transactions import Transactions

KEYS = LoginKeys([b"a key for tests, 32 bytes long.."])
PASSWORD = "correct horse"
ORIGIN = "http://bi.example.com"


def quick_hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def user_file(folder: Path, *names: str) -> Path:
    """A file of users that all have PASSWORD."""
    hashed = quick_hasher().hash(PASSWORD)
    path = folder / "users"
    path.write_text("".join(f"{Entry(name, hashed).line}\n" for name in names), encoding="utf-8")
    path.chmod(0o600)
    return path


@dataclass
class Desk:
    methods: Sequence[Method] = ()
    name: str = "sales"
    path: str = "/sales"
    directory: str = "ACME"
    cookie_name: str = "X-Qlik-Session-sales"
    same_site: str = "lax"
    secure: bool = False
    public_origins: Sequence[str] = (ORIGIN,)
    frame_ancestors: Sequence[str] = ()
    sessions: dict[str, Session] = field(default_factory=dict)
    ended: list[tuple[str, End]] = field(default_factory=list)
    events: list[LoginEvent] = field(default_factory=list)
    broken: Exception | None = None
    renewed: list[tuple[str, bool]] = field(default_factory=list)
    targets: dict[str, str] = field(default_factory=dict)
    chosen_ways: Sequence[Way] = ()
    who: WhoConfig = field(default_factory=WhoConfig)
    left: dict[str, Session] = field(default_factory=dict)
    """Sessions that ended in the hub, by the mark in their browser."""

    @property
    def ways(self) -> Sequence[Way]:
        return self.chosen_ways or [Way(method) for method in self.methods]

    def identify(self, method: str, accept: Accept, address: str) -> Identity | Denied:
        return identify(accept, address, Rules(self.who, self.directory))

    async def end_tied(self, keys: Collection[str], why: End) -> int:
        tied = [one for one in self.sessions.values() if not set(keys).isdisjoint(one.tie.keys)]
        for session in tied:
            await self.end_session(session.id, why)
        return len(tied)

    async def open_session(
        self,
        user: User,
        attributes: Attributes,
        relogin: bool,
        instead_of: Collection[str] = (),
        method: str = "",
        tie: Tie = NO_TIE,
    ) -> Session:
        self._check()
        new = new_session_id()
        session = Session(new, self.name, user, attributes, 0.0, 0.0, relogin=relogin, method=method, tie=tie)
        self.sessions[session.id] = session
        return session

    async def end_session(self, session_id: str, why: End) -> None:
        del self.sessions[session_id]
        self.ended.append((session_id, why))

    async def find(self, session_id: str) -> Session | None:
        self._check()
        return self.sessions.get(session_id)

    async def parted(self, mark: str) -> Session | None:
        return self.left.pop(mark, None)

    async def renew(self, session: Session, sure: bool) -> None:
        self.renewed.append((session.id, sure))

    async def target(self, session: Session, query: Mapping[str, str]) -> str:
        return self.targets.get(query["targetId"], "")

    def audit(self, event: LoginEvent) -> None:
        self.events.append(event)

    def _check(self) -> None:
        if self.broken is not None:
            raise self.broken


@dataclass(frozen=True)
class Reply:
    status: int
    headers: CIMultiDictProxy[str]
    text: str

    @property
    def location(self) -> str:
        return self.headers["Location"]

    @property
    def set_cookies(self) -> list[str]:
        return self.headers.getall("Set-Cookie", [])

    @property
    def token(self) -> str:
        found = re.search(r'name="token" value="([0-9a-f]{64})"', self.text)
        assert found is not None, self.text
        return found[1]

    @property
    def message(self) -> str:
        found = re.search(r'<p class="message">(.*)</p>', self.text)
        return found[1] if found else ""


class Browser:
    """One person's browser: its cookies, all on one host."""

    def __init__(self, client: ClientSession, server: str) -> None:
        self._client = client
        self._server = server
        self.cookies: dict[str, str] = {}

    async def get(self, target: str, headers: Mapping[str, str] | None = None) -> Reply:
        return await self.send("GET", target, headers)

    async def post(self, target: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
        return await self.send("POST", target, headers, data=form)

    async def send(self, method: str, target: str, headers: Mapping[str, str] | None = None, **body: Any) -> Reply:
        fields = CIMultiDict({"Host": "bi.example.com", **(headers or {})})
        if self.cookies:
            fields.setdefault("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        url = URL(self._server + target, encoded=True)
        async with self._client.request(method, url, headers=fields, allow_redirects=False, **body) as answer:
            reply = Reply(answer.status, answer.headers, await answer.text())
        for line in reply.set_cookies:
            self._keep(line)
        return reply

    async def log_in(self, target: str = "/qproxy/login/sales", name: str = "ann", password: str = PASSWORD) -> Reply:
        form = await self.get(target)
        return await self.post(target, {"token": form.token, "name": name, "password": password})

    def _keep(self, line: str) -> None:
        name, _, value = line.partition(";")[0].partition("=")
        if "Max-Age=0" in line:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value


@dataclass
class Site:
    desks: dict[str, Desk]
    client: ClientSession
    server: str

    @property
    def desk(self) -> Desk:
        return self.desks["sales"]

    async def raw(self, request: bytes, later: bytes = b"") -> bytes:
        """All that comes back until the server closes; `later` is sent once the first line came."""
        host, port = self.server.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(request)
            first = await asyncio.wait_for(reader.readline(), 10)
            writer.write(later)
            return first + await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()
            await writer.wait_closed()

    def browser(self) -> Browser:
        return Browser(self.client, self.server)


def password_method(
    path: Path,
    passwords: Passwords | None = None,
    rules: LocalRules | None = None,
) -> PasswordFile:
    """With quick hashes and notes of its own."""
    lately = Lately(MemoryNotes(time.time), time.time)
    return PasswordFile(path, lately, passwords=passwords or Passwords(quick_hasher()), rules=rules)


@asynccontextmanager
async def open_site(*desks: Desk, clock: Callable[[], float] = time.monotonic) -> AsyncIterator[Site]:
    """`clock` is that of the guesses."""
    named = {desk.name: desk for desk in desks}
    seen: Mapping[str, LoginDesk] = named
    notes = MemoryNotes(time.time)
    guesses = Guesses(clock, MemoryTries(clock), notes)
    runner = web.AppRunner(login_app(seen, LoginTools(KEYS, Transactions(KEYS, notes, time.time), guesses)))
    await runner.setup()
    assert runner.server is not None
    door = partial(OwnPagesProtocol, runner.server)
    listener = await asyncio.get_running_loop().create_server(door, "127.0.0.1", 0)
    try:
        async with ClientSession(cookie_jar=DummyCookieJar()) as client:
            yield Site(named, client, "http://{}:{}".format(*listener.sockets[0].getsockname()))
    finally:
        listener.close()
        await runner.cleanup()
        for desk in desks:
            for way in desk.ways:
                await way.method.close()


@asynccontextmanager
async def sales_site(folder: Path) -> AsyncIterator[Site]:
    """One virtual proxy "sales" with ann and bob."""
    async with open_site(Desk([password_method(user_file(folder, "ann", "bob"))])) as site:
        yield site
