"""What goes round in the background, each in a task of its own: an error ends one round, never the task.

An outage is logged when it begins and when it is over, not at every round.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from qproxy.sessions.store import StoreUnavailable

logger = logging.getLogger("qproxy.sessions")


class Rounds:
    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._troubles: dict[str, str] = {}

    @property
    def troubles(self) -> Mapping[str, str]:
        """What each round that fails at the moment says about it."""
        return self._troubles

    def start(self, name: str, go: Callable[[], Awaitable[None]], every: float) -> None:
        self._tasks.append(asyncio.create_task(self._forever(name, go, every), name=f"sessions: {name}"))

    async def stop(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._troubles.clear()

    async def attempt(self, name: str, go: Callable[[], Awaitable[None]]) -> None:
        try:
            await go()
        except StoreUnavailable as error:
            self._failed(name, str(error))
        except Exception:
            logger.exception("sessions: the round %r failed; it is tried again", name)
            self._troubles[name] = "unexpected error, see the log"
        else:
            if self._troubles.pop(name, None) is not None:
                logger.warning("sessions: the round %r works again", name)

    async def _forever(self, name: str, go: Callable[[], Awaitable[None]], every: float) -> None:
        while True:
            await self.attempt(name, go)
            await asyncio.sleep(every)

    def _failed(self, name: str, text: str) -> None:
        if name not in self._troubles:
            logger.warning("sessions: the round %r failed and is tried again: %s", name, text)
        self._troubles[name] = text
