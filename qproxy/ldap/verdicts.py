"""What the answer to a bind means for a login, and what of it may be told to whom.

Pure. Active Directory and password policies say why an account is not let in. Some of that they say to whoever knows
the name, some only after the right password. Only the second kind ever reaches the person; the first kind is for the
administrator's log alone, and for the person the same as a wrong password.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from qproxy.ldap.ber import BadBer, Reader
from qproxy.ldap.messages import PASSWORD_POLICY, Code, Result


class Outcome(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    DENIED = "denied"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`why` is for the log; `word` for the audit log and the person, only with DENIED."""

    outcome: Outcome
    why: str = ""
    word: str = ""


LOCKED: Final = Verdict(Outcome.WRONG, "the account is locked")
EXPIRED: Final = Verdict(Outcome.DENIED, "the password has expired", "ldap_password_expired")
MUST_CHANGE: Final = Verdict(Outcome.DENIED, "the password must be changed first", "ldap_must_change_password")
DISABLED: Final = Verdict(Outcome.DENIED, "the account is disabled", "ldap_account_disabled")
OVER: Final = Verdict(Outcome.DENIED, "the account has expired", "ldap_account_expired")
HOURS: Final = Verdict(Outcome.DENIED, "not at this time of day or week", "ldap_not_now")
NOT_HERE: Final = Verdict(Outcome.DENIED, "not from this computer", "ldap_not_here")

SUB_CODES: Final[Mapping[int, Verdict]] = {
    0x525: Verdict(Outcome.WRONG, "no such account"),
    0x52E: Verdict(Outcome.WRONG, "wrong password"),
    0x530: HOURS,
    0x531: NOT_HERE,
    0x532: EXPIRED,
    0x533: DISABLED,
    0x534: Verdict(Outcome.DENIED, "this kind of logon is not granted", "ldap_not_here"),
    0x568: Verdict(Outcome.WRONG, "the account is in too many groups for a security token"),
    0x701: OVER,
    0x773: MUST_CHANGE,
    0x775: LOCKED,
}
"""Active Directory's, from the "data 52e" in its explanation: numbers of Windows errors. 775 comes with a wrong
password too, so it is told to nobody; those that are DENIED come after the right password only."""

_POLICY_ERRORS: Final[Mapping[int, Verdict]] = {0: EXPIRED, 1: LOCKED, 2: MUST_CHANGE}
"""draft-behera-ldap-password-policy section 6.2."""

_SUB_CODE = re.compile(r"\bAcceptSecurityContext error, data ([0-9a-fA-F]{1,8})\b")
_THE_PERSONS_FAULT: Final = frozenset(
    {
        Code.CONSTRAINT,
        Code.NO_SUCH_OBJECT,
        Code.INVALID_DN,
        Code.INAPPROPRIATE_AUTH,
        Code.INVALID_CREDENTIALS,
        Code.INSUFFICIENT_ACCESS,
        Code.UNWILLING,
    }
)
"""Codes with which directories refuse one account; others say that the directory serves nobody."""


def verdict(result: Result) -> Verdict:
    policy = _policy_error(result)
    if result.code == Code.SUCCESS:
        return Verdict(Outcome.RIGHT) if policy is None or policy.outcome is Outcome.WRONG else policy
    if result.code not in _THE_PERSONS_FAULT:
        return Verdict(Outcome.BROKEN, explained(result))
    if result.code == Code.INVALID_CREDENTIALS and policy is not None:
        return policy
    return _sub_code(result) or Verdict(Outcome.WRONG, explained(result))


def explained(result: Result) -> str:
    """For the log: the code, its name and what the directory said, on one line."""
    said = "".join(one if one.isprintable() else " " for one in result.said[:300]).strip()
    try:
        name = Code(result.code).name.lower().replace("_", " ")
    except ValueError:
        name = "?"
    return f"result {result.code} ({name})" + (f": {said}" if said else "")


def _sub_code(result: Result) -> Verdict | None:
    found = _SUB_CODE.search(result.said)
    if found is None or result.code != Code.INVALID_CREDENTIALS:
        return None
    known = SUB_CODES.get(int(found[1], 16))
    if known is None:
        return None
    return Verdict(known.outcome, f"{known.why} (Active Directory's {found[1].lower()})", known.word)


def _policy_error(result: Result) -> Verdict | None:
    """PasswordPolicyResponseValue: SEQUENCE { warning [0] OPTIONAL, error [1] ENUMERATED OPTIONAL }."""
    value = result.controls.get(PASSWORD_POLICY)
    if not value:
        return None
    try:
        body = Reader(value).inside(0x30)
        if body.next_is(0xA0):
            body.any()
        return _POLICY_ERRORS.get(body.integer(0x81)) if body.more else None
    except BadBer:
        return None
