"""The node's levers as JSON over HTTP, for the demo and for tests that run in another process.

`POST /{lever}` with a JSON object of its arguments; the answer is what the lever returns. It listens on the
loopback address only and asks for no password. The content type keeps the pages of other sites out: browsers
send it across sites only after asking.
"""

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from aiohttp import web

Verb = Callable[..., Any]


def handler(verbs: Mapping[str, Verb]) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """The request handler of the control port."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        verb = verbs.get(request.path.strip("/"))
        if verb is None or request.method != "POST":
            return web.json_response({"error": "POST to one of these", "levers": sorted(verbs)}, status=404)
        if request.content_type != "application/json":
            return web.json_response({"error": "Content-Type: application/json is needed"}, status=415)
        try:
            arguments = json.loads(await request.read() or b"{}")
            result = await _called(verb, arguments)
        except (TypeError, ValueError, KeyError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(result)

    return handle


async def _called(verb: Verb, arguments: Any) -> Any:
    """The lever's result as JSON; a lever that starts a task is waited for."""
    result = verb(**arguments)
    if inspect.iscoroutine(result) or isinstance(result, asyncio.Task):
        result = await result
    if isinstance(result, list):
        return [asdict(each) if is_dataclass(each) and not isinstance(each, type) else each for each in result]
    return result
