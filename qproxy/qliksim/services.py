"""The JSON services behind a hub and its apps, as far as clients ask for them when they start.

Shapes only: enough that Qlik's clients find what they look for. The repository keeps nothing it is given.
"""

from typing import Any

from aiohttp import web

from qproxy.qliksim.exchange import Exchange
from qproxy.qliksim.personal import XSRF_TEXT
from qproxy.qliksim.transfers import digest

VERSION = "14.212.0"
PRODUCT: dict[str, Any] = {
    "composition": {
        "contentHash": "stand-in",
        "senseId": f"qliksenseserver:{VERSION}",
        "releaseLabel": "Stand-in",
        "deploymentType": "QlikSenseServer",
        "version": VERSION,
    }
}
PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 40" width="64" height="40" fill="#0a6c74">'
    '<rect x="8" y="20" width="10" height="14"/><rect x="27" y="8" width="10" height="26"/>'
    '<rect x="46" y="14" width="10" height="20"/></svg>'
)


async def api(exchange: Exchange) -> web.StreamResponse:
    if not exchange.xrfkey_fits():
        return exchange.answer(403, XSRF_TEXT)
    path = exchange.place.rest.lower()
    if path == "api/about/v1/language":
        return exchange.json({"language": "en-US"})
    if path == "api/capability/v1/list":
        return exchange.json({"items": [], "release": exchange.core.config.release})
    if path.startswith("api/hub/v1/apps"):
        return exchange.json({"data": [_app(app.id, app.title) for app in exchange.core.config.apps]})
    if path == "api/hub/v1/user/info" and exchange.session is not None:
        return exchange.json({"data": {"userDirectory": exchange.session.directory, "userId": exchange.session.user}})
    return exchange.json({"data": [], "path": exchange.place.rest})


def _app(app_id: str, title: str) -> dict[str, Any]:
    return {"id": app_id, "type": "App", "attributes": {"name": title, "published": True}}


async def repository(exchange: Exchange) -> web.StreamResponse:
    """`qrs/about` and its like; uploads are measured and thrown away."""
    if not exchange.xrfkey_fits():
        return exchange.answer(403, XSRF_TEXT)
    path = exchange.place.rest.lower().rstrip("/")
    if path == "qrs/app/upload" and exchange.request.method in ("POST", "PUT"):
        return exchange.json(await digest(exchange), 201)
    if path == "qrs/about":
        return exchange.json({"buildVersion": VERSION, "nodeType": 1, "schemaPath": "About"})
    if path == "qrs/app":
        return exchange.json([{"id": app.id, "name": app.title} for app in exchange.core.config.apps])
    return exchange.json({"path": exchange.place.rest})


async def extensions(exchange: Exchange) -> web.StreamResponse:
    if exchange.place.rest.lower() == "extensions/schema":
        return exchange.json({})
    return exchange.answer(200, "define([], function () { return {}; });", "text/javascript")


async def picture(exchange: Exchange) -> web.StreamResponse:
    return exchange.answer(200, PICTURE, "image/svg+xml", [("Cache-Control", "private, max-age=3600")])
