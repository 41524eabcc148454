"""Requests to a login method's own addresses that are no step of a login: an identity provider's logout, metadata.

Whoever sends them proves it to the method; what the method says ends the sessions that it names.
"""

from collections.abc import Collection

from aiohttp import web
from multidict import CIMultiDict

from qproxy.auth.method import Call, Reply
from qproxy.auth.way import Way
from qproxy.errors import Failure, Refused
from qproxy.model import End
from qproxy.web.desk import LoginDesk, LoginEvent, origin
from qproxy.web.form_guard import read_form
from qproxy.web.own_pages import CALLER, see_other
from qproxy.web.visit import living, login_path, sessions_sent

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


async def answer_call(request: web.Request, desk: LoginDesk, way: Way, desks: Collection[LoginDesk]) -> web.Response:
    """`desks`: of all virtual proxies, as a provider tells each of its clients once, and several may be one client.
    Raises Refused."""
    call = await _call(request, desk, way)
    reply = await way.method.call(call)
    ended = sum([await one.end_tied(reply.ends, End.PROVIDER) for one in desks]) if reply.ends else 0
    for session_id in reply.ends_here:
        await desk.end_session(session_id, End.PROVIDER)
    if reply.word:
        desk.audit(_event(request, desk, way, reply, _who(call, reply) or f"{ended} sessions"))
    return _response(reply)


def _who(call: Call, reply: Reply) -> str:
    return ", ".join(session.who for session in call.sessions if session.id in reply.ends_here)


def _event(request: web.Request, desk: LoginDesk, way: Way, reply: Reply, user: str) -> LoginEvent:
    caller = request[CALLER]
    return LoginEvent(reply.word, desk.name, way.name, user, caller.address, caller.request_id, kind="provider_call")


async def _call(request: web.Request, desk: LoginDesk, way: Way) -> Call:
    if request.method not in ("GET", "HEAD", "POST"):
        raise Refused(Failure.METHOD_REFUSED, request.method)
    if len(set(request.query)) != len(request.query):
        raise Refused(Failure.BAD_REQUEST, "a parameter stands twice in the address")
    form = await read_form(request, once=True) if request.method == "POST" else {}
    here = f"{origin(desk, request.host)}{login_path(desk)}/{way.name}"
    sessions = tuple(await living(desk, sessions_sent(request, desk)))
    verb = request.match_info["verb"]
    raw = request.rel_url.raw_query_string
    return Call(verb, request.method, here, request[CALLER].address, request.query, form, raw, sessions)


def _response(reply: Reply) -> web.Response:
    if reply.url:
        return see_other(reply.url)
    headers = CIMultiDict({**HEADERS, "Content-Type": reply.content_type})
    return web.Response(status=reply.status, body=reply.body, headers=headers)
