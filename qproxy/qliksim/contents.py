"""What each area of a virtual proxy serves once somebody is identified: one table, area to handler.

The handlers live with their kind: pages for people, services for Qlik's clients, transfers and faults for tests.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from qproxy.qliksim import faults, pages, services, transfers
from qproxy.qliksim.exchange import Exchange

Handler = Callable[[Exchange], Awaitable[web.StreamResponse]]

AREAS: dict[str, Handler] = {
    "hub": pages.hub,
    "sense": pages.app,
    "single": pages.app,
    "dev-hub": pages.hub,
    "qmc": pages.hub,
    "resources": pages.resource,
    "extensions": services.extensions,
    "content": services.picture,
    "appcontent": services.picture,
    "api": services.api,
    "qrs": services.repository,
    "tempcontent": transfers.download,
    "echo": transfers.echo,
    "status": transfers.status,
    "cookies": transfers.cookies,
    "cached": transfers.cached,
    "gzip": transfers.gzipped,
    "chunked": transfers.chunked,
    "early-hints": transfers.early_hints,
    "fault": faults.fault,
}


async def content_of(exchange: Exchange) -> web.StreamResponse:
    """The answer of the area; 404 where there is none, 400 for an argument that is no number."""
    handler = AREAS.get(exchange.place.area)
    if handler is None:
        return exchange.answer(404, "Not found")
    try:
        return await handler(exchange)
    except ValueError as error:
        return exchange.answer(400, f"bad argument: {error}")
