"""The live sockets of a virtual proxy, by session: who is told when a session ends, and whose browser has just spoken.

Ends sockets, never sessions: it says which sessions look over, and `virtual_proxy` ends them. Nothing here reads what a
socket carries.
"""

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from qproxy import notices
from qproxy.errors import Failure
from qproxy.forwarding.tunnel import Tunnel
from qproxy.minutes import Minute
from qproxy.model import End
from qproxy.records import Record
from qproxy.sessions.front import Sessions
from qproxy.sessions.store import StoreUnavailable

log = logging.getLogger("qproxy.session_tunnels")

GOING_AWAY: Final = 1001
SESSION_LIMIT: Final = (
    "%s: Qlik closed a socket of session %s with OnMaxParallelSessionsExceeded: %s has more sessions than it allows one"
    " person on a virtual proxy (five). Sessions that ended here count there until Qlik is told of it or its own"
    " inactivity timeout is over. Check lifetime.most_sessions (5 or less), what else logs this person in, and whether"
    " the person has a licence: Qlik may say the same without one."
)


@dataclass(frozen=True, slots=True)
class Around:
    """What the sockets of one virtual proxy need of it. `grain`: seconds in which messages of one session count as
    one sign of life. `spawn` runs work that nobody waits for."""

    vp: str
    sessions: Sessions
    clock: Callable[[], float]
    grain: float
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    count_opened: Callable[[str], None]


class SessionTunnels:
    """The live sockets of one session (or, under the id "", of anonymous visitors). Satisfies TunnelOwner.

    Several may be made for one session, by upgrades that wait for QPS at the same time: the first one to be opened
    then holds the sockets of all.
    """

    __slots__ = ("_all", "_around", "_heard_at", "session_id", "tunnels")

    def __init__(self, everything: "Tunnels", session_id: str) -> None:
        self._all = everything
        self._around = everything.around
        self._heard_at = 0.0
        self.session_id = session_id
        self.tunnels: set[Tunnel] = set()

    def opened(self, tunnel: Tunnel) -> None:
        self._all.opened(self, tunnel)

    def closed(self, tunnel: Tunnel) -> None:
        self._all.closed(self.session_id, tunnel)
        if tunnel.record.failure is Failure.SESSION_LIMIT:
            self._all.refused(tunnel.record)

    def heard(self) -> None:
        """The browser has sent a message: a sign of life, as a request is. An open silent socket is none."""
        now = self._around.clock()
        if not 0.0 <= now - self._heard_at < self._around.grain:
            self._heard_at = now
            if self.session_id:
                self._around.sessions.touch(self._around.vp, self.session_id)


class Tunnels:
    """All live sockets of one virtual proxy on this worker."""

    def __init__(self, around: Around) -> None:
        self.around = around
        self._by_session: dict[str, SessionTunnels] = {}
        self._refusals = Minute()

    def of(self, session_id: str) -> SessionTunnels:
        return self._by_session.get(session_id) or SessionTunnels(self, session_id)

    def opened(self, owner: SessionTunnels, tunnel: Tunnel) -> None:
        """The session may have ended while QPS was asked for the socket."""
        session_id, around = owner.session_id, self.around
        self._by_session.setdefault(session_id, owner).tunnels.add(tunnel)
        around.count_opened(around.vp)
        if session_id and around.sessions.peek(around.vp, session_id) is None:
            around.spawn(self._end_if_over(session_id, tunnel))

    def closed(self, session_id: str, tunnel: Tunnel) -> None:
        held = self._by_session.get(session_id)
        if held is not None:
            held.tunnels.discard(tunnel)
            if not held.tunnels:
                del self._by_session[session_id]

    def refused(self, record: Record) -> None:
        """QPS allows no further session of a person: once a minute the log says what to do about it."""
        if self._refusals.add(self.around.clock()) == 1:
            log.warning(SESSION_LIMIT, self.around.vp, record.session, record.user or "an anonymous visitor")

    async def _end_if_over(self, session_id: str, tunnel: Tunnel) -> None:
        """What `peek` does not know may be over, or merely not sure here: only the store can tell."""
        try:
            living = await self.around.sessions.find(self.around.vp, session_id) is not None
        except StoreUnavailable:
            living = False
        if not living:
            self._say_goodbye(tunnel, End.LOGOUT)

    def end(self, session_id: str, why: End) -> int:
        """Tell all sockets of a session in Qlik's words and close them; how many there were."""
        held = self._by_session.pop(session_id, None)
        sockets = list(held.tunnels) if held is not None else []
        for tunnel in sockets:
            self._say_goodbye(tunnel, why)
        return len(sockets)

    def _say_goodbye(self, tunnel: Tunnel, why: End) -> None:
        tunnel.end(notices.session_over(why, self.around.clock()), GOING_AWAY, str(why))

    def doubtful(self) -> list[str]:
        """Sessions with sockets here that are not known to live: over by their times, or not sure at the moment."""
        sessions, vp = self.around.sessions, self.around.vp
        return [one for one in self._by_session if one and sessions.peek(vp, one) is None]
