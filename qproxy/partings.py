"""That a logout is one for the login page too: a browser whose person logged out is not logged in again in silence.

A provider that still knows the person would let them in without a question, as would a ticket of the browser. So the
browser gets a mark at the logout, which stays until the next login; and where Qlik's hub logged out, what the session
knew of its login waits for the browser, so that it can be logged out at the provider as well. Must not decide what a
page shows.
"""

import json
import logging
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from qproxy.model import Attributes, Session, Tie, User, long_hash
from qproxy.notes import Notes
from qproxy.routing import OWN
from qproxy.sessions.store import StoreUnavailable

log = logging.getLogger("qproxy.partings")

COOKIE: Final = "qproxy-parted"
SECONDS: Final = 12 * 3600
"""For which a browser keeps the mark: by then the provider has forgotten a person who did nothing, too."""
MARK: Final = re.compile(r"[0-9a-f]{64}")


def mark_of(session_id: str) -> str:
    """It tells nothing of the id, and names what waits for whoever brings it."""
    return long_hash(f"parted {session_id}")


def set_mark(vp: str, session_id: str, *, secure: bool) -> str:
    """A Set-Cookie value, for the login pages of that virtual proxy alone."""
    return f"{COOKIE}={mark_of(session_id)}; Max-Age={SECONDS}{_rest(vp, secure)}"


def drop_mark(vp: str, *, secure: bool) -> str:
    return f"{COOKIE}=; Max-Age=0{_rest(vp, secure)}"


def _rest(vp: str, secure: bool) -> str:
    return f"; Path=/{OWN}/login/{quote(vp, safe='')}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"


class Partings:
    """What sessions knew of their login, until their browser comes to the login page. `clock`: the wall clock."""

    def __init__(self, vp: str, notes: Notes, clock: Callable[[], float]) -> None:
        self._vp = vp
        self._notes = notes
        self._clock = clock

    async def keep(self, session: Session) -> None:
        """Raises nothing: without it the browser is shown a page where it would have gone to the provider."""
        if not session.tie.kept:
            return
        user, tie = session.user, session.tie
        kept = [session.id, session.method, user.directory, user.id, list(tie.keys), dict(tie.kept)]
        try:
            await self._notes.put(self._note(mark_of(session.id)), json.dumps(kept).encode(), self._clock() + SECONDS)
        except StoreUnavailable as error:
            log.warning("%s: session %s cannot be ended at its provider: %s", self._vp, session.short, error)

    async def take(self, mark: str) -> Session | None:
        """As far as its login is concerned; once. Raises StoreUnavailable."""
        found = await self._notes.take(self._note(mark))
        if found is None:
            return None
        session_id, method, directory, user_id, keys, kept = json.loads(found)
        user, tie = User(directory, user_id), Tie(tuple(keys), kept)
        return Session(session_id, self._vp, user, Attributes(), 0.0, 0.0, method=method, tie=tie)

    def _note(self, mark: str) -> str:
        return f"parted {self._vp} {mark}"
