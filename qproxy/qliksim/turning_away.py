"""What Qlik answers to a request of nobody: a redirect to a login, or a refusal where a redirect makes no sense.

The redirect is where most installations go wrong, so its exact shapes matter: an external login gets `targetId`
and `proxyRestUri`, the built-in pages only `targetId`, and very old releases leave for another port.
"""

import re
from urllib.parse import quote

from aiohttp import web

from qproxy.qliksim import routes
from qproxy.qliksim.exchange import Exchange, plain

LEGACY_PORT = 4244
LEGACY_HTTP_PORT = 4248
REST_PORT = 4243


def quote_lower(text: str) -> str:
    """Percent-encode with lower-case escapes, as .NET does."""
    return re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), quote(text, safe=""))


def login_address(exchange: Exchange, root: str | None = None) -> str:
    """Where a login for this request starts; remembers the wanted address. `root` replaces the request's own."""
    target_id = exchange.vp.remember_target(_wanted(exchange))
    settings, core = exchange.vp.settings, exchange.core
    if settings.redirect_uri:
        prefix = f"{settings.prefix}/" if settings.prefix else ""
        rest = quote_lower(f"https://{core.config.machine_names[0]}:{REST_PORT}/qps/{prefix}")
        joint = "&" if "?" in settings.redirect_uri else "?"
        return f"{settings.redirect_uri}{joint}targetId={target_id}&proxyRestUri={rest}"
    if core.toggles.legacy_auth:
        host, port = core.config.machine_names[0], LEGACY_PORT if exchange.secure else LEGACY_HTTP_PORT
        return f"{exchange.scheme}://{host}:{port}/windows_authentication/?targetID={target_id}"
    windows = settings.win_pattern in exchange.request.headers.get("User-Agent", "")
    page = "internal_windows_authentication" if windows else "internal_forms_authentication"
    return f"{root or exchange.root}{page}/?targetId={target_id}"


def _wanted(exchange: Exchange) -> str:
    reload_uri = routes.argument(exchange.place.query, "reloadUri")
    return reload_uri or f"{exchange.scheme}://{exchange.request.host}{exchange.request.raw_path}"


async def turn_away(exchange: Exchange) -> web.StreamResponse:
    """GET and HEAD are sent to the login, anything else is refused (or sent there too, by a toggle)."""
    refusal = exchange.core.toggles.post_unauth
    if exchange.request.method not in ("GET", "HEAD") and refusal != 302:
        return exchange.answer(refusal)
    response = exchange.answer(302, "", headers=[("Location", login_address(exchange))])
    if exchange.core.toggles.close_after_302:
        await _send_and_close(exchange, response)
    return response


async def _send_and_close(exchange: Exchange, response: web.StreamResponse) -> None:
    """Close TCP behind the answer without having said so, which is what a pooling client trips over."""
    await response.prepare(exchange.request)
    await response.write_eof()
    exchange.request.protocol.force_close()


async def module_failed(exchange: Exchange) -> web.StreamResponse:
    if exchange.core.toggles.module_error == "500":
        return plain(500, "The session module could not be reached.")
    return await turn_away(exchange)
