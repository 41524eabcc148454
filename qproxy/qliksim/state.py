"""What a node remembers: sessions of each virtual proxy, tickets, login targets, and its own clock.

Pure bookkeeping without any I/O. Ending a session has consequences (sockets, session module); those are in
`endings.py`, never here.
"""

import secrets
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from qproxy.qliksim.settings import VirtualProxySettings

TICKET_S = 60.0
Attributes = list[dict[str, str]]


class EndableSocket(Protocol):
    """What a session knows of its sockets."""

    vp: str
    session_id: str | None

    async def end(self, code: int, reason: str = "", notice: str | None = None) -> None: ...

    def abort(self) -> None: ...


@dataclass
class SimSession:
    """One proxy session; `source` is module, ticket, anonymous, header or api."""

    id: str
    directory: str
    user: str
    attributes: Attributes
    source: str
    created: float
    touched: float
    validated: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    sockets: set[EndableSocket] = field(default_factory=set)

    @property
    def owner(self) -> tuple[str, str]:
        return self.directory, self.user

    def shown(self) -> dict[str, Any]:
        """The session object of Qlik's session APIs."""
        return {
            "UserDirectory": self.directory,
            "UserId": self.user,
            "Attributes": self.attributes,
            "SessionId": self.id,
        }


@dataclass
class Ticket:
    """Good for one use within a minute."""

    id: str
    directory: str
    user: str
    attributes: Attributes
    expires: float


class SimClock:
    """A clock that tests may push forward."""

    def __init__(self, source: Callable[[], float]) -> None:
        self._source = source
        self.offset = 0.0

    def __call__(self) -> float:
        return self._source() + self.offset


class VirtualProxyState:
    """The sessions, tickets and targets of one virtual proxy of one node."""

    def __init__(self, settings: VirtualProxySettings, clock: SimClock) -> None:
        self.settings = settings
        self.sessions: dict[str, SimSession] = {}
        self.tickets: dict[str, Ticket] = {}
        self.targets: dict[str, str] = {}
        self._clock = clock

    def open_session(
        self, owner: tuple[str, str], attributes: Attributes, source: str, session_id: str = ""
    ) -> SimSession:
        """A new session; without an id it gets a GUID, as Qlik does."""
        now = self._clock()
        session_id = session_id or str(uuid.uuid4())
        session = SimSession(session_id, *owner, attributes, source, now, now, now)
        self.sessions[session_id] = session
        return session

    def sessions_of(self, owner: tuple[str, str]) -> list[SimSession]:
        return [session for session in self.sessions.values() if session.owner == owner]

    def overdue(self) -> Iterator[SimSession]:
        """Sessions past the inactivity time, now."""
        oldest = self._clock() - self.settings.inactivity_s
        return (session for session in list(self.sessions.values()) if session.touched <= oldest)

    def forget_module_sessions(self) -> None:
        """Forget whom the session module vouched for; their sockets stay."""
        for session in list(self.sessions.values()):
            if session.source == "module":
                del self.sessions[session.id]

    def issue_ticket(self, owner: tuple[str, str], attributes: Attributes) -> Ticket:
        ticket = Ticket(secrets.token_urlsafe(12), *owner, attributes, self._clock() + TICKET_S)
        self.tickets[ticket.id] = ticket
        return ticket

    def redeem(self, ticket_id: str) -> Ticket | None:
        """The ticket, once, while it is good."""
        ticket = self.tickets.pop(ticket_id, None)
        return ticket if ticket and self._clock() < ticket.expires else None

    def remember_target(self, uri: str) -> str:
        """Keep where a person wanted to go; returns the target's id."""
        target_id = str(uuid.uuid4())
        self.targets[target_id] = uri
        return target_id
