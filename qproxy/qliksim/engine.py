"""The stand-in engine behind the node's app sockets: JSON-RPC text in, text out; no sockets, no HTTP.

Engine sessions are shared by all sockets of the same user, app and identity, and outlive them for the time to
live that the last socket asked for. Whoever carries the frames greets the client and closes the socket.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence

from qproxy.qliksim.engine_global import GLOBAL_HANDLE, Global
from qproxy.qliksim.engine_objects import shows_data
from qproxy.qliksim.engine_rpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    EngineError,
    Json,
    Method,
    Results,
    Target,
    is_reference,
    patches,
)
from qproxy.qliksim.engine_session import EngineSession
from qproxy.qliksim.engine_table import sales_table
from qproxy.qliksim.settings import AppSettings

SESSION_APP = "?transient="
_WITHOUT_APP = ("", "engineData", SESSION_APP)


class UnknownAppError(Exception):
    """No such app here: the node tells the client that no engine is available."""


class EngineSocket:
    """One client's end: it answers requests and remembers what the client was told, for delta answers."""

    def __init__(self, engine: "Engine", session: EngineSession, attached: bool, ttl: float) -> None:
        self.attached = attached
        self.push: Callable[[str], None] | None = None
        self._engine, self._session, self._ttl = engine, session, ttl
        self._global = Global(session)
        self._told: dict[tuple[int, str, str], Json] = {}
        session.sockets.append(self)

    async def answer(self, text: str) -> list[str]:
        """Text frames for one text frame; none for a notification (a request without id)."""
        request: Json = {}
        reply: Json
        try:
            request = _parsed(text)
            reply = self._reply(request)
        except EngineError as error:
            reply = {"error": error.as_json()}
        notices = self._session.handles.take()
        if self._session.doc is not None and self._session.doc.app.delay_ms:
            await asyncio.sleep(self._session.doc.app.delay_ms / 1000)
        if notices:
            self._session.tell(notices, besides=self)
        if isinstance(request, dict) and "id" not in request and "error" not in reply:
            return []
        whole = {"jsonrpc": "2.0", "id": request.get("id")} | reply | notices
        return [json.dumps(whole, separators=(",", ":"))]

    def _reply(self, request: dict[str, Json]) -> Json:
        handle, name = request.get("handle", GLOBAL_HANDLE), request["method"]
        target: Target = self._global if handle == GLOBAL_HANDLE else self._session.handles.find(handle)
        method = target.METHODS.get(name)
        if method is None:
            raise EngineError(METHOD_NOT_FOUND, "Method not found")
        results = _called(target, method, request.get("params", []))
        if request.get("delta") is not True or not _can_be_patched(results):
            return {"result": results}
        told = {key: self._patches((handle, name, key), value) for key, value in results.items()}
        return {"delta": True, "result": told}

    def _patches(self, key: tuple[int, str, str], value: Json) -> list[Json]:
        found = patches(self._told.get(key), value)
        self._told[key] = value
        return found

    def detach(self) -> None:
        """The socket is gone; the engine session lives on for the time to live."""
        if self in self._session.sockets:
            self._session.sockets.remove(self)
            self._engine.left(self._session, self._ttl)


class Engine:
    """All engine sessions of a stand-in node. `clock` gives seconds."""

    def __init__(self, apps: Sequence[AppSettings], clock: Callable[[], float]) -> None:
        self.apps = {app.id: app for app in apps}
        self.tables = {app.id: sales_table() for app in apps}
        self._clock = clock
        self._sessions: dict[tuple[tuple[str, str], str, str], EngineSession] = {}
        self._steps = 0

    def attach(self, user: tuple[str, str], app: str, identity: str = "", ttl: float = 0.0) -> EngineSocket:
        """A socket on the engine session of (user, app, identity), new or living; raises UnknownAppError."""
        if app not in self.apps and app not in _WITHOUT_APP:
            raise UnknownAppError(app)
        self._drop_ended()
        key = (user, app or "engineData", identity)
        known = self._sessions.get(key)
        session = known or self._sessions.setdefault(key, EngineSession(user, self.apps, self.tables))
        session.ends_at = float("inf")
        return EngineSocket(self, session, attached=known is not None, ttl=ttl)

    def left(self, session: EngineSession, ttl: float) -> None:
        if not session.sockets:
            session.ends_at = self._clock() + ttl
            self._drop_ended()

    def _drop_ended(self) -> None:
        now = self._clock()
        self._sessions = {key: each for key, each in self._sessions.items() if each.ends_at > now}

    def advance(self, app: AppSettings) -> None:
        """Move the data of an app, and tell every socket that shows it."""
        self._steps += 1
        self.tables[app.id].advance(self._steps)
        for session in self._with_open(app):
            session.handles.mark(shows_data)
            session.tell(session.handles.take())

    def _with_open(self, app: AppSettings) -> Iterable[EngineSession]:
        return [each for each in self._sessions.values() if each.doc is not None and each.doc.id == app.id]


def _parsed(text: str) -> dict[str, Json]:
    try:
        request = json.loads(text)
    except ValueError:
        raise EngineError(PARSE_ERROR, "Parse error") from None
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        raise EngineError(INVALID_REQUEST, "Invalid Request")
    return request


def _called(target: Target, method: Method, params: Json) -> Results:
    """Parameters of a wrong type end in whatever Python says about them: for the client they are invalid."""
    values = method.values(params)
    try:
        return method.call(target, *values)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise EngineError(INVALID_PARAMS, "Invalid Params", type(error).__name__) from error


def _can_be_patched(results: Results) -> bool:
    values = list(results.values())
    return bool(values) and all(isinstance(each, dict | list) and not is_reference(each) for each in values)
