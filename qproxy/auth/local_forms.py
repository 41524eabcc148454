"""The forms of a login by the file of users, and what each of them keeps for the next step.

Pure. It must not judge what comes back; what is kept here is sealed by the login flow and comes back to nobody else.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from qproxy.auth import qr, totp
from qproxy.auth.local_rules import Due, LocalRules
from qproxy.auth.method import Ask, Field, Shown
from qproxy.auth.user_file import Entry

FIRST: Final = (
    Field("name", "name", autocomplete="username"),
    Field("password", "password", autocomplete="current-password", secret=True),
)
CODE: Final = (Field("code", "totp_code", autocomplete="one-time-code"),)
ENROL: Final = (Field("code", "totp_first_code", autocomplete="one-time-code"),)
CHANGE: Final = (
    Field("new", "new_password", autocomplete="new-password", secret=True),
    Field("again", "new_password_again", autocomplete="new-password", secret=True),
)
SAVED: Final = "saved"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a person is who gave the right password: whose login it is, and what is done. `stage` is the form that
    was shown, `extra` what it needs: the new key, or the mark of the recovery codes' page."""

    entry: Entry
    done: frozenset[Due] = frozenset()
    stage: str = ""
    extra: str = field(default="", repr=False)

    def after(self, *done: Due, entry: Entry | None = None) -> "Progress":
        return replace(self, done=self.done.union(done), entry=entry or self.entry, stage="", extra="")

    def kept(self, stage: str, extra: str = "") -> Mapping[str, str]:
        done = " ".join(sorted(one.value for one in self.done))
        return {"name": self.entry.name, "of": proof_of(self.entry), "done": done, "stage": stage, "extra": extra}

    @classmethod
    def read(cls, kept: Mapping[str, str], entry: Entry | None) -> "Progress | None":
        """None where the person's password or key is another one by now."""
        if entry is None or kept.get("of") != proof_of(entry):
            return None
        done = frozenset(map(Due, kept["done"].split()))
        return cls(entry, done, kept["stage"], kept["extra"])


def proof_of(entry: Entry) -> str:
    """What a login stands on: another text once the password or the key is another one."""
    return hashlib.sha256(f"{entry.hash} {entry.marks.totp}".encode()).hexdigest()[:32]


def asks_code(progress: Progress) -> Ask:
    return Ask(CODE, keep=progress.kept(Due.CODE.value), title="totp_title", button="continue_button")


def asks_new_password(progress: Progress, why: Due, rules: LocalRules, problem: str = "") -> Ask:
    told = Shown(why.value), Shown("password_least", (str(rules.password.shortest),))
    return Ask(CHANGE, problem, progress.kept(why.value), "password_title", "continue_button", told)


def asks_first_code(progress: Progress, rules: LocalRules, key: str) -> Ask:
    address = totp.address_of(key, progress.entry.name, rules.issuer)
    told = (
        Shown(Due.ENROL.value),
        Shown("totp_picture", (qr.as_image(address),), picture=True),
        Shown("totp_key", (totp.readable(key),)),
    )
    return Ask(ENROL, "", progress.kept(Due.ENROL.value, key), "totp_enrol_title", "continue_button", told)


def shows_recovery_codes(progress: Progress, codes: Iterable[str], mark: str) -> Ask:
    told = (Shown("recovery_codes", tuple(codes)),)
    return Ask((), "", progress.kept(SAVED, mark), "recovery_title", "recovery_button", told)
