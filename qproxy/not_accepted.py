"""What to do when QPS does not accept a session of ours: one new login, and if that does not help, say why.

The browser is never shown QPS's own login. The administrator gets the likely cause, from what is known here: whether
QPS ever asked the session module about this session, and what it was told.
"""

import logging
from collections.abc import Callable
from typing import Final, Protocol

from qproxy.model import Session

log = logging.getLogger("qproxy.gate")

SOON: Final = 300.0
"""Seconds: refused again so soon after a login that was meant to mend it, the fault is in the configuration."""


class ModuleAnswer(Protocol):
    """The session module's latest answer to QPS about one session."""

    @property
    def status(self) -> int: ...


class NotAccepted:
    """`asked(vp, session id)` is the session module's memory; `root(vp)` its base URI, as the QMC should have it."""

    def __init__(
        self,
        asked: Callable[[str, str], ModuleAnswer | None],
        root: Callable[[str], str],
        clock: Callable[[], float],
    ) -> None:
        self._asked = asked
        self._root = root
        self._clock = clock

    def final(self, vp: str, session: Session, cookie_name: str, cause: str = "") -> bool:
        """Whether a new login was already tried for nothing. Tells the log each time what is likely to be wrong:
        `cause`, or what the session module knows."""
        again = session.relogin and self._clock() - session.created < SOON
        log.warning(
            "%s: Qlik does not accept session %s of %s%s. %s",
            vp,
            session.short,
            session.user,
            ", which was made because it had not accepted the one before" if again else "",
            cause or self.cause(vp, session, cookie_name),
        )
        return again

    def cause(self, vp: str, session: Session, cookie_name: str) -> str:
        answer = self._asked(vp, session.id)
        if answer is None:
            return (
                "Qlik never asked the session module about it. Check in the QMC, for this virtual proxy: Session"
                f" module base URI must be {self._root(vp)} and reachable from the Qlik node; Session cookie header"
                f" name must give the cookie {cookie_name} (Qlik adds -HTTP to it over plain http); the prefix; and"
                " that the virtual proxy is linked to this node's proxy service."
            )
        if answer.status == 200:
            return (
                f"Qlik asked the session module and was told that it is {session.user}. Check that Qlik accepts"
                " certificate and answer (Proxy logs on the node), that the session did not time out there, and that"
                f" the user directory {session.user.directory} has access."
            )
        return (
            f"Qlik asked the session module and got status {answer.status}: the session was unknown here or could"
            " not be checked at that moment. Look for session_ended in the audit log and for store errors."
        )
