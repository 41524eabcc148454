"""Bodies of every kind for tests of a proxy: big, slow, chunked, compressed, ranged, cached, echoed.

Memory stays flat whatever the size: bodies are made and consumed block by block, at the speed of the peer.
"""

import asyncio
import gzip
import hashlib
import re
from collections.abc import AsyncIterator

from aiohttp import web

from qproxy.qliksim import routes
from qproxy.qliksim.exchange import JSON, Exchange

BLOCK = bytes(range(256)) * 256
RANGED = BLOCK + b"the end"
GZIPPED = gzip.compress(b'{"compressed": true, "padding": "' + b"x" * 5000 + b'"}', mtime=0)
ETAG = '"v1"'
LAST_MODIFIED = "Sun, 01 Nov 2026 00:00:00 GMT"
OCTETS = "application/octet-stream"


async def download(exchange: Exchange) -> web.StreamResponse:
    """`tempcontent/big?bytes=N&first_byte_ms=M&chunked=0|1`, `tempcontent/range`."""
    page = exchange.place.rest.split("/", 1)[-1]
    if page == "range":
        return await _ranged(exchange)
    if page == "big":
        return await _big(exchange)
    return exchange.answer(404, "Not found")


async def _big(exchange: Exchange) -> web.StreamResponse:
    query = exchange.place.query
    size, is_chunked = routes.number(query, "bytes"), routes.number(query, "chunked") == 1
    await asyncio.sleep(routes.number(query, "first_byte_ms") / 1000)
    response = await exchange.stream(200, [("Content-Type", OCTETS)], None if is_chunked else size)
    if exchange.request.method != "HEAD":
        for sent in range(0, size, len(BLOCK)):
            await response.write(BLOCK[: min(len(BLOCK), size - sent)])
    await response.write_eof()
    return response


async def _ranged(exchange: Exchange) -> web.StreamResponse:
    """A file of 65,543 bytes that can be had in parts (RFC 9110 section 14)."""
    headers = [("Accept-Ranges", "bytes"), ("ETag", ETAG)]
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", exchange.request.headers.get("Range", ""))
    if asked is None:
        return exchange.answer(200, RANGED, OCTETS, headers)
    first, last, total = asked[1], asked[2], len(RANGED)
    start = int(first) if first else total - int(last or 0)
    end = min(int(last), total - 1) if first and last else total - 1
    if not 0 <= start <= end:
        return exchange.answer(416, headers=[("Content-Range", f"bytes */{total}")])
    headers.append(("Content-Range", f"bytes {start}-{end}/{total}"))
    return exchange.answer(206, RANGED[start : end + 1], OCTETS, headers)


async def cached(exchange: Exchange) -> web.StreamResponse:
    headers = [("ETag", ETAG), ("Last-Modified", LAST_MODIFIED), ("Cache-Control", "private, max-age=0")]
    sent = exchange.request.headers
    if sent.get("If-None-Match") == ETAG or sent.get("If-Modified-Since") == LAST_MODIFIED:
        return exchange.answer(304, headers=headers)
    return exchange.answer(200, "cached once", "text/plain", headers)


async def gzipped(exchange: Exchange) -> web.StreamResponse:
    """Always compressed, the same bytes each time."""
    return exchange.answer(200, GZIPPED, JSON, [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")])


async def chunked(exchange: Exchange) -> web.StreamResponse:
    """`chunked?count=N&bytes=M`: N chunks of M bytes."""
    count, size = routes.number(exchange.place.query, "count", 10), routes.number(exchange.place.query, "bytes", 100)
    response = await exchange.stream(200, [("Content-Type", OCTETS)])
    for _ in range(count):
        await response.write(BLOCK[:size])
    await response.write_eof()
    return response


async def status(exchange: Exchange) -> web.StreamResponse:
    """`status/{code}`: that status, with a body where one is allowed."""
    code = int(exchange.place.rest.split("/", 1)[1])
    return exchange.answer(code, "" if code in (204, 304) else f"status {code}", "text/plain")


async def cookies(exchange: Exchange) -> web.StreamResponse:
    """`cookies?n=N`: N Set-Cookie lines of their own."""
    count = routes.number(exchange.place.query, "n", 10)
    lines = [
        ("Set-Cookie", f"cookie{at}=value{at}; Path=/; Expires=Wed, 01 Dec 2027 00:00:00 GMT") for at in range(count)
    ]
    return exchange.answer(200, f"{count} cookies", "text/plain", lines)


async def early_hints(exchange: Exchange) -> web.StreamResponse:
    """103 before the answer."""
    await exchange.request.writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </resources/sim.css>; rel=preload\r\n\r\n")
    exchange.request.writer.output_size = 0
    return exchange.answer(200, "hinted", "text/plain")


async def echo(exchange: Exchange) -> web.StreamResponse:
    """What arrived: method, raw target, headers in order, and the body's size and SHA-256."""
    entry = exchange.entry
    facts = {"method": entry.method, "target": exchange.request.raw_path, "headers": entry.headers}
    return exchange.json({**facts, **await digest(exchange)})


async def digest(exchange: Exchange) -> dict[str, int | str]:
    """Read the body away and tell its size and hash."""
    found, size = hashlib.sha256(), 0
    async for block in body_of(exchange):
        found.update(block)
        size += len(block)
    exchange.entry.note = f"body of {size} bytes"
    return {"body_bytes": size, "body_sha256": found.hexdigest()}


async def body_of(exchange: Exchange) -> AsyncIterator[bytes]:
    await exchange.invite_body()
    async for block in exchange.request.content.iter_any():
        yield block
