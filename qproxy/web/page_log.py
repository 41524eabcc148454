"""The access line of qproxy's own pages, and who asks for them.

The data plane hands a connection over with two header fields that no browser can send (it drops them): the caller's
address and the request's id.
"""

import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from qproxy.observe import AccessRecord, Observer
from qproxy.web.desk import Caller


def identify(request: web.Request) -> Caller:
    return Caller(request.headers.get("X-Qproxy-Client", ""), request.headers.get("X-Qproxy-Request", ""))


def logged(observer: Observer, clock: Callable[[], float]) -> Middleware:
    """The outermost middleware: sees the answer as it goes out."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        started, status, sent = time.perf_counter(), 500, 0
        try:
            response = await handler(request)
            status, sent = response.status, response.content_length or 0
            return response
        finally:
            record = _record(request, status, clock(), time.perf_counter() - started)
            record.sent = sent
            observer.access(record)

    return answer


def _record(request: web.Request, status: int, now: float, duration: float) -> AccessRecord:
    caller = identify(request)
    return AccessRecord(
        time=now - duration,
        request_id=caller.request_id,
        client=caller.address,
        method=request.method,
        host=request.host,
        target=request.raw_path,
        status=status,
        received=request.content_length or 0,
        duration=duration,
        vp=request.match_info.get("vp", "-"),
        agent=request.headers.get("User-Agent", "-"),
    )
