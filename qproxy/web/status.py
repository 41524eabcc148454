"""Is it up, can it serve, and its numbers: `/livez`, `/readyz` and `/metrics` of the internal listener.

Only reads; no request here changes anything. What is checked is handed in, so that nothing here knows stores or pools.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from aiohttp import web

from qproxy.observe.metrics import CONTENT_TYPE

log = logging.getLogger("qproxy.status")

Check = Callable[[], Awaitable[str | None]]
"""Why qproxy cannot serve, in a sentence without secrets, or None while it can."""
CHECK_WITHIN = 2.0


class Numbers(Protocol):
    def text(self) -> bytes:
        """The exposition, of content type CONTENT_TYPE."""
        ...


class Status:
    """`checks` by name ("draining", "store", "upstream sales", "certificate"); looked at on each call."""

    def __init__(self, metrics: Numbers, checks: Mapping[str, Check], within: float = CHECK_WITHIN) -> None:
        self._metrics = metrics
        self._checks = checks
        self._within = within

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/livez", self.livez)
        app.router.add_get("/readyz", self.readyz)
        app.router.add_get("/metrics", self.metrics)

    async def livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(self, _: web.Request) -> web.Response:
        """200, or 503 with the reasons: {"ready": false, "reasons": [{"check": ..., "reason": ...}]}."""
        reasons = await self.reasons()
        body = {"ready": not reasons, "reasons": [{"check": name, "reason": text} for name, text in reasons.items()]}
        headers = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
        return web.Response(status=503 if reasons else 200, body=json.dumps(body).encode(), headers=headers)

    async def metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def reasons(self) -> dict[str, str]:
        """Why it is not ready, by check; all checks run at once, each bounded in time."""
        names = list(self._checks)
        results = await asyncio.gather(*(self._ask(self._checks[name]) for name in names), return_exceptions=True)
        return {name: self._sentence(name, result) for name, result in zip(names, results, strict=True) if result}

    async def _ask(self, check: Check) -> str | None:
        async with asyncio.timeout(self._within):
            return await check()

    def _sentence(self, name: str, result: str | BaseException | None) -> str:
        if isinstance(result, TimeoutError):
            return f"no answer within {self._within:g} s"
        if isinstance(result, BaseException):
            log.warning("the readiness check %s failed: %r", name, result)
            return "the check itself failed; see the log"
        return result or ""
