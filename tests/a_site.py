"""A whole site for the flows: a stand-in Qlik node, a qproxy in front of it, and people with passwords.

Everything is real but Qlik: configuration files on disk, sockets on loopback, one process.
"""

import contextlib
import re
import socket
import textwrap
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from yarl import URL

from qproxy.auth import users
from qproxy.config.load import load
from qproxy.qliksim import AppSettings, QlikNode, SimConfig, Toggles, VirtualProxySettings
from qproxy.server import Server

PASSWORD = "correct horse battery"
APP = "aaaaaaaa-0000-4000-8000-000000000001"


class Clock:
    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class Site:
    node: QlikNode
    server: Server
    origin: str
    clock: Clock
    directory: Path
    people: list[aiohttp.ClientSession] = field(default_factory=list)

    def browser(self) -> aiohttp.ClientSession:
        """A browser: keeps cookies, says that it navigates, follows no redirect by itself."""
        headers = {"Accept": "text/html", "Origin": self.origin}
        person = aiohttp.ClientSession(
            self.origin, cookie_jar=aiohttp.CookieJar(unsafe=True), headers=headers, auto_decompress=False
        )
        self.people.append(person)
        return person

    async def log_in(
        self, person: aiohttp.ClientSession, target: str = "/sales/hub/", name: str = "ann", password: str = PASSWORD
    ) -> str:
        """Through the login page, as a person would; the Location that the login ends with."""
        async with person.get(self.url(target), allow_redirects=False) as turned_away:
            assert turned_away.status == 302, await turned_away.text()
            login = turned_away.headers["Location"]
        async with person.get(login) as page:
            form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', await page.text()))
        async with person.post(login, data=form | {"name": name, "password": password}, allow_redirects=False) as done:
            assert done.status == 303, await done.text()
            return done.headers["Location"]

    def url(self, target: str) -> URL:
        """The address with the target's bytes as they are."""
        return URL(self.origin + target, encoded=True)

    def cookie(self, person: aiohttp.ClientSession, name: str = "X-Qlik-Session-sales-HTTP") -> str:
        cookies = {cookie.key: cookie.value for cookie in person.cookie_jar}
        return cookies.get(name, "")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_config(directory: Path, origin: str, node: QlikNode, server: str = "", vp: str = "") -> None:
    port = origin.rpartition(":")[2]
    (directory / "server.yaml").write_text(
        textwrap.dedent(f"""\
        public:
          url: {origin}
          listen: 127.0.0.1:{port}
        internal:
          listen: 127.0.0.1:0
        sessions:
          store: memory
        logging:
          access: {directory}/access.log
          audit: {directory}/audit.log
        timeouts:
          drain: 5s
        """)
        + textwrap.dedent(server)
    )
    for name in ("sales", "finance"):
        (directory / f"{name}.yaml").write_text(
            textwrap.dedent(f"""\
            prefix: {name}
            cookie: X-Qlik-Session-{name}
            user_directory: {name.upper()}
            upstreams: {node.http_url}
            internal_names: [qlik1.internal]
            login:
              - method: password_file
                file: users.txt
            """)
            + textwrap.dedent(vp)
        )


def qlik_vp(name: str, origin: str, **settings: object) -> VirtualProxySettings:
    wanted: dict[str, object] = {
        "prefix": name,
        "cookie_name": f"X-Qlik-Session-{name}",
        "redirect_uri": f"{origin}/qproxy/login/{name}",
        "host_allow": ("localhost",),
    }
    return VirtualProxySettings(**(wanted | settings))  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def site(
    directory: Path,
    *,
    server: str = "",
    vp: str = "",
    qlik: dict[str, object] | None = None,
    toggles: Toggles | None = None,
) -> AsyncIterator[Site]:
    """`server` and `vp`: further lines of the configuration files; `qlik`: further settings of Qlik's side."""
    clock = Clock()
    origin = f"http://localhost:{free_port()}"
    node = QlikNode(
        SimConfig(
            virtual_proxies=tuple(qlik_vp(name, origin, **(qlik or {})) for name in ("sales", "finance")),
            apps=(AppSettings(APP, "Sales"),),
            toggles=toggles or Toggles(),
        ),
        clock,
    )
    await node.start()
    write_config(directory, origin, node, server, vp)
    if not (directory / "users.txt").exists():
        for name in ("ann", "bob"):
            users.add(directory / "users.txt", name, PASSWORD)
    running = Server(load(directory), clock)
    await running.start()
    for name in ("sales", "finance"):
        root = f"http://127.0.0.1:{running.internal_ports[0]}/session-module/{name}"
        node.set_session_module(name, root)
    built = Site(node, running, origin, clock, directory)
    try:
        yield built
    finally:
        for person in built.people:
            await person.close()
        await running.stop()
        await node.stop()
