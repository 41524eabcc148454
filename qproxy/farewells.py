"""QPS is told of sessions that ended here, in the background: nobody waits for it, and nobody is let in by its silence.

Must not end anything here: what it is told of is over already.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from qproxy.model import End, Session
from qproxy.qps import PAUSES, QpsApi, QpsError, counted, repeated

log = logging.getLogger("qproxy.modes")

AT_ONCE = 8
"""Calls at the same time: thousands of sessions may end in one sweep."""
PATIENCE = 5.0
"""Seconds in which, at the end of qproxy, QPS may still be told."""

_TOLD_BY_QLIK = frozenset({End.QLIK, End.HUB_LOGOUT})
_OURS_ONLY = frozenset({End.IDLE, End.ABSOLUTE, End.REPLACED})
"""Why a session that QPS made is let go here, without being over there."""


class Farewells:
    """To each of `apis`; `pauses` between attempts. `count(call, outcome)` counts the calls."""

    def __init__(self, vp: str, apis: Sequence[QpsApi], count: Callable[[str, str], None]) -> None:
        self.pauses: Sequence[float] = PAUSES
        self._vp = vp
        self._apis = apis
        self._count = count
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(AT_ONCE)

    def tell(self, session: Session, why: End) -> None:
        """Unless QPS ended it itself, or it is QPS's own and only forgotten here."""
        if why not in _TOLD_BY_QLIK and not (session.by_qlik and why in _OURS_ONLY):
            self.end(session.for_qlik, session.short)

    def end(self, qlik_id: str, short: str) -> None:
        """What QPS knows under that id is over; `short` is for the log."""
        for api in self._apis:
            self._spawn(self._end_on(api, qlik_id, short))

    async def _end_on(self, api: QpsApi, qlik_id: str, short: str) -> None:
        try:
            await repeated(lambda: self._end_in_turn(api, qlik_id), self.pauses)
        except QpsError as error:
            log.error("%s: Qlik was not told that session %s ended: %s", self._vp, short, error)

    async def _end_in_turn(self, api: QpsApi, qlik_id: str) -> None:
        async with self._turn:
            await counted(self._count, "end_session", api.end_session(qlik_id))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Waits for what is under way, but not long."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=PATIENCE)
        for task in late:
            task.cancel()
        if late:
            log.error("%s: stopping; %d times a node was not told that a session ended", self._vp, len(late))
            await asyncio.gather(*late, return_exceptions=True)
