"""Identity providers are asked again whether a login still stands: in the background, and only for sessions in use.

No request waits for it. Of all workers one asks about a session (`Notes.once`). A provider's no ends the session; one
that cannot be asked is put up with for the method's grace, then the sessions that are due end (decision 0022). Must not
know how a method asks.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from qproxy.auth.method import Method, Unavailable
from qproxy.model import End, Session, Tie, long_hash
from qproxy.notes import Notes
from qproxy.sessions.front import Sessions
from qproxy.sessions.store import StoreUnavailable

log = logging.getLogger("qproxy.rechecks")

PATIENCE: Final = 15.0
"""Seconds that one question may take."""
ALONE: Final = 20.0
"""Seconds for which nobody else asks about the same session: who asks may die over it, and has given up by then."""
PAUSE: Final = 5.0
"""Seconds until a session is looked at again that another worker asks about, or that the store did not take."""
RETRY: Final = 30.0
"""Seconds between two questions to a provider that cannot be asked."""
LEAST: Final = 30.0
"""Seconds between two questions about one session, whatever the method wants."""
AT_ONCE: Final = 8
"""Questions at the same time: after a night without people all sessions are due in one morning."""

UNREACHABLE = (
    "%s: %s cannot be asked whether logins still stand: %s. Sessions that are due go on for %g s more; see to it"
    " that the provider can be reached from here"
)
OVER = "%s: %s could not be asked for %g s whether logins still stand: the sessions that are due end now"


@dataclass(frozen=True, slots=True)
class Around:
    """What the questions of one virtual proxy need of it. `count(method, outcome)` counts them."""

    vp: str
    sessions: Sessions
    notes: Notes
    clock: Callable[[], float]
    end: Callable[[str, End], Awaitable[None]]
    count: Callable[[str, str], None]


@dataclass(slots=True)
class Trouble:
    """A provider that cannot be asked: since when, and when it is tried again."""

    since: float
    again: float
    told: bool = False


class Rechecks:
    def __init__(self, around: Around, methods: Mapping[str, Method]) -> None:
        self._around = around
        self._methods = methods
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._later: dict[str, float] = {}
        self._unkept: dict[str, tuple[Session, Tie]] = {}
        self._troubles: dict[str, Trouble] = {}

    @property
    def busy(self) -> bool:
        """Whether a question is under way."""
        return bool(self._tasks)

    def look(self) -> None:
        """Starts to ask about sessions that are due. Never waits."""
        now = self._around.clock()
        due = {session.id: session for session in self._around.sessions.due(self._around.vp)}
        self._later = {one: at for one, at in self._later.items() if one in due and now < at}
        self._unkept = {one: kept for one, kept in self._unkept.items() if one in due}
        for session in [due[one] for one in due if one not in self._tasks and one not in self._later]:
            if len(self._tasks) >= AT_ONCE:
                return
            work = self._work(session, now)
            if work is not None:
                self._start(session, work)

    def _start(self, session: Session, work: Coroutine[Any, Any, None]) -> None:
        def done(_: asyncio.Task[None]) -> None:
            del self._tasks[session.id]

        task = self._tasks[session.id] = asyncio.get_running_loop().create_task(self._logged(session, work))
        task.add_done_callback(done)

    async def close(self) -> None:
        """What is under way is given up: a token that was just renewed may be lost, and the person logs in again."""
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=ALONE - PATIENCE)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _work(self, session: Session, now: float) -> Coroutine[Any, Any, None] | None:
        """A provider that cannot be asked is tried with one session at a time; None: this one has to wait."""
        if session.id in self._unkept:
            return self._keep(*self._unkept[session.id])
        method, trouble = self._methods.get(session.method), self._troubles.get(session.method)
        if method is None:
            return self._end(session, "unavailable")
        if trouble is not None and now < trouble.again:
            return self._end_if_due(session) if now - trouble.since > method.grace else None
        if trouble is not None:
            trouble.again = now + RETRY
        return self._ask(session, method)

    async def _logged(self, session: Session, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - nobody waits for this task: the log is where it must be told
            why = str(error) if isinstance(error, StoreUnavailable) else type(error).__name__
            log.error("%s: whether session %s stands was not found out: %s", self._around.vp, session.short, why)
            self._later[session.id] = self._around.clock() + PAUSE

    async def _latest(self, session: Session) -> Session | None:
        """As the store has it, if it is due there too. Raises StoreUnavailable."""
        kept = await self._around.sessions.link(session, "")
        return kept if kept is not None and 0 < kept.tie.check_at <= self._around.clock() else None

    async def _end_if_due(self, session: Session) -> None:
        if await self._latest(session) is not None:
            await self._end(session, "unavailable")

    async def _ask(self, session: Session, method: Method) -> None:
        around = self._around
        kept = await self._latest(session)
        if kept is None:
            return
        now = around.clock()
        if await around.notes.once(f"recheck {long_hash(kept.id)} {kept.tie.check_at!r}", now + ALONE):
            await self._answered(kept, method)
        else:
            self._later[session.id] = now + PAUSE

    async def _answered(self, session: Session, method: Method) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                tie = await method.recheck(session)
        except TimeoutError:
            self._unreachable(session, method, f"no answer within {PATIENCE:g} s")
            return
        except Exception as error:  # noqa: BLE001 - a method that breaks must not keep sessions alive in silence
            why = str(error) if isinstance(error, Unavailable) else f"{type(error).__name__}, an error of qproxy"
            self._unreachable(session, method, why)
            return
        if self._troubles.pop(method.name, None):
            log.info("%s: %s can be asked again whether logins still stand", self._around.vp, method.name)
        if tie is None:
            await self._end(session, "ended")
        else:
            self._around.count(method.name, "kept")
            await self._keep(session, tie)

    async def _keep(self, session: Session, tie: Tie) -> None:
        """At once, as a refresh token that was used is worth nothing any more; else tried again instead of asking."""
        soonest = self._around.clock() + LEAST
        new = replace(tie, check_at=max(tie.check_at, soonest)) if tie.check_at else tie
        self._unkept[session.id] = session, new
        await self._around.sessions.retie(session, new)
        self._unkept.pop(session.id, None)

    async def _end(self, session: Session, outcome: str) -> None:
        self._around.count(session.method, outcome)
        await self._around.end(session.id, End.PROVIDER)

    def _unreachable(self, session: Session, method: Method, why: str) -> None:
        around, name = self._around, method.name
        now = around.clock()
        around.count(name, "unavailable")
        self._later[session.id] = now + PAUSE
        trouble = self._troubles.get(name)
        if trouble is None or now - trouble.again > RETRY:  # an old one: there was nobody to ask about since
            trouble = self._troubles[name] = Trouble(now, now)
            log.warning(UNREACHABLE, around.vp, name, why, method.grace)
        trouble.again = now + RETRY
        if not trouble.told and now - trouble.since > method.grace:
            trouble.told = True
            log.error(OVER, around.vp, name, now - trouble.since)
