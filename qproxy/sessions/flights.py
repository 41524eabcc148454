"""Reads of the store that are on their way: one for each session, however many wait for it.

When QPS restarts, thousands of requests ask for the same session at once. A read that was overtaken by the end of its
session is void: its result must not be kept.
"""

import asyncio
from collections.abc import Callable, Coroutine

from qproxy.model import Session

Read = Callable[[], Coroutine[None, None, Session | None]]


class Flights:
    def __init__(self) -> None:
        self._tasks: dict[bytes, asyncio.Task[Session | None]] = {}

    async def join(self, key: bytes, read: Read) -> Session | None:
        """The result of the read under way, or of a new one; who stops waiting does not stop it for the others."""
        if (task := self._tasks.get(key)) is None:
            task = self._tasks[key] = asyncio.create_task(read())
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    def void(self, key: bytes) -> None:
        """Disowns the read under way: it will find `current` false, and later callers start a new one."""
        self._tasks.pop(key, None)

    def current(self, key: bytes) -> bool:
        """Whether the running task is the read under way for that key."""
        return self._tasks.get(key) is asyncio.current_task()

    def _landed(self, key: bytes, task: asyncio.Task[Session | None]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        if not task.cancelled():
            task.exception()  # seen here, lest asyncio reports it as lost when nobody waits any more
