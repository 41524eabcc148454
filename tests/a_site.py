"""A whole site for tests: the stand-in Qlik node, a real qproxy in front of it, and people with browsers.

Everything is real but Qlik: configuration files on disk, sockets on loopback, certificates made on the spot. `site`
runs qproxy in the test's own process, on the test's clock; a_process.py runs it as an administrator would.
"""

import contextlib
import itertools
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from login_site import PASSWORD, quick_hasher, user_file
from site_plan import Certificates, Plan, free_port, qlik_vp, write_files
from yarl import URL

from qproxy.config.load import load
from qproxy.qliksim import AppSettings, QlikNode, SimConfig
from qproxy.server import Server

__all__ = [
    "APP", "PASSWORD", "Clock", "Front", "Site", "Socket", "call", "farewell", "free_port", "greeting", "prepared",
    "site", "tell_qlik",
]  # fmt: skip

APP = "aaaaaaaa-0000-4000-8000-000000000001"
Socket = aiohttp.ClientWebSocketResponse


class Clock:
    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class Front:
    """What people see of a site: one origin. `seen` is every URL and header that came to a browser, as text."""

    nodes: list[QlikNode]
    origin: str
    clock: Clock
    directory: Path
    certificates: Certificates | None = None
    internal: str = ""
    people: list[aiohttp.ClientSession] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    @property
    def node(self) -> QlikNode:
        """The only one, or the first."""
        return self.nodes[0]

    def browser(self, **headers: str) -> aiohttp.ClientSession:
        """A browser: keeps cookies, says that it navigates; tests tell it not to follow redirects."""
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self._note)
        person = aiohttp.ClientSession(
            self.origin,
            connector=aiohttp.TCPConnector(ssl=self.certificates.of_client() if self.certificates else True),
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            headers={"Accept": "text/html", "Origin": self.origin} | headers,
            auto_decompress=False,
            trace_configs=[trace],
        )
        self.people.append(person)
        return person

    async def _note(self, _: aiohttp.ClientSession, __: object, end: aiohttp.TraceRequestEndParams) -> None:
        lines = [f"{name}: {value}" for name, value in end.response.headers.items()]
        self.seen.append("\n".join([str(end.url), *lines]))

    async def log_in(
        self, person: aiohttp.ClientSession, target: str = "/sales/hub/", name: str = "ann", password: str = PASSWORD
    ) -> str:
        """Through the login page, as a person would; the Location that the login ends with."""
        async with person.get(self.url(target), allow_redirects=False) as turned_away:
            assert turned_away.status == 302, await turned_away.text()
            login = turned_away.headers["Location"]
        return await self.fill_in(person, login, name, password)

    async def fill_in(
        self, person: aiohttp.ClientSession, login: str, name: str = "ann", password: str = PASSWORD
    ) -> str:
        form = await self.form(person, login) | {"name": name, "password": password}
        async with person.post(self.url(login), data=form, allow_redirects=False) as done:
            assert done.status == 303, await done.text()
            return done.headers["Location"]

    async def form(self, person: aiohttp.ClientSession, target: str) -> dict[str, str]:
        """The hidden fields of a page's form."""
        async with person.get(self.url(target)) as page:
            assert page.status == 200, await page.text()
            return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', await page.text()))

    async def log_out(self, person: aiohttp.ClientSession, name: str = "sales") -> None:
        """By the button of qproxy's own page."""
        target = f"/qproxy/logout/{name}"
        async with person.post(self.url(target), data=await self.form(person, target)) as done:
            assert done.status == 200, await done.text()

    async def status(self, person: aiohttp.ClientSession, target: str, **more: Any) -> int:
        method = more.pop("method", "GET")
        async with person.request(method, self.url(target), allow_redirects=False, **more) as answer:
            await answer.read()
            return answer.status

    async def echo(self, person: aiohttp.ClientSession, target: str = "/sales/echo", **more: Any) -> Any:
        """What reached Qlik of a request: method, target, headers, and the body's size and hash."""
        method = more.pop("method", "GET")
        async with person.request(method, self.url(target), **more) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def csrf(self, person: aiohttp.ClientSession, prefix: str = "sales") -> str:
        async with person.get(f"/{prefix}/qps/csrftoken") as answer:
            assert answer.status == 204
            return answer.headers["qlik-csrf-token"]

    @contextlib.asynccontextmanager
    async def engine(
        self, person: aiohttp.ClientSession, path: str = f"/sales/app/{APP}", token: str | None = None
    ) -> AsyncIterator[Socket]:
        """An engine socket as Qlik's clients open it; frames and closes come as they are."""
        prefix = path.split("/")[1]
        token = await self.csrf(person, prefix) if token is None else token
        url = self.url(f"{path}{'&' if '?' in path else '?'}qlik-csrf-token={token}")
        async with person.ws_connect(url, max_msg_size=0, autoclose=False, autoping=False) as ws:
            yield ws

    def url(self, target: str) -> URL:
        """The address with the target's bytes as they are; a whole address is left alone."""
        return URL(target if "://" in target else self.origin + target, encoded=True)

    def cookie(self, person: aiohttp.ClientSession, name: str = "X-Qlik-Session-sales-HTTP") -> str:
        cookies = {cookie.key: cookie.value for cookie in person.cookie_jar}
        return cookies.get(name, "")


@dataclass
class Site(Front):
    """`server` is the qproxy in front, in this process."""

    server: Server = field(kw_only=True)


async def greeting(ws: Socket) -> list[str]:
    """The methods of the two notifications with which Qlik greets."""
    return sorted([json.loads(await ws.receive_str())["method"] for _ in range(2)])


async def call(ws: Socket, method: str, handle: int = -1, *params: object) -> Any:
    """One engine call; notifications on the way are left out."""
    await ws.send_json({"jsonrpc": "2.0", "id": 1, "handle": handle, "method": method, "params": list(params)})
    while True:
        answer = json.loads((await ws.receive(timeout=5)).data)
        if answer.get("id") == 1:
            return answer["result"]


async def farewell(ws: Socket) -> tuple[list[str], int, str]:
    """Until the socket closes: the methods of what is still said, the close code, its reason. 1006: no close frame."""
    said: list[str] = []
    while True:
        message = await ws.receive(timeout=5)
        if message.type is aiohttp.WSMsgType.TEXT:
            said.append(json.loads(message.data)["method"])
        elif message.type is aiohttp.WSMsgType.CLOSE:
            return said, int(message.data), message.extra or ""
        else:
            return said, 1006, ""


@contextlib.asynccontextmanager
async def prepared(directory: Path, plan: Plan) -> AsyncIterator[Front]:
    """The node runs, qproxy's configuration is written; qproxy itself is still to be started."""
    clock = Clock(plan.now)
    certificates = Certificates(directory) if plan.tls else None
    origin = f"{'https' if plan.tls else 'http'}://localhost:{plan.port or free_port()}"
    seen_by_qlik = tuple(qlik_vp(name, prefix, origin, **plan.qlik) for name, prefix in plan.vps.items())
    secure: dict[str, Any] = (
        {"tls": certificates.of_node(), "module_ssl": certificates.of_client()} if certificates else {}
    )
    if certificates and plan.mode:
        secure |= {"rest_port": 0, "rest_tls": certificates.of_api()}
    config = {"virtual_proxies": seen_by_qlik, "apps": (AppSettings(APP, "Sales"),), "rest_port": None}
    wanted = SimConfig(**(config | secure | dict(plan.node)), toggles=plan.toggles)
    nodes = [QlikNode(wanted, clock) for _ in range(plan.nodes)]
    for node in nodes:
        await node.start()
    write_files(directory, origin, nodes, plan, certificates)
    if not (directory / "users").exists():
        user_file(directory, "ann", "bob")
    front = Front(nodes, origin, clock, directory, certificates)
    try:
        yield front
    finally:
        for person in front.people:
            await person.close()
        for node in nodes:
            await node.stop()


def tell_qlik(front: Front, internal_port: int, vps: Mapping[str, str]) -> None:
    """What an administrator enters in the QMC: where the session module is."""
    front.internal = f"{'https' if front.certificates else 'http'}://localhost:{internal_port}"
    for node, (name, prefix) in itertools.product(front.nodes, vps.items()):
        node.set_session_module(prefix, f"{front.internal}/session-module/{name}")


@contextlib.asynccontextmanager
async def site(directory: Path, **wishes: Any) -> AsyncIterator[Site]:
    """The wishes are the fields of Plan. Passwords are hashed cheaply; all else is as in production."""
    plan = Plan(**wishes)
    async with prepared(directory, plan) as front:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("qproxy.auth.passwords.PasswordHasher", quick_hasher)
            server = Server(load(directory), front.clock)
            await server.start()
        if plan.mode in ("", "session_module"):
            tell_qlik(front, server.internal_ports[0], plan.vps)
        built = Site(
            front.nodes, front.origin, front.clock, directory, front.certificates, front.internal, server=server
        )
        try:
            yield built
        finally:
            for person in built.people:
                await person.close()
            await server.stop()
