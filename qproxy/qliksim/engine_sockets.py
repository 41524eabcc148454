"""Engine sockets: Qlik's checks before the 101, its greeting, and the frames between client and engine.

A refusal before the 101 is an HTTP answer; everything later is told inside the socket, then it is closed. The
close codes 1000 and 4000 are silent for Qlik's clients, so this side sends only what a test or toggle asks for.
"""

from collections.abc import Collection

from aiohttp import WSCloseCode, web

from qproxy.qliksim import debug_sockets, routes
from qproxy.qliksim.core import fatal, notification
from qproxy.qliksim.engine import EngineSocket, UnknownAppError
from qproxy.qliksim.exchange import Exchange
from qproxy.qliksim.identify import Outcome, identify
from qproxy.qliksim.sim_socket import SimSocket
from qproxy.qliksim.state import SimSession
from qproxy.qliksim.turning_away import login_address, module_failed

CSWSH_TEXT = "Cross-Site Websocket Hijacking attack prevention check failed"


def accepts(place: routes.Place) -> bool:
    """Whether an upgrade is possible there at all."""
    return place.area in {"app", "hub", "dataprepservice"}


async def serve(exchange: Exchange, allowed: Collection[str]) -> web.StreamResponse:
    """`allowed` are the host names that an Origin may have."""
    debug = debug_sockets.named(exchange.place)
    if debug is not None and exchange.core.toggles.debug == "open":
        return await debug(exchange)
    if not _origin_fits(exchange, allowed):
        return exchange.answer(403, CSWSH_TEXT)
    outcome = await identify(exchange)
    if outcome is Outcome.MODULE_FAILED and exchange.core.toggles.module_error == "500":
        return await module_failed(exchange)
    if exchange.session is None:
        return await _ask_to_log_in(exchange)
    if debug is not None:
        return await debug(exchange)
    if exchange.core.toggles.csrf and not _token_fits(exchange):
        return exchange.answer(403, CSWSH_TEXT)
    return await _connect(exchange, exchange.session)


def _origin_fits(exchange: Exchange, allowed: Collection[str]) -> bool:
    """Host of Origin in the list; since the token exists, no Authorization either."""
    toggles, headers = exchange.core.toggles, exchange.request.headers
    if toggles.csrf and "Authorization" in headers:
        return False
    origin = headers.get("Origin")
    return not toggles.origin_required if origin is None else routes.origin_host(origin) in allowed


def _token_fits(exchange: Exchange) -> bool:
    token = routes.argument(exchange.place.query, "qlik-csrf-token")
    return exchange.session is not None and token == exchange.session.csrf


async def _ask_to_log_in(exchange: Exchange) -> web.StreamResponse:
    if exchange.core.toggles.ws_unauth == "403":
        return exchange.answer(403, CSWSH_TEXT)
    origin = exchange.request.headers.get("Origin")
    root = exchange.root
    if origin and exchange.core.toggles.loginuri_from_origin:
        root = f"{origin}/{exchange.vp.settings.prefix}/".replace("//", "/").replace(":/", "://", 1)
    asks = {"loginUri": login_address(exchange, root), "mustAuthenticate": True}
    return await _turn_down(exchange, notification("OnAuthenticationInformation", asks), WSCloseCode.GOING_AWAY)


async def _turn_down(exchange: Exchange, frame: str, code: int | None = None) -> web.StreamResponse:
    """Accept the upgrade only to say no in Qlik's words."""
    socket = await SimSocket.accept(exchange)
    await socket.end(code or exchange.core.toggles.fatal_close_code, "", frame)
    return socket.response


async def _connect(exchange: Exchange, session: SimSession) -> web.StreamResponse:
    core = exchange.core
    if refusal := _licence_refusal(exchange, session):
        return await _turn_down(exchange, refusal)
    target = routes.engine_target(exchange.place.rest) if exchange.place.area == "app" else routes.EngineTarget("")
    identity = target.identity or exchange.request.headers.get("X-Qlik-Session", "")
    try:
        engine = core.engine.attach(session.owner, target.app, identity, target.ttl)
    except UnknownAppError:
        text = "No engine is available for the app"
        return await _turn_down(exchange, fatal("OnNoEngineAvailable", text, core.clock()))
    try:
        socket = await SimSocket.accept(exchange)
        engine.push = socket.push
        with socket.counted():
            await _Talk(exchange, socket, session).run(engine)
    finally:
        engine.detach()
    return socket.response


def _licence_refusal(exchange: Exchange, session: SimSession) -> str | None:
    config, now = exchange.core.config, exchange.core.clock()
    if len(exchange.vp.sessions_of(session.owner)) > config.max_sessions_per_user:
        return fatal("OnMaxParallelSessionsExceeded", "Too many parallel sessions", now)
    licensed = config.users_with_license
    if licensed is not None and f"{session.directory}\\{session.user}" not in licensed:
        return fatal("OnLicenseAccessDenied", "Access to the app is denied: No available access type", now)
    return None


class _Talk:
    """The greeting, then each message of the client to the engine and its frames back."""

    def __init__(self, exchange: Exchange, socket: SimSocket, session: SimSession) -> None:
        self._exchange, self._socket, self._session = exchange, socket, session
        self._owes_greeting = exchange.core.toggles.user_after_first_message

    async def run(self, engine: EngineSocket) -> None:
        if not self._owes_greeting:
            await self._socket.send(self._who())
        state = "SESSION_ATTACHED" if engine.attached else "SESSION_CREATED"
        await self._socket.send(notification("OnConnected", {"qSessionState": state}))
        async for text in self._socket.messages():
            self._session.touched = self._exchange.core.clock()
            if self._owes_greeting:
                self._owes_greeting = False
                await self._socket.send(self._who())
            if isinstance(text, str):
                for frame in await engine.answer(text):
                    await self._socket.send(frame)

    def _who(self) -> str:
        who = {"userId": self._session.user, "userDirectory": self._session.directory}
        rest = {"logoutUri": f"{self._exchange.root}qps/user", "mustAuthenticate": False}
        return notification("OnAuthenticationInformation", who | rest)
