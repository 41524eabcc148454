"""The sessions that QPS makes itself and tells us of: which are kept, and what many anonymous ones mean.

They are kept apart from logins and never become one. Where nobody may be anonymous, anonymous ones mean that requests
reach QPS without the session cookie; a flood of them is counted, named in the log once a minute, and kept only in part.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from qproxy.minutes import Minute
from qproxy.model import Attributes, Session, User
from qproxy.sessions.front import Sessions
from qproxy.sessions.store import IdTaken, same_user

log = logging.getLogger("qproxy.told_sessions")

FEW: Final = 3
"""Anonymous sessions within a minute that are a sign of trouble where nobody may be anonymous: one page makes as many
when its fonts and data are asked for without the cookie."""
VISITORS: Final = 300
"""The same where anonymous people are welcome: there it can be a crowd as well."""
KEPT_A_MINUTE: Final = 60
"""Where nobody may be anonymous nobody can use such a session through qproxy: of more than these only the count is
kept, so that a flood can neither fill the store nor the audit log."""


class Adopted(NamedTuple):
    """What became of a session that QPS told us of. `new_user`: that user had no other."""

    session: Session
    new_user: bool
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """The virtual proxy, and what an administrator has to compare with the QMC."""

    name: str
    origin: str
    cookie_name: str
    anonymous: bool


class ToldSessions:
    """`count(vp, kept)` is told of each anonymous session."""

    def __init__(
        self, place: Place, sessions: Sessions, clock: Callable[[], float], count: Callable[[str, bool], None]
    ) -> None:
        self._place = place
        self._sessions = sessions
        self._clock = clock
        self._count = count
        self._anonymous = Minute()

    async def adopt(self, user: User, attributes: Attributes, session_id: str) -> Adopted:
        """Raises IdTaken, StoreUnavailable. An id that is a login of ours is never overwritten: the same user's is
        given back as it is."""
        now = self._clock()
        session = Session(session_id, self._place.name, user, attributes, created=now, last_seen=now, by_qlik=True)
        if is_anonymous(user) and not self._room(now):
            return Adopted(session, True, kept=False)
        others = [one for one in await self._sessions.of_user(self._place.name, user) if one.id != session_id]
        ours = await self._sessions.find(self._place.name, session_id)
        if ours is not None and not ours.by_qlik:
            if not same_user(ours.user, user):
                raise IdTaken("the id is a login of somebody else")
            return Adopted(ours, not others)
        return Adopted(await self._sessions.adopt(session), not others)

    def _room(self, now: float) -> bool:
        place, count = self._place, self._anonymous.add(now)
        if count == (VISITORS if place.anonymous else FEW):
            self._say_flood(count)
        kept = place.anonymous or count <= KEPT_A_MINUTE
        self._count(place.name, kept)
        return kept

    def _say_flood(self, count: int) -> None:
        place = self._place
        log.warning(
            "%s: Qlik made %d anonymous sessions within a minute%s: the cookie does not reach QPS. Requests that arrive"
            " there without the cookie %s each become a session of nobody. Check that people and Qlik's own pages use"
            " one host, %s, for everything; and in the QMC, for this virtual proxy: Session cookie header name (it"
            " must give that cookie; Qlik adds -HTTP to it over plain http), Session cookie domain (empty), Has secure"
            " attribute and SameSite attribute, and Anonymous access mode.",
            place.name, count, ", or that many visitors came" if place.anonymous else "", place.cookie_name,
            place.origin,
        )  # fmt: skip


def is_anonymous(user: User) -> bool:
    """Whether it is one of the users that QPS makes up for people who did not log in."""
    return user.directory.casefold() == "none" and user.id.casefold().startswith("anonymous")
