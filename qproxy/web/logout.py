"""Logging out on qproxy's own pages: a button, because a link must not log anybody out, and the end of the session."""

from collections.abc import Sequence

from aiohttp import web

from qproxy import cookies
from qproxy.auth.deep_link import DeepLinks
from qproxy.auth.login_keys import LoginKeys
from qproxy.model import End, Session
from qproxy.partings import set_mark
from qproxy.web import pages
from qproxy.web.desk import LoginDesk, LoginEvent
from qproxy.web.form_guard import FormGuard, read_form, with_binding
from qproxy.web.look import LOOK, Look
from qproxy.web.own_pages import CALLER, page
from qproxy.web.parted import logged_out, login_by_hand, provider_logout
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
        sessions = await living(desk, sessions_sent(request, desk))
        for session in sessions:
            await desk.end_session(session.id, End.LOGOUT)
            desk.audit(_event(request, desk, session))
        return await self._logged_out(request, desk, sessions)

    async def done(self, request: web.Request, desk: LoginDesk) -> web.Response:
        """Back from an identity provider's logout. Anybody may come here: it says so, and does nothing."""
        return logged_out(request[LOOK], desk, login_by_hand(self._links, request, desk))

    async def _logged_out(self, request: web.Request, desk: LoginDesk, sessions: Sequence[Session]) -> web.Response:
        """Who had several sessions here is sent to the provider of one of them: there is one page after this one."""
        addresses = [await provider_logout(desk, session, request.host, "") for session in sessions]
        leaving = next((address for address in addresses if address), "")
        method = sessions[0].method if sessions else ""
        response = logged_out(request[LOOK], desk, login_by_hand(self._links, request, desk, method), leaving)
        gone = cookies.expired(desk.cookie_name, secure=desk.secure, same_site=desk.same_site)
        response.headers.add("Set-Cookie", gone)
        for session in sessions[:1]:
            response.headers.add("Set-Cookie", set_mark(desk.name, session.id, secure=desk.secure))
        return response


def _event(request: web.Request, desk: LoginDesk, session: Session) -> LoginEvent:
    caller = request[CALLER]
    address, request_id = caller.address, caller.request_id
    return LoginEvent("logout", desk.name, session.method, session.who, address, request_id, session.short, "logout")


def _form(look: Look, guard: FormGuard, desk: LoginDesk, status: int, message: str = "") -> web.Response:
    response = page(
        status, pages.logout_page(look, guard.token, look.texts.say(message), frame_ancestors=desk.frame_ancestors)
    )
    return with_binding(response, guard)
