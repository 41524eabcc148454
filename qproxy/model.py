"""The nouns of qproxy: who somebody is for Qlik, what a session is, and when it is over.

Pure: no clock, no I/O, no framework. Times are seconds since the epoch (wall clock), handed in by the caller.
"""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Self

SESSION_ID_BYTES = 32
"""256 random bits, 43 characters of base64url: the value of the Qlik session cookie."""


@dataclass(frozen=True, slots=True)
class User:
    """A person as Qlik names one: the user directory and the id within it.

    Raises ValueError where Qlik would refuse the name: empty, only white space, a backslash, or control characters.
    """

    directory: str
    id: str

    def __post_init__(self) -> None:
        for what, value in (("user directory", self.directory), ("user id", self.id)):
            if not value.strip():
                raise ValueError(f"the {what} is empty")
            if "\\" in value or any(ord(character) < 32 or ord(character) == 127 for character in value):
                raise ValueError(f"the {what} holds a backslash or a control character")

    def __str__(self) -> str:
        return f"{self.directory}\\{self.id}"


@dataclass(frozen=True, slots=True)
class Attributes:
    """Session attributes in Qlik's shape: ordered (name, value) pairs, names may repeat (one pair a group)."""

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, str | Iterable[str]]) -> Self:
        pairs: list[tuple[str, str]] = []
        for name, value in values.items():
            pairs.extend((name, one) for one in ([value] if isinstance(value, str) else value))
        return cls(tuple(pairs))

    @property
    def size(self) -> int:
        """Bytes that they take in the header in which Qlik passes them on (`name=value; `)."""
        return sum(_size(name, value) for name, value in self.pairs)

    def trimmed(self, cap: int) -> tuple[Self, tuple[str, ...]]:
        """As many pairs, in order, as fit into `cap` bytes; and the names of those that did not."""
        kept: list[tuple[str, str]] = []
        cut: list[str] = []
        size = 0
        for name, value in self.pairs:
            cost = _size(name, value)
            if size + cost <= cap:
                kept.append((name, value))
                size += cost
            else:
                cut.append(name)
        return type(self)(tuple(kept)), tuple(cut)


def _size(name: str, value: str) -> int:
    return len(name.encode("utf-8", "surrogatepass")) + len(value.encode("utf-8", "surrogatepass")) + 3


class End(StrEnum):
    """Why a session ended; the word stands in the audit log."""

    LOGOUT = "logout"
    HUB_LOGOUT = "hub_logout"
    QLIK = "qlik"
    IDLE = "idle"
    ABSOLUTE = "absolute"
    NOT_ACCEPTED = "not_accepted"
    REPLACED = "replaced"
    ADMINISTRATOR = "administrator"
    SIXTH = "sixth_session"
    PROVIDER = "provider"
    """The identity provider ended it, or says that the login no longer stands."""

    @classmethod
    def of(cls, word: str) -> "End":
        """For what a store kept: a newer qproxy beside this one may know more words, and a session that ended by one of
        them has ended all the same."""
        return cls(word) if word in cls._value2member_map_ else cls.LOGOUT


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a session may live, in seconds: without a sign of life, and in all."""

    idle: float
    absolute: float


@dataclass(frozen=True, slots=True)
class Tie:
    """What a session keeps of its login at an identity provider.

    `keys`: texts by each of which the provider may name it, or all of a person's, later. `kept`: what only the login
    method reads, secrets among it (never logged; sealed where sessions are stored). `check_at`: when the provider is to
    be asked again (seconds since the epoch), 0 for never.
    """

    keys: tuple[str, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    check_at: float = 0.0


NO_TIE = Tie()


@dataclass(frozen=True, slots=True)
class Session:
    """One login of one person on one virtual proxy (or, with `by_qlik`, a session that QPS made and told us of)."""

    id: str = field(repr=False)
    vp: str
    user: User
    attributes: Attributes
    created: float
    last_seen: float
    by_qlik: bool = False
    relogin: bool = False
    """True when it was made because QPS had not accepted the one before: the loop guard."""
    qlik_id: str = field(default="", repr=False)
    """The id under which QPS knows it, where QPS chose it (mode ticket); never seen by the browser."""
    method: str = ""
    """The name of the way in which the person logged in; "" where QPS made the session."""
    tie: Tie = field(default=NO_TIE, repr=False)
    who: str = field(init=False, compare=False, repr=False)
    short: str = field(init=False, compare=False, repr=False)
    """The user as text, and the id's short hash: each request is logged with them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "who", str(self.user))
        object.__setattr__(self, "short", short_hash(self.id))

    @property
    def for_qlik(self) -> str:
        """The session cookie's value as QPS gets it."""
        return self.qlik_id or self.id

    def over(self, lifetime: Lifetime, now: float) -> End | None:
        """Why it has ended by itself at `now`, or None while it lives."""
        if now - self.created >= lifetime.absolute:
            return End.ABSOLUTE
        if now - self.last_seen >= lifetime.idle:
            return End.IDLE
        return None

    def alive(self, lifetime: Lifetime, now: float) -> bool:
        return now - self.last_seen < lifetime.idle and now - self.created < lifetime.absolute

    def seen(self, now: float) -> Self:
        return replace(self, last_seen=max(self.last_seen, now))


def new_session_id() -> str:
    return secrets.token_urlsafe(SESSION_ID_BYTES)


@lru_cache(maxsize=4096)
def short_hash(secret: str) -> str:
    """The only form in which a session id may be printed: the first 8 hex digits of its SHA-256."""
    return long_hash(secret)[:8]


def long_hash(secret: str) -> str:
    """Of this more digits may be shown only where the short hashes of several sessions are alike."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
