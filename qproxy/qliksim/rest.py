"""The administrative port (4243 in a real site): sessions, users and tickets for whoever holds a certificate.

Answers as Qlik's proxy service does, with its oddities: a missing session is the text `null`, a forgotten
cross-site key is 403.
"""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from qproxy.qliksim import routes
from qproxy.qliksim.core import Core, Ending
from qproxy.qliksim.exchange import JSON, plain
from qproxy.qliksim.identify import attributes_of
from qproxy.qliksim.journaling import entry_for
from qproxy.qliksim.state import SimSession, VirtualProxyState

WORDS = frozenset({"session", "user", "ticket", "alive", "health", "about"})


@dataclass
class RestCall:
    """A request behind `/qps/`; `path` is decoded and starts with one of `WORDS`."""

    core: Core
    vp: VirtualProxyState
    method: str
    path: list[str]
    body: bytes

    @property
    def prefix(self) -> str:
        return self.vp.settings.prefix

    def fields(self) -> dict[str, Any]:
        """The body's JSON object with keys in lower case; raises ValueError for anything else."""
        content = json.loads(self.body)
        if not isinstance(content, dict):
            raise ValueError("a JSON object is expected")
        return {str(key).lower(): value for key, value in content.items()}


def handler(core: Core, certified: bool) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """The request handler; `certified` asks for a client certificate."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        entry = core.journal.add(entry_for("rest", request, core.clock()))
        body = await request.read()
        entry.body = body.decode("utf-8", "surrogateescape")
        response = await _serve(core, request, body) if _allowed(request, certified) else plain(403, "Forbidden")
        entry.status, entry.reply = response.status, (response.body or b"").decode()
        return response

    return handle


def _allowed(request: web.BaseRequest, certified: bool) -> bool:
    peer = request.transport.get_extra_info("peercert") if request.transport is not None else None
    key = routes.argument(request.raw_path.partition("?")[2], "xrfkey") or ""
    same = key == request.headers.get("X-Qlik-Xrfkey")
    return bool(peer or not certified) and same and re.fullmatch("[0-9a-zA-Z]{16}", key) is not None


async def _serve(core: Core, request: web.BaseRequest, body: bytes) -> "RestAnswer":
    segments = request.raw_path.partition("?")[0].strip("/").split("/")
    at = next((number for number, segment in enumerate(segments) if segment in WORDS), None)
    if segments[0] != "qps" or at is None:
        return plain(404, "Not found")
    if (general := _GENERAL.get(tuple(segments[at:]))) is not None and request.method == "GET":
        return _json(general)
    vp = core.vps.get("/".join(segments[1:at]))
    if vp is None:
        return plain(400, "Unknown virtual proxy")
    call = RestCall(core, vp, request.method, [unquote(segment) for segment in segments[at:]], body)
    work = _CALLS.get((call.method, call.path[0], len(call.path)))
    if work is None:
        return plain(405, "Not found")
    try:
        return await work(call)
    except (ValueError, KeyError) as error:
        return plain(400, f"Bad request: {error}")


RestAnswer = web.Response


def _json(content: Any, status: int = 200) -> RestAnswer:
    return plain(status, json.dumps(content), JSON)


async def _add_session(call: RestCall) -> RestAnswer:
    fields = call.fields()
    session_id = str(fields.get("sessionid") or "")
    if session_id in call.vp.sessions:
        return plain(call.core.toggles.rest_duplicate_status, f"Session with id {session_id} already exists")
    owner = _owner(fields)
    is_new = not call.vp.sessions_of(owner)
    session = call.vp.open_session(owner, attributes_of(fields.get("attributes")), "api", session_id)
    if call.core.toggles.mirror_api_sessions:
        await call.core.modules.register(call.prefix, session)
    return _json({**session.shown(), "NewUser": is_new}, 201)


def _owner(fields: dict[str, Any]) -> tuple[str, str]:
    """The user; raises KeyError or ValueError when a part is missing or odd."""
    owner = str(fields["userdirectory"]).strip(), str(fields["userid"]).strip()
    if not all(owner) or any("\\" in part for part in owner):
        raise ValueError("UserDirectory and UserId must be given, without a backslash")
    return owner


async def _list_sessions(call: RestCall) -> RestAnswer:
    return _json([session.shown() for session in call.vp.sessions.values()])


async def _show_session(call: RestCall) -> RestAnswer:
    session = call.vp.sessions.get(call.path[1])
    return _json(session.shown() if session else None)


async def _end(call: RestCall, sessions: list[SimSession]) -> None:
    for session in sessions:
        await call.core.end_session(call.vp, session, Ending.CLOSED)


async def _delete_session(call: RestCall) -> RestAnswer:
    session = call.vp.sessions.get(call.path[1])
    if session is None:
        return _json({"Session": None}, call.core.toggles.rest_unknown_delete_status)
    await _end(call, [session])
    if call.core.toggles.mirror_api_sessions:
        await call.core.modules.forget(call.prefix, session)
    return _json({"Session": session.shown(), "Status": "Deleted"})


async def _show_user(call: RestCall) -> RestAnswer:
    return _json([session.shown() for session in call.vp.sessions_of((call.path[1], call.path[2]))])


async def _delete_user(call: RestCall) -> RestAnswer:
    owner = call.path[1], call.path[2]
    ended = call.vp.sessions_of(owner)
    await _end(call, ended)
    if call.core.toggles.mirror_api_sessions:
        await call.core.modules.forget_owner(call.prefix, owner)
    return _json([{"Session": session.shown(), "Status": "Deleted"} for session in ended])


async def _add_ticket(call: RestCall) -> RestAnswer:
    fields = call.fields()
    target_id = fields.get("targetid")
    if target_id and target_id not in call.vp.targets:
        return plain(400, "TargetId not found")
    attributes = attributes_of(fields.get("attributes"))
    ticket = call.vp.issue_ticket(_owner(fields), attributes)
    shown = {"UserDirectory": ticket.directory, "UserId": ticket.user, "Attributes": attributes, "Ticket": ticket.id}
    return _json({**shown, "TargetUri": call.vp.targets.get(target_id) if target_id else None}, 201)


_CALLS: dict[tuple[str, str, int], Callable[[RestCall], Awaitable[RestAnswer]]] = {
    ("POST", "session", 1): _add_session,
    ("GET", "session", 1): _list_sessions,
    ("GET", "session", 2): _show_session,
    ("DELETE", "session", 2): _delete_session,
    ("GET", "user", 3): _show_user,
    ("DELETE", "user", 3): _delete_user,
    ("POST", "ticket", 1): _add_ticket,
}
_GENERAL: dict[tuple[str, ...], dict[str, Any]] = {
    ("alive",): {"value": True},
    ("health",): {"value": True},
    ("about", "openapi", "main"): {
        "openapi": "3.0.0",
        "info": {"title": "Proxy service", "version": "1"},
        "paths": {f"/qps/{word}": {} for word in ("session", "user", "ticket")},
    },
}
