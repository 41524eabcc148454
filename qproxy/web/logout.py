"""Logging out on qproxy's own pages: a button, because a link must not log anybody out, and the end of the session."""

from aiohttp import web

from qproxy import cookies
from qproxy.auth.deep_link import DeepLinks
from qproxy.auth.login_keys import LoginKeys
from qproxy.model import End
from qproxy.web import pages
from qproxy.web.desk import LoginDesk, LoginEvent
from qproxy.web.form_guard import FormGuard, read_form, with_binding
from qproxy.web.look import LOOK, Look
from qproxy.web.own_pages import CALLER, page
from qproxy.web.visit import living, sessions_sent


class LogoutFlow:
    def __init__(self, keys: LoginKeys) -> None:
        self._keys = keys
        self._links = DeepLinks(keys)

    async def opened(self, request: web.Request, desk: LoginDesk) -> web.Response:
        return _form(request[LOOK], FormGuard(self._keys, request, desk, "logout"), desk, 200)

    async def posted(self, request: web.Request, desk: LoginDesk) -> web.Response:
        guard = FormGuard(self._keys, request, desk, "logout")
        problem = guard.problem(await read_form(request))
        if problem:
            return _form(request[LOOK], guard, desk, 403, f"logout_{problem}")
        caller = request[CALLER]
        for session in await living(desk, sessions_sent(request, desk)):
            await desk.end_session(session.id, End.LOGOUT)
            event = LoginEvent(
                "logout", desk.name, session.method, session.who, caller.address, caller.request_id, session.short
            )
            desk.audit(event)
        return self._logged_out(request[LOOK], desk)

    def _logged_out(self, look: Look, desk: LoginDesk) -> web.Response:
        login = self._links.login_location(desk.name, desk.path, b"")
        response = page(200, pages.logged_out_page(look, login, frame_ancestors=desk.frame_ancestors))
        gone = cookies.expired(desk.cookie_name, secure=desk.secure, same_site=desk.same_site)
        response.headers.add("Set-Cookie", gone)
        return response


def _form(look: Look, guard: FormGuard, desk: LoginDesk, status: int, message: str = "") -> web.Response:
    response = page(
        status, pages.logout_page(look, guard.token, look.texts.say(message), frame_ancestors=desk.frame_ancestors)
    )
    return with_binding(response, guard)
