"""Where a person goes after a logout: to the identity provider's own logout, or to a page that says that it is done.

Whoever comes to the login page with the mark of a logout has said so by nothing but coming: nobody is logged in again
without being asked. It must not end sessions.
"""

import re
from urllib.parse import urlencode

from aiohttp import web

from qproxy.auth.deep_link import DeepLinks
from qproxy.auth.method import Accept, Answer, Challenge, Send
from qproxy.auth.way import Way, chosen, named
from qproxy.model import Session
from qproxy.routing import OWN
from qproxy.web import pages
from qproxy.web.desk import LoginDesk, origin
from qproxy.web.look import Look
from qproxy.web.own_pages import CALLER, page
from qproxy.web.visit import Visit, last_way_of

STATE = re.compile(r"[A-Za-z0-9_.~-]{1,1500}")
"""A deep link that a provider is asked to bring back; a longer one is forgotten: hub."""


def silent(answer: Answer) -> bool:
    """Whether a way begins without asking the person anything."""
    return isinstance(answer, Send | Challenge | Accept)


async def provider_logout(desk: LoginDesk, session: Session, host: str, state: str) -> str:
    """The address of the logout at the provider of that session, "" where there is none."""
    way = named(desk.ways, session.method)
    if way is None:
        return ""
    back = f"{origin(desk, host)}/{OWN}/logout/{desk.name}/done"
    return await way.method.leave(session, f"{back}?state={state}" if STATE.fullmatch(state) else back)


async def parted_at_the_hub(visit: Visit) -> str:
    """The address of the provider's logout, for a browser whose person logged out in Qlik's hub; once. May raise
    StoreUnavailable."""
    session = await visit.desk.parted(visit.parted)
    state = visit.query.get("state", "")
    return await provider_logout(visit.desk, session, visit.host, state) if session is not None else ""


def logged_out(look: Look, desk: LoginDesk, login: str, leaving: str = "") -> web.Response:
    """`login`: where the person can log in again. `leaving`: the browser goes there by itself. Not by a redirect: the
    page of a form may not lead to another host (its Content-Security-Policy, `form-action`)."""
    return page(200, pages.logged_out_page(look, login, leaving, frame_ancestors=desk.frame_ancestors))


def login_by_hand(links: DeepLinks, request: web.Request, desk: LoginDesk, method: str = "") -> str:
    """The login page for somebody who wants to log in: by that way, or the one of last time, or the choice."""
    way: Way | None = named(desk.ways, method) or chosen(desk.ways, request[CALLER].address, last_way_of(request))
    state = request.query.get("state", "")
    target = links.read(desk.name, desk.path, state).next if state else ""
    location = links.login_location(desk.name, desk.path, target.encode("latin-1", "replace"))
    return f"{location}{'&' if '?' in location else '?'}{urlencode({'login': way.name if way else ''})}"
