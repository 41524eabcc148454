"""Where harmless requests wait while no Qlik node can be reached: a saved virtual proxy takes QPS away for 5 to 30 s.

One look-out tries for all who wait, so that a crowd does not fall upon a proxy service that is only starting.
"""

import asyncio
from collections.abc import Awaitable, Callable

MOST_WAITING = 1000
LOOK_EVERY = 0.5
"""Seconds between two tries."""


class WaitingRoom:
    """`reached` tries to reach a node. Nothing runs while nobody waits."""

    def __init__(self, reached: Callable[[], Awaitable[bool]]) -> None:
        self._reached = reached
        self._back = asyncio.Event()
        self._lookout: asyncio.Task[None] | None = None
        self.waiting = 0

    async def wait(self, seconds: float) -> bool:
        """Whether a node is there again; False when none came in that time, or when too many wait already."""
        if self.waiting >= MOST_WAITING:
            return False
        self.waiting += 1
        if self._lookout is None:
            self._lookout = asyncio.get_running_loop().create_task(self._look(self._back))
        try:
            async with asyncio.timeout(seconds):
                await self._back.wait()
        except TimeoutError:
            return False
        finally:
            self.waiting -= 1
            if not self.waiting:
                self.close()
        return True

    async def _look(self, back: asyncio.Event) -> None:
        reached = False
        while not reached:
            await asyncio.sleep(LOOK_EVERY)
            reached = await self._reached()
        self._back, self._lookout = asyncio.Event(), None
        back.set()

    def close(self) -> None:
        if self._lookout is not None:
            self._lookout.cancel()
            self._lookout = None
