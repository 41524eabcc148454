"""What a request for sessions says, and how a session looks in the answer. Pure.

A word that is not understood is refused, never passed over: a filter with a slip in it must not end everybody's
session.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from qproxy.model import Lifetime, Session, User, long_hash
from qproxy.observe.lines import stamp

HASH: Final = re.compile(r"[0-9a-f]{4,64}")
LONGER: Final = 16
"""Digits by which sessions are told apart whose short hashes are alike."""


class BadWish(Exception):
    """A request that cannot be understood; the text may be told to the caller."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which sessions are meant: what is not said does not narrow. `digits` are the first of a hash of an id."""

    vp: str | None = None
    user: User | None = None
    by_qlik: bool | None = None
    digits: str = ""
    everybody: bool = False
    attributes: bool = False

    def fits(self, session: Session) -> bool:
        if self.by_qlik is not None and session.by_qlik is not self.by_qlik:
            return False
        return session.short.startswith(self.digits[:8]) and (
            len(self.digits) <= 8 or long_hash(session.id).startswith(self.digits)
        )


def read_wish(digits: str, query: Iterable[tuple[str, str]]) -> Wish:
    """`digits` from the path, "" without; `query` as decoded pairs. Raises BadWish."""
    if digits and not HASH.fullmatch(digits):
        raise BadWish("a session is named by 4 to 64 hex digits of its hash, as a list shows it")
    said: dict[str, Any] = {}
    for name, text in query:
        if name not in _READERS:
            raise BadWish(f"{name!r} is not understood: there are {', '.join(_READERS)}")
        field, read = _READERS[name]
        if field in said:
            raise BadWish(f"{name} is said twice")
        said[field] = read(text)
    return Wish(digits=digits, **said)


def read_user(text: str) -> User:
    """`DIRECTORY\\id` as Qlik writes it. Raises BadWish."""
    directory, backslash, user_id = text.partition("\\")
    try:
        if not backslash:
            raise ValueError("there is no backslash")
        return User(directory, user_id)
    except ValueError as error:
        raise BadWish(rf"a user is written as DIRECTORY\id, {text!r} is not: {error}") from None


def _read_flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise BadWish(f"{text!r} is neither true nor false")
    return text == "true"


_READERS: Final[dict[str, tuple[str, Callable[[str], Any]]]] = {
    "vp": ("vp", str),
    "user": ("user", read_user),
    "by_qlik": ("by_qlik", _read_flag),
    "all": ("everybody", _read_flag),
    "attributes": ("attributes", _read_flag),
}


def shown(session: Session, lifetime: Lifetime, sockets: int, now: float) -> dict[str, Any]:
    """One session: times are ISO 8601 in UTC, `idle_left` seconds, `sockets` those of the qproxy that answers."""
    return {
        "session": session.short,
        "vp": session.vp,
        "user": session.who,
        "by_qlik": session.by_qlik,
        "created": stamp(session.created),
        "last_seen": stamp(session.last_seen),
        "idle_left": max(0, int(session.last_seen + lifetime.idle - now)),
        "lives_until": stamp(session.created + lifetime.absolute),
        "sockets": sockets,
    }


def with_attributes(session: Session) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in session.attributes.pairs]
