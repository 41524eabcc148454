"""The personal API behind each virtual proxy: who am I, a token for sockets, log me out.

These paths never redirect: pages ask them to find out whether somebody is logged in.
"""

from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from qproxy.qliksim import routes
from qproxy.qliksim.exchange import Exchange
from qproxy.qliksim.identify import Outcome, identify
from qproxy.qliksim.turning_away import login_address, turn_away

XSRF_TEXT = "XSRF prevention check failed. Possible XSRF discovered."


async def who_am_i(exchange: Exchange) -> web.StreamResponse:
    """GET qps/user: the user, or where to log in when `targetUri` names an allowed host."""
    await identify(exchange)
    session = exchange.session
    if session is not None:
        session.touched = exchange.core.clock()
    if session is not None and session.source != "anonymous":
        name = {"userDirectory": session.directory, "userId": session.user, "userName": session.user}
        return exchange.json({**name, "logoutUri": f"{exchange.root}qps/user"})
    facts: dict[str, Any] = {}
    if session is not None:
        facts |= {"userDirectory": session.directory, "userId": session.user}
    facts["session"] = "inactive"
    target = routes.argument(exchange.place.query, "targetUri")
    if target and (urlsplit(target).hostname or "") in _allowed(exchange):
        facts["loginUri"] = login_address(exchange)
    return exchange.json(facts)


def _allowed(exchange: Exchange) -> set[str]:
    names = (*exchange.core.config.machine_names, *exchange.vp.settings.host_allow)
    return {name.lower() for name in names}


async def log_out(exchange: Exchange) -> web.StreamResponse:
    """DELETE qps/user: all sessions of this user on this virtual proxy."""
    if await identify(exchange, opens=False) is not Outcome.KNOWN or exchange.session is None:
        return await turn_away(exchange)
    if not exchange.xrfkey_fits():
        return exchange.answer(403, XSRF_TEXT)
    await exchange.core.log_out(exchange.vp, exchange.session.owner)
    exchange.new_session = False
    return exchange.answer(200)


async def csrf_token(exchange: Exchange) -> web.StreamResponse:
    """GET qps/csrftoken: 204 and the session's token in a header; releases before the feature have no such page."""
    if not exchange.core.toggles.csrf:
        return exchange.answer(404)
    session = exchange.session
    return exchange.answer(204, headers=[("qlik-csrf-token", session.csrf if session else "")])
