"""Answers that break off, never come, or break the rules, to see what a proxy makes of them.

`fault/{name}`, listed in `_FAULTS`. The broken ones are written to the transport as bytes, past aiohttp.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from qproxy.qliksim import routes
from qproxy.qliksim.dropping import drop
from qproxy.qliksim.exchange import Exchange, plain

HEAD = b"HTTP/1.1 200 OK\r\nServer: Microsoft-HTTPAPI/2.0\r\nContent-Type: text/plain\r\n"


async def fault(exchange: Exchange) -> web.StreamResponse:
    name = exchange.place.rest.split("/", 1)[-1]
    if name in _RAW:
        return _write_and_close(exchange, _RAW[name])
    handler = _FAULTS.get(name)
    return await handler(exchange) if handler else exchange.answer(404, f"faults: {', '.join([*_RAW, *_FAULTS])}")


def _write_and_close(exchange: Exchange, raw: bytes) -> web.StreamResponse:
    """Bytes as they are, then the connection is closed; the returned answer goes nowhere."""
    if exchange.request.transport is not None:
        exchange.request.transport.write(raw)
    exchange.request.protocol.force_close()
    return plain(200)


async def _reset(exchange: Exchange) -> web.StreamResponse:
    """The connection is gone before the answer."""
    drop(exchange.request.transport)
    exchange.request.protocol.force_close()
    return plain(200)


async def _short(exchange: Exchange) -> web.StreamResponse:
    """`?bytes=N&send=M`: N bytes announced, M sent."""
    query = exchange.place.query
    announced, sent = routes.number(query, "bytes", 1000), routes.number(query, "send", 100)
    return _write_and_close(exchange, HEAD + b"Content-Length: %d\r\n\r\n" % announced + b"x" * sent)


async def _silent(exchange: Exchange) -> web.StreamResponse:
    """No answer until the node stops; a body is not read either."""
    await exchange.core.stopping.wait()
    return await _reset(exchange)


async def _early(exchange: Exchange) -> web.StreamResponse:
    """Answers before the body was read, then closes."""
    response = exchange.answer(413, "too much", "text/plain")
    response.force_close()
    await response.prepare(exchange.request)
    await response.write_eof()
    exchange.request.protocol.force_close()
    return response


async def _hanging(exchange: Exchange) -> web.StreamResponse:
    """Half of an answer, then nothing until the node stops."""
    response = await exchange.stream(200, [("Content-Type", "text/plain")], 1000)
    await response.write(b"x" * 500)
    await exchange.core.stopping.wait()
    return await _reset(exchange)


_RAW = {
    "cut-chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\n" + b"x" * 100 + b"\r\n64\r\nxxx",
    "trailers": HEAD + b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    "no-length": HEAD + b"Connection: close\r\n\r\nuntil the end",
    "both-lengths": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "garbage": b"\x16\x03\x01 this is no HTTP\r\n\r\n",
    "bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    "huge-head": HEAD + b"X-Long: " + b"x" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n",
}
_FAULTS: dict[str, Callable[[Exchange], Awaitable[web.StreamResponse]]] = {
    "reset": _reset,
    "short": _short,
    "silent": _silent,
    "early": _early,
    "hanging": _hanging,
}
