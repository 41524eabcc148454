"""What is written down of finished requests: a moment later, and many at once.

Writing a hundred lines in one go costs less than half of writing one after each request, because the request's own work
is not interrupted by other code. Nothing waits longer than WITHIN seconds, and nothing is lost at a stop (`flush`).
"""

import asyncio
from collections.abc import Callable
from typing import Final

from qproxy.observe import Observer
from qproxy.records import Record

BATCH: Final = 128
WITHIN: Final = 0.05


class Ledger:
    """`finished` is on the road of every request; `flush` before the numbers are read, and at the end."""

    def __init__(self, observer: Observer, clock: Callable[[], float]) -> None:
        self._observer = observer
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._pending: list[Record] = []
        self._timer: asyncio.TimerHandle | None = None

    def finished(self, record: Record) -> None:
        record.time = self._clock()
        pending = self._pending
        pending.append(record)
        if len(pending) >= BATCH:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(WITHIN, self.flush)

    def flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pending, self._pending = self._pending, []
        if pending:
            self._observer.access(*pending)
