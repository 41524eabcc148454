"""The login port of very old releases (4244, or 4248 without TLS): the same pages as today's built-in ones.

A browser that gets here through a proxy has been sent away from the one public host; tests watch for it.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from qproxy.qliksim import internal_login, routes
from qproxy.qliksim.core import Core
from qproxy.qliksim.exchange import Exchange, plain
from qproxy.qliksim.journaling import entry_for


def handler(core: Core, secure: bool) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """The request handler of the port."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        entry = core.journal.add(entry_for("http", request, core.clock()))
        path, _, query = request.raw_path.partition("?")
        target_id = routes.argument(query, "targetID")
        vp = next((each for each in core.vps.values() if target_id in each.targets), None)
        if vp is None:
            return plain(400, internal_login.NO_TARGET)
        entry.vp = vp.settings.prefix
        place = routes.Place(vp.settings.prefix, path.strip("/"), query)
        response = await internal_login.serve(
            Exchange(core, vp, place, request, secure, entry), place.area == "windows_authentication"
        )
        entry.status = response.status
        return response

    return handle
