"""Answers of the internal listener in JSON: one object, or many as a stream of one a line.

The last line of a stream says that it is complete, or why not: what may be a million is never in memory, and what was
cut off cannot be taken for the whole. It must not know what it writes.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any, Final

from aiohttp import web

from qproxy.sessions.store import StoreUnavailable
from qproxy.web.session_module import JSON_TYPE

log = logging.getLogger("qproxy.administration")

LINES_TYPE: Final = "application/x-ndjson"
STORE_AWAY: Final = "the store of the sessions cannot be asked at the moment; see the log of qproxy"


async def stream(
    request: web.Request,
    what: str,
    steps: AsyncGenerator[Sequence[Mapping[str, Any]], None],
    finished: Callable[[int, bool], None],
) -> web.StreamResponse:
    """`what` the lines are; `finished` is told how many came, and whether these are all. Begins to answer with the
    first step: a store that is away before is StoreUnavailable."""
    response = web.StreamResponse(headers={"Content-Type": LINES_TYPE, "Cache-Control": "no-store"})
    count = 0
    last: dict[str, Any] = {"error": "interrupted"}
    try:
        async with aclosing(steps):
            async for step in steps:
                count += len(step)
                await _write(request, response, step)
        last = {"complete": True, what: count}
    except ConnectionError:
        return response  # who asked went away; what was done stays done
    except StoreUnavailable as away:
        if not response.prepared:
            raise
        log.error("administration: stopped after %d %s, the store is unavailable: %s", count, what, away)
        last = {"error": STORE_AWAY}
    finally:
        finished(count, "complete" in last)
    with suppress(ConnectionError):
        await _write(request, response, [last])
        await response.write_eof()
    return response


async def _write(request: web.Request, response: web.StreamResponse, lines: Sequence[Mapping[str, Any]]) -> None:
    if not response.prepared:
        await response.prepare(request)
    await response.write(b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines))
    await asyncio.sleep(0)


def refusal(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return answer(status, {"error": text}, headers)


def answer(status: int, value: object, headers: Mapping[str, str] | None = None) -> web.Response:
    wanted = {"Content-Type": JSON_TYPE, "Cache-Control": "no-store", **(headers or {})}
    return web.Response(status=status, body=json.dumps(value).encode(), headers=wanted)
