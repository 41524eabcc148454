"""The road of one request through the node, in Qlik's order: size, prefix, host, login pages, identity, content.

One function a step. The order is the point: a proxy in front sees exactly which check refused it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from qproxy.qliksim import engine_sockets, internal_login, personal, routes
from qproxy.qliksim.contents import content_of
from qproxy.qliksim.core import Core
from qproxy.qliksim.exchange import Exchange, bad_header_page, plain
from qproxy.qliksim.identify import Outcome, identify
from qproxy.qliksim.journaling import entry_for
from qproxy.qliksim.recorded import Entry
from qproxy.qliksim.turning_away import module_failed, turn_away

logger = logging.getLogger(__name__)
Handler = Callable[[Exchange], Awaitable[web.StreamResponse]]
LINGER_S = 10.0
DEBUG_AREAS = frozenset(routes.OWN_WORDS.split())


def handler(core: Core, secure: bool) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """The request handler of one main listener."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        kind = "ws" if _asks_for_socket(request) else "http"
        entry = core.journal.add(entry_for(kind, request, core.clock()))
        try:
            response = await _travel(core, secure, request, entry)
            entry.status = response.status
            await _read_away(request, response)
        except (ConnectionError, web.RequestPayloadError) as error:
            entry.note = f"client gone: {type(error).__name__}"
            return plain(400)
        return response

    return handle


async def _read_away(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Answer, then take the rest of the body, so that a client that still sends it can read the answer."""
    if request.content.is_eof() or response.status == 101 or _is_gone(request):
        return
    if "Expect" in request.headers:  # the body will never come
        response.force_close()
        return
    await response.prepare(request)
    await response.write_eof()
    try:
        async with asyncio.timeout(LINGER_S):
            while not request.content.at_eof() and not _is_gone(request):
                await request.content.readany()
    except TimeoutError:
        return


def _is_gone(request: web.BaseRequest) -> bool:
    return request.transport is None or request.transport.is_closing()


def _asks_for_socket(request: web.BaseRequest) -> bool:
    return "websocket" in request.headers.get("Upgrade", "").lower()


async def _travel(core: Core, secure: bool, request: web.BaseRequest, entry: Entry) -> web.StreamResponse:
    if _head_too_large(core, request):
        response = plain(400, "Request header too large")
        response.force_close()
        return response
    place = routes.place(request.raw_path, core.vps)
    vp = core.vps.get(place.prefix) if place else None
    if place is None or vp is None or not vp.settings.linked:
        return bad_header_page()
    entry.vp = place.prefix
    exchange = Exchange(core, vp, place, request, secure, entry)
    allowed = {name.lower() for name in (*core.config.machine_names, *vp.settings.host_allow)}
    if routes.host_of(request.host) not in allowed:
        return bad_header_page(core.toggles.host_mismatch)
    if _asks_for_socket(request) and engine_sockets.accepts(place):
        return await engine_sockets.serve(exchange, allowed)
    return await _serve(exchange)


def _head_too_large(core: Core, request: web.BaseRequest) -> bool:
    lines = [len(name) + len(value) + 4 for name, value in request.raw_headers]
    lines.append(len(request.method) + len(request.raw_path) + 12)
    return sum(lines) > core.config.max_header_bytes or max(lines) > core.config.max_header_line_bytes


async def _serve(exchange: Exchange) -> web.StreamResponse:
    place = exchange.place
    if place.rest == "":
        prefix = f"/{place.prefix}" if place.prefix else ""
        return exchange.answer(301, headers=[("Location", f"{prefix}/hub/")])
    if place.area in internal_login.PAGES:
        return await internal_login.serve(exchange, place.area == internal_login.WINDOWS)
    if personal_page := _personal(exchange):
        return await personal_page(exchange)
    if exchange.core.toggles.debug == "open" and place.area in DEBUG_AREAS | {"tempcontent"}:
        return await content_of(exchange)
    return await _identified(exchange)


def _personal(exchange: Exchange) -> Handler | None:
    if exchange.place.rest.lower().rstrip("/") != "qps/user":
        return None
    return {"GET": personal.who_am_i, "DELETE": personal.log_out}.get(exchange.request.method)


async def _identified(exchange: Exchange) -> web.StreamResponse:
    csrf_page = exchange.place.rest.lower() == "qps/csrftoken"
    if csrf_page and not exchange.core.toggles.csrf:
        return exchange.answer(404)
    outcome = await identify(exchange)
    if outcome is Outcome.REFUSED:
        return exchange.answer(400)
    if outcome is Outcome.MODULE_FAILED:
        return await module_failed(exchange)
    if exchange.session is None:
        return await turn_away(exchange)
    exchange.session.touched = exchange.core.clock()
    if csrf_page:
        return await personal.csrf_token(exchange)
    return await content_of(exchange)
