"""What holds for every answer under /qproxy/: one failure page for whatever goes wrong, no banner, and the connection
ends, so that the next request on it is looked at afresh by the data plane.

It must not show or log what a request or an exception carried along.
"""

import asyncio
import logging
import secrets
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict

from qproxy.errors import Failure, Refused
from qproxy.sessions.store import StoreUnavailable
from qproxy.web.desk import Caller
from qproxy.web.look import LOOK, PLAIN, Looks
from qproxy.web.pages import Headers, failure_page

log = logging.getLogger("qproxy.web")

Identify = Callable[[web.Request], Caller]
CALLER: Final = web.RequestKey("caller", Caller)

PROTOCOL: Final[Mapping[str, Any]] = {
    "max_line_size": 32768,
    "max_field_size": 32768,
    "max_headers": 1000,
    "auto_decompress": False,
    "lingering_time": 1.0,
    "access_log": None,
}
"""What the data plane let through must not be refused by aiohttp; bodies stay as they came, since a broken one that
nobody asked for is logged with a traceback; access lines are written by the data plane."""


class OwnPagesProtocol(web.RequestHandler):
    """What takes over a connection at the door: aiohttp's protocol without its error page, which repeats the bytes that
    it did not like, and without its log records, which hold them too.
    """

    def __init__(self, server: web.Server, looks: Looks = PLAIN) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **PROTOCOL)
        self._looks = looks

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        request_id = secrets.token_hex(8)
        failure = Failure.BAD_REQUEST if 400 <= status < 500 else Failure.INTERNAL
        log.info("request %s refused: aiohttp says %d, %s", request_id, status, type(exc).__name__)
        headers, body = failure_page(self._looks.of("", ""), failure, request_id, html=True)
        response = WithoutBanner(status=failure.status, headers=CIMultiDict(headers), body=body)
        response.force_close()
        return response

    def log_exception(self, *_: Any, **__: Any) -> None:
        """Its text may hold what was sent; our own record is made where the answer is."""


class WithoutBanner(web.Response):
    """For errors before there is an application: no signal is sent for those."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)


def anyone(request: web.Request) -> Caller:
    """The connection's other end, and a request id of our own."""
    return Caller(request.remote or "", secrets.token_hex(8))


def accepted(request: web.Request) -> str:
    """The languages that the browser asks for, one line."""
    return ", ".join(request.headers.getall("Accept-Language", ()))


def page(status: int, rendered: tuple[Headers, bytes]) -> web.Response:
    headers, body = rendered
    return web.Response(status=status, headers=CIMultiDict(headers), body=body)


def see_other(location: str) -> web.Response:
    """303, with no referrer for what comes next: the login URL is long, and QPS takes 8 KB a line."""
    headers = {"Location": location, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return web.Response(status=303, headers=headers)


def failure_pages(identify: Identify, looks: Looks = PLAIN) -> Middleware:
    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        caller = request[CALLER] = identify(request)
        request[LOOK] = looks.of(request.match_info.get("vp", ""), accepted(request))
        try:
            response = await handler(request)
        except Refused as refused:
            log.info("request %s refused: %s", caller.request_id, refused)
            response = _failed(request, refused.failure)
        except StoreUnavailable as error:
            log.error("request %s refused, the session store is unavailable: %s", caller.request_id, error)
            response = _failed(request, Failure.STORE_UNAVAILABLE)
        except ConnectionError:
            log.info("request %s: the browser went away", caller.request_id)
            response = _failed(request, Failure.BROWSER_GONE)
        except Exception as error:  # noqa: BLE001 - the last resort: aiohttp would show and log what we must not
            log.error("request %s failed: %s", caller.request_id, _where(error))
            response = _failed(request, Failure.INTERNAL)
        response.force_close()
        return response

    return answer


async def without_banner(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall("Server", None)


async def ignore_expect(request: web.Request) -> None:
    """aiohttp would answer an unknown expectation with a page of its own; RFC 9110 10.1.1 lets us ignore it."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def _failed(request: web.Request, failure: Failure) -> web.Response:
    accepts = request.headers.get("Accept", "")
    html = "text/html" in accepts or "json" not in accepts
    response = page(failure.status, failure_page(request[LOOK], failure, request[CALLER].request_id, html=html))
    if failure is Failure.METHOD_REFUSED:
        response.headers["Allow"] = "GET, HEAD, POST"
    return response


def _where(error: BaseException) -> str:
    """The kind of error and the lines it came through; never its text, which may hold what somebody typed."""
    steps = [
        f"{frame.filename.rpartition('qproxy')[2]}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return f"{type(error).__name__} at {' > '.join(steps[-6:])}"
