"""Logging in and out on qproxy's own pages, for every virtual proxy and every way to log in.

    GET  /qproxy/login/{vp}?state=...   the form, or straight on for who is logged in already
    POST /qproxy/login/{vp}?state=...   one step of the login method; then to where the person wanted to go
    GET  /qproxy/logout/{vp}            a button, because a link must not log anybody out
    POST /qproxy/logout/{vp}            the end of the session
    GET  /qproxy/healthz                "ok"

It keeps nothing between two requests. It must not judge credentials (auth) or keep sessions (the desk does). Of other
parameters of the URL only Qlik's `targetId` and `proxyRestUri` are read, which anybody can make up: they go to the
desk, and what it makes of them is judged before anybody is sent there.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from qproxy import cookies
from qproxy.auth.deep_link import DeepLinks, LoginState, as_location, safe_next
from qproxy.auth.login_keys import LoginKeys
from qproxy.auth.method import Accept, Answer, Ask, Challenge, Field, LoginRequest, Method, Reason, Refuse, Send
from qproxy.errors import Failure, Refused
from qproxy.model import End, Session, User
from qproxy.routing import OWN
from qproxy.web import pages
from qproxy.web.desk import Caller, LoginDesk, LoginEvent, origin
from qproxy.web.form_guard import LARGEST_FORM, FormGuard, cookie_values, read_form
from qproxy.web.own_pages import CALLER, Identify, anyone, failure_pages, ignore_expect, page, see_other, without_banner
from qproxy.web.texts import TEXTS

log = logging.getLogger("qproxy.web")

STATUS: Final[Mapping[Reason, int]] = {
    Reason.WRONG: 403,
    Reason.THROTTLED: 429,
    Reason.BUSY: 503,
    Reason.UNAVAILABLE: 503,
}
TARGET_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
LONGEST_SHOWN_NAME: Final = 128
MOST_COOKIES: Final = 4
"""Of one browser's cookies of one name, so many are looked at."""

Handler = Callable[[web.Request, LoginDesk], Awaitable[web.Response]]


def login_app(desks: Mapping[str, LoginDesk], keys: LoginKeys, identify: Identify = anyone) -> web.Application:
    """The application behind the door; `desks` by name is read at each request, so it may change."""
    pages.compile_pages()
    flow = LoginFlow(keys)

    def at_desk(opened: Handler, posted: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            desk = desks.get(request.match_info["vp"])
            if desk is None or not desk.methods:
                raise Refused(Failure.UNKNOWN_PATH, "no such virtual proxy")
            if request.method in ("GET", "HEAD"):
                return await opened(request, desk)
            if request.method == "POST":
                return await posted(request, desk)
            raise Refused(Failure.METHOD_REFUSED, request.method)

        return handle

    app = web.Application(middlewares=[failure_pages(identify)], client_max_size=LARGEST_FORM)
    for path, handler in {
        f"/{OWN}/login/{{vp}}": at_desk(flow.open_login, flow.post_login),
        f"/{OWN}/logout/{{vp}}": at_desk(flow.open_logout, flow.post_logout),
        f"/{OWN}/healthz": _health,
        r"/{path:[\s\S]*}": _nothing_here,  # a dot would let an encoded line end by
    }.items():
        app.router.add_route("*", path, handler, expect_handler=ignore_expect)
    app.on_response_prepare.append(without_banner)
    return app


async def _health(_: web.Request) -> web.Response:
    return web.Response(text="ok", headers={"Cache-Control": "no-store"})


async def _nothing_here(_: web.Request) -> web.Response:
    raise Refused(Failure.UNKNOWN_PATH, "not one of qproxy's own pages")


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to a login page and all that it means."""

    desk: LoginDesk
    method: Method
    state: LoginState
    guard: FormGuard
    caller: Caller
    host: str
    sessions: tuple[str, ...] = field(repr=False)
    """The values of the Qlik cookie that the browser sent."""
    query: Mapping[str, str] = field(repr=False)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def typed(self) -> str:
        name = self.form.get("name", "")[:LONGEST_SHOWN_NAME]
        return "".join(letter if letter.isprintable() else "?" for letter in name)

    @property
    def from_qlik(self) -> bool:
        """Whether QPS sent the browser here, or somebody who writes such an address."""
        return not self.query.get("state") and TARGET_ID.fullmatch(self.query.get("targetId", "")) is not None

    def event(self, outcome: str, user: str = "", session: str = "") -> LoginEvent:
        method = self.method.name
        return LoginEvent(
            outcome, self.desk.name, method, user or self.typed, self.caller.address, self.caller.request_id, session
        )


class LoginFlow:
    def __init__(self, keys: LoginKeys) -> None:
        self._keys = keys
        self._links = DeepLinks(keys)

    async def open_login(self, request: web.Request, desk: LoginDesk) -> web.Response:
        visit = self._visit(request, desk)
        living = None if visit.state.relogin else await _logged_in(visit)
        if living is not None:
            if visit.state.renew or visit.from_qlik:
                await desk.renew(living, visit.state.renew)
            return await _onward(visit, living)
        return await self._answer(visit, await visit.method.step(_login_request(visit)))

    async def post_login(self, request: web.Request, desk: LoginDesk) -> web.Response:
        visit = self._visit(request, desk, await read_form(request))
        problem = visit.guard.problem(visit.form)
        if problem:
            desk.audit(visit.event(problem))
            return await _form_again(visit, 403, TEXTS[f"login_{problem}"])
        return await self._answer(visit, await visit.method.step(_login_request(visit)))

    async def open_logout(self, request: web.Request, desk: LoginDesk) -> web.Response:
        return _logout_form(FormGuard(self._keys, request, desk, "logout"), desk, 200)

    async def post_logout(self, request: web.Request, desk: LoginDesk) -> web.Response:
        guard = FormGuard(self._keys, request, desk, "logout")
        problem = guard.problem(await read_form(request))
        if problem:
            return _logout_form(guard, desk, 403, TEXTS[f"logout_{problem}"])
        caller = request[CALLER]
        for session in await _living(desk, _sessions_sent(request, desk)):
            await desk.end_session(session.id, End.LOGOUT)
            desk.audit(
                LoginEvent("logout", desk.name, "", str(session.user), caller.address, caller.request_id, session.short)
            )
        login = self._links.login_location(desk.name, desk.path, b"")
        response = page(200, pages.logged_out_page(login, frame_ancestors=desk.frame_ancestors))
        gone = cookies.expired(desk.cookie_name, secure=desk.secure, same_site=desk.same_site)
        response.headers.add("Set-Cookie", gone)
        return response

    def _visit(self, request: web.Request, desk: LoginDesk, form: Mapping[str, str] | None = None) -> Visit:
        fields = form or {}
        wanted = fields.get("method", "")
        method = next((one for one in desk.methods if one.name == wanted), desk.methods[0])
        return Visit(
            desk,
            method,
            self._links.read(desk.name, desk.path, request.query.get("state", "")),
            FormGuard(self._keys, request, desk, "login"),
            request[CALLER],
            request.host,
            _sessions_sent(request, desk),
            request.query,
            fields,
        )

    async def _answer(self, visit: Visit, answer: Answer) -> web.Response:
        match answer:
            case Accept():
                return await _accepted(visit, answer)
            case Send():
                return see_other(answer.url)
            case Challenge():
                return await _form_again(visit, 401, "")
            case Ask():
                relogin = TEXTS["login_relogin"] if visit.state.relogin else ""
                return _form(visit, 200, answer.message or relogin, answer.fields)
            case Refuse():
                return await _refused(visit, answer)


async def _accepted(visit: Visit, accept: Accept) -> web.Response:
    """Always a session with a new id; those that the browser had here end. The new one is opened first, so that a
    failing store leaves the old one alone.
    """
    desk = visit.desk
    try:
        user = User(accept.directory or desk.directory, accept.user_id)
    except ValueError as error:
        log.error("login method %s named a user that Qlik would refuse: %s", visit.method.name, error)
        return await _refused(visit, Refuse(Reason.UNAVAILABLE))
    session = await desk.open_session(user, accept.attributes, visit.state.relogin, visit.sessions)
    for before in await _living(desk, visit.sessions):
        await desk.end_session(before.id, End.REPLACED)
    desk.audit(visit.event("accepted", str(user), session.short))
    response = await _onward(visit, session)
    cookie = cookies.set_cookie(desk.cookie_name, session.id, secure=desk.secure, same_site=desk.same_site)
    response.headers.add("Set-Cookie", cookie)
    return response


async def _refused(visit: Visit, refuse: Refuse) -> web.Response:
    visit.desk.audit(visit.event(refuse.reason.value))
    response = await _form_again(visit, STATUS[refuse.reason], refuse.text or TEXTS[refuse.reason.value])
    if refuse.retry_after is not None:
        response.headers["Retry-After"] = str(refuse.retry_after)
    return response


async def _form_again(visit: Visit, status: int, message: str) -> web.Response:
    asked = await visit.method.step(LoginRequest(visit.desk.name, visit.caller.address))
    return _form(visit, status, message, asked.fields if isinstance(asked, Ask) else ())


def _form(visit: Visit, status: int, message: str, fields: tuple[Field, ...]) -> web.Response:
    shown = visit.method.name if len(visit.desk.methods) > 1 else ""
    form = pages.Form(fields, visit.guard.token, message, visit.typed, shown)
    response = page(status, pages.login_page(form, frame_ancestors=visit.desk.frame_ancestors))
    return _with_binding(response, visit.guard)


def _logout_form(guard: FormGuard, desk: LoginDesk, status: int, message: str = "") -> web.Response:
    response = page(status, pages.logout_page(guard.token, message, frame_ancestors=desk.frame_ancestors))
    return _with_binding(response, guard)


def _with_binding(response: web.Response, guard: FormGuard) -> web.Response:
    if guard.set_cookie is not None:
        response.headers.add("Set-Cookie", guard.set_cookie)
    return response


async def _onward(visit: Visit, session: Session) -> web.Response:
    """To where the person wanted to go, which QPS may know (it is then judged like any other text)."""
    here, wanted = origin(visit.desk, visit.host), visit.state.next
    if visit.from_qlik:
        told = (await visit.desk.target(session, visit.query)).partition("#")[0]
        target = next((told[len(one) :] for one in visit.desk.public_origins if told.startswith(f"{one}/")), "")
        wanted = target if safe_next(target, visit.desk.path) else wanted
    return see_other(here + as_location(wanted))


def _login_request(visit: Visit) -> LoginRequest:
    return LoginRequest(visit.desk.name, visit.caller.address, visit.form, visit.query)


def _sessions_sent(request: web.Request, desk: LoginDesk) -> tuple[str, ...]:
    return tuple(cookie_values(request, desk.cookie_name)[:MOST_COOKIES])


async def _living(desk: LoginDesk, ids: tuple[str, ...]) -> list[Session]:
    found = [await desk.find(one) for one in ids]
    return [session for session in found if session is not None]


async def _logged_in(visit: Visit) -> Session | None:
    """By one cookie of ours; a session that Qlik made (an anonymous one) is no login, and two cookies are none."""
    found = await _living(visit.desk, visit.sessions) if len(visit.sessions) == 1 else []
    return next((session for session in found if not session.by_qlik), None)
