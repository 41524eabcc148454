"""What the configuration wants of people in a file of users, and what they still have to do after their password.

Pure: it judges an entry of the file on a day. It must not know pages or check a secret.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Final

from qproxy.auth.password_rules import PasswordRules
from qproxy.auth.user_file import Entry

DAY: Final = 86400.0


class Due(Enum):
    """The values are words of the table of texts and of the audit log."""

    LOCKED = "account_locked"
    EXPIRED = "account_expired"
    CODE = "totp_code"
    CHANGE = "password_must_change"
    OLD = "password_expired"
    WANTED = "password_change"
    ENROL = "totp_enrol"
    NOTHING = ""


REFUSED: Final = frozenset({Due.LOCKED, Due.EXPIRED})
NEW_PASSWORD: Final = frozenset({Due.CHANGE, Due.OLD, Due.WANTED})


@dataclass(frozen=True, slots=True)
class LocalRules:
    """`max_age` of a password and `recheck` of a session in seconds, `lock_after` in wrong tries; None for never.
    `issuer`: what authenticator apps call the account."""

    second_step: bool = False
    issuer: str = "Qlik Sense"
    max_age: float | None = None
    lock_after: int | None = None
    recheck: float | None = None
    password: PasswordRules = field(default_factory=PasswordRules)

    def due(self, entry: Entry, today: date, done: frozenset[Due], wanted: bool) -> Due:
        """The next thing; `done`: what the person has done in this login, `wanted`: a new password is asked for."""
        marks, refused = entry.marks, self.refused(entry, today)
        if refused is not None:
            return refused
        if marks.totp and Due.CODE not in done:
            return Due.CODE
        if not done & NEW_PASSWORD and self._new_password(entry, today, wanted) is not Due.NOTHING:
            return self._new_password(entry, today, wanted)
        return Due.ENROL if self.second_step and not marks.totp else Due.NOTHING

    def refused(self, entry: Entry, today: date) -> Due | None:
        """Why nobody is let in with that entry, whoever it is."""
        if entry.marks.locked:
            return Due.LOCKED
        expires = entry.marks.expires
        return Due.EXPIRED if expires is not None and today >= expires else None

    def _new_password(self, entry: Entry, today: date, wanted: bool) -> Due:
        """A password of which nobody knows since when it is there is as old as can be."""
        if entry.marks.must_change:
            return Due.CHANGE
        oldest = date.min if self.max_age is None else today - timedelta(seconds=self.max_age)
        if (entry.marks.changed or date.min) < oldest:
            return Due.OLD
        return Due.WANTED if wanted else Due.NOTHING


def day_of(now: float) -> date:
    """In UTC; `now` in seconds since the epoch."""
    return datetime.fromtimestamp(now, UTC).date()
