"""One request on its way through the node, and the answers in Qlik's dress.

Every answer of the main listeners is made here, so that each carries Qlik's Server header, the virtual proxy's
additional headers and, when the request opened a session, its cookie. What to answer is decided elsewhere.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiohttp import HttpVersion11, web

from qproxy.qliksim import routes
from qproxy.qliksim.core import Core
from qproxy.qliksim.recorded import Entry
from qproxy.qliksim.state import SimSession, VirtualProxyState

SERVER = "Microsoft-HTTPAPI/2.0"
HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
HEADER_PAGE_BYTES = 88_000
Headers = Iterable[tuple[str, str]]


def plain(status: int, body: bytes | str = b"", content_type: str = TEXT, headers: Headers = ()) -> web.Response:
    """An answer outside of any virtual proxy."""
    content = body.encode() if isinstance(body, str) else body
    response = web.Response(status=status, body=content)
    response.headers["Server"] = SERVER
    if content:
        response.headers["Content-Type"] = content_type
    for name, value in headers:
        response.headers.add(name, value)
    return response


def bad_header_page(status: int = 400) -> web.Response:
    """What Qlik shows for an unknown prefix or host: a large page, whatever the client asked for."""
    page = "<!doctype html><html><head><title>Error</title></head><body><h1>Error 400</h1>"
    page += "<p>The http request header is incorrect</p></body></html>"
    return plain(status, page.ljust(HEADER_PAGE_BYTES), HTML)


@dataclass
class Exchange:
    """A request that reached a virtual proxy. `session` is set once somebody is identified."""

    core: Core
    vp: VirtualProxyState
    place: routes.Place
    request: web.BaseRequest
    secure: bool
    entry: Entry
    session: SimSession | None = None
    new_session: bool = False

    @property
    def scheme(self) -> str:
        return "https" if self.secure else "http"

    @property
    def root(self) -> str:
        """The virtual proxy's address as the browser wrote it, with a slash at its end."""
        prefix = self.vp.settings.prefix
        return f"{self.scheme}://{self.request.host}/{prefix}/" if prefix else f"{self.scheme}://{self.request.host}/"

    @property
    def cookie_name(self) -> str:
        suffix = "-HTTP" if not self.secure and self.core.toggles.http_cookie_suffix else ""
        return self.vp.settings.cookie_name + suffix

    def cookie(self) -> str | None:
        """The session id that the browser sent."""
        for line in self.request.headers.getall("Cookie", []):
            for pair in line.split(";"):
                name, _, value = pair.strip().partition("=")
                if name == self.cookie_name and value:
                    return value
        return None

    def header_lines(self) -> list[tuple[str, str]]:
        """What each answer of this exchange carries."""
        lines = [("Server", SERVER), *self.vp.settings.extra_headers]
        if self.new_session and self.session is not None:
            lines.append(("Set-Cookie", self._set_cookie(self.session.id)))
        return lines

    def _set_cookie(self, session_id: str) -> str:
        settings = self.vp.settings
        parts = [f"{self.cookie_name}={session_id}", "Path=/", "HttpOnly"]
        parts += ["Secure"] if self.secure and settings.secure else []
        parts += [f"SameSite={settings.samesite}"] if settings.samesite else []
        parts += [f"Domain={settings.cookie_domain}"] if settings.cookie_domain else []
        return "; ".join(parts)

    def answer(
        self, status: int = 200, body: bytes | str = b"", content_type: str = HTML, headers: Headers = ()
    ) -> web.Response:
        response = plain(status, body, content_type)
        del response.headers["Server"]
        for name, value in (*self.header_lines(), *headers):
            response.headers.add(name, value)
        return response

    def json(self, content: Any, status: int = 200) -> web.Response:
        return self.answer(status, json.dumps(content), JSON)

    async def stream(self, status: int, headers: Headers, length: int | None = None) -> web.StreamResponse:
        """Start an answer whose body follows; without a length it is chunked."""
        response = web.StreamResponse(status=status)
        for name, value in (*self.header_lines(), *headers):
            response.headers.add(name, value)
        response.content_length = length
        if length is None and self.request.version >= HttpVersion11:
            response.enable_chunked_encoding()
        await response.prepare(self.request)
        return response

    async def invite_body(self) -> None:
        """Say 100 Continue to a client that waits for it."""
        if self.request.headers.get("Expect", "").lower() == "100-continue":
            await self.request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.request.writer.output_size = 0

    def xrfkey_fits(self) -> bool:
        """A key in the query must be repeated in the header."""
        key = routes.argument(self.place.query, "xrfkey")
        return key is None or key == self.request.headers.get("X-Qlik-Xrfkey")
