"""A stand-in node with a small real session module behind it, and a client that changes nothing on the way."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from multidict import CIMultiDictProxy
from yarl import URL

from qproxy.qliksim import AppSettings, QlikNode, SimConfig, Toggles, VirtualProxySettings

COOKIE = "X-Qlik-Session-sso-HTTP"
SALES = AppSettings("sales", "Sales")
LOGIN = "https://bi.test/login/sso"


class Seconds:
    """A clock that stands still unless it is set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Heard:
    """One call that reached the session module; `path` is raw."""

    method: str
    path: str
    headers: CIMultiDictProxy[str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class SessionModule:
    """Knows whom it is told, answers 404 for the rest, and keeps what it heard."""

    url: str = ""
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    post_status: int = 201

    def calls(self) -> list[str]:
        return [f"{each.method} {each.path}" for each in self.heard]

    def knows(self, user: str, session_id: str = "", directory: str = "SSO", attributes: Any = None) -> str:
        session_id = session_id or f"id-of-{user}"
        self.sessions[session_id] = {
            "UserDirectory": directory,
            "UserId": user,
            "Attributes": attributes or [],
            "SessionId": session_id,
        }
        return session_id

    async def answer(self, request: web.BaseRequest) -> web.Response:
        heard = Heard(request.method, request.raw_path, request.headers, await request.read())
        self.heard.append(heard)
        if request.method == "GET" and "session" in heard.path:
            found = self.sessions.get(unquote(heard.path.partition("?")[0].rpartition("/")[2]))
            return web.json_response(found) if found else web.json_response({"error": "unknown"}, status=404)
        if request.method == "GET":
            return web.json_response([])
        return web.json_response({}, status=self.post_status if request.method == "POST" else 200)


@contextlib.asynccontextmanager
async def session_module(**tls: Any) -> AsyncIterator[SessionModule]:
    module = SessionModule()
    runner = web.ServerRunner(web.Server(module.answer, max_line_size=1 << 16, max_field_size=1 << 16))
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0, **tls)
    await listener.start()
    port = runner.addresses[0][1]
    module.url = f"{'https' if tls else 'http'}://localhost:{port}"
    yield module
    await runner.cleanup()


@dataclass
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Site:
    """What a test holds."""

    node: QlikNode
    module: SessionModule
    client: aiohttp.ClientSession
    clock: Seconds
    sockets: list[aiohttp.ClientWebSocketResponse] = field(default_factory=list)

    async def ask(
        self, path: str, session: str = "", method: str = "GET", headers: Mapping[str, str] | None = None, **more: Any
    ) -> Answer:
        """One request to the plain listener, the path byte for byte."""
        url = URL(f"{self.node.http_url}{path}", encoded=True)
        lines = self._cookie(session) | dict(headers or {})
        async with self.client.request(method, url, headers=lines, allow_redirects=False, **more) as reply:
            return Answer(reply.status, reply.headers, await reply.read())

    def _cookie(self, session: str) -> dict[str, str]:
        return {"Cookie": f"{COOKIE}={session}"} if session else {}

    async def log_in(self, user: str = "john") -> str:
        """A session that the module vouches for and the node has in its cache."""
        session = self.module.knows(user)
        assert (await self.ask("/sso/hub/", session)).status == 200
        return session

    async def token(self, session: str) -> str:
        return (await self.ask("/sso/qps/csrftoken", session)).headers["qlik-csrf-token"]

    async def socket(
        self,
        path: str = "/sso/app/sales",
        session: str = "",
        headers: Mapping[str, str] | None = None,
        token: str = "?",
    ) -> aiohttp.ClientWebSocketResponse:
        """An engine socket, open until the site ends; the token is fetched unless one is given ("" for none)."""
        if token == "?":
            token = await self.token(session) if session else ""
        query = f"{'&' if '?' in path else '?'}qlik-csrf-token={token}" if token else ""
        url = URL(f"{self.node.http_url}{path}{query}", encoded=True)
        lines = self._cookie(session) | dict(headers or {})
        socket = await self.client.ws_connect(url, headers=lines, max_msg_size=0, autoclose=False)
        self.sockets.append(socket)  # one that nobody holds is closed by the garbage collector
        return socket

    async def refused_socket(self, *args: Any, **more: Any) -> int:
        """The status of an upgrade that must not succeed."""
        try:
            await self.socket(*args, **more)
        except aiohttp.WSServerHandshakeError as error:
            return error.status
        raise AssertionError("the upgrade was accepted")


@contextlib.asynccontextmanager
async def site(
    vp: Mapping[str, Any] | None = None, toggles: Mapping[str, Any] | None = None, **config: Any
) -> AsyncIterator[Site]:
    """A running node with one virtual proxy `sso`; `vp` and `toggles` change its settings, the rest the node's."""
    clock = Seconds()
    async with session_module() as module:
        settings = {
            "prefix": "sso",
            "cookie_name": "X-Qlik-Session-sso",
            "redirect_uri": LOGIN,
            "session_module": module.url,
            "host_allow": ("127.0.0.1", "bi.test"),
        }
        plan = {"virtual_proxies": (VirtualProxySettings(**(settings | dict(vp or {}))),), "apps": (SALES,)}
        node = QlikNode(SimConfig(**(plan | config), toggles=Toggles(**(toggles or {}))), clock)
        await node.start()
        # The node closes connections unannounced after its redirects, so none is used twice.
        connector = aiohttp.TCPConnector(force_close=True)
        client = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
        try:
            yield Site(node, module, client, clock)
        finally:
            await node.stop()  # first, because closing a client waits for what it still has to send
            await client.close()


def method_of(message: aiohttp.WSMessage) -> str:
    return str(json.loads(message.data)["method"])


async def frames(socket: aiohttp.ClientWebSocketResponse, count: int) -> list[Any]:
    """That many JSON frames."""
    return [json.loads((await socket.receive(timeout=5)).data) for _ in range(count)]
