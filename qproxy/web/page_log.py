"""The access line of qproxy's own pages, and who asks for them.

The data plane hands a connection over with two header fields that no browser can send (it drops them): the caller's
address and the request's id.
"""

import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from qproxy.headers import FieldBlock, RequestHead
from qproxy.observe import Observer
from qproxy.records import Record
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
            record = _record(request, started)
            record.status, record.bytes_out = status, sent
            record.ended, record.time = time.perf_counter(), clock()
            observer.access(record)

    return answer


def _record(request: web.Request, started: float) -> Record:
    caller = identify(request)
    named = {b"host": _raw(request.host), b"user-agent": _raw(request.headers.get("User-Agent", "-"))}
    head = RequestHead(_raw(request.method), _raw(request.raw_path), FieldBlock(1, b"", named))
    record = Record(caller.address, started, head, caller.request_id, vp=request.match_info.get("vp", ""))
    record.bytes_in = request.content_length or 0
    return record


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
