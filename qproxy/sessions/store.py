"""Seam 2: what every store of sessions promises, so that the rest of qproxy need not know which one it has.

A store keeps and finds; it decides nothing: whether a session is over is a pure rule (`Session.over`), judged by
`front`. It knows a session by `store_key`, a hash, never by the id in clear. Every method may raise StoreUnavailable; a
caller answers that with 503 and never with "unknown session", which would log people out. Times are seconds since the
epoch.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from qproxy.model import End, Lifetime, Session, Tie, User
from qproxy.notes import Notes
from qproxy.tries import Tries


class StoreUnavailable(Exception):
    """The store cannot be asked now: says what failed, where, and what to do. Nothing may be concluded from it."""


class IdTaken(Exception):
    """The session id belongs to somebody else on this virtual proxy: the first owner keeps it."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left of a session that was deleted: enough for every other worker to let go of it."""

    mark: int
    """Grows with each deletion in the order of commits, whatever the clocks say."""
    vp: str
    key: bytes
    at: float
    why: End


def store_key(vp: str, session_id: str) -> bytes:
    """What a store knows a session by: SHA-256 of virtual proxy and id (a virtual proxy's name holds no NUL)."""
    return hashlib.sha256(f"{vp}\0{session_id}".encode("utf-8", "surrogatepass")).digest()


def folded(user: User) -> tuple[str, str]:
    """The two parts of a name as they are compared: without regard to case, as Qlik's own clients compare them."""
    return user.directory.casefold(), user.id.casefold()


def same_user(one: User, other: User) -> bool:
    return folded(one) == folded(other)


def require_owner(kept: Session, session: Session) -> Session:
    """The record kept under that id, if it is the same user's; else raises IdTaken."""
    if not same_user(kept.user, session.user):
        raise IdTaken(f"virtual proxy {session.vp!r}: that session id is another user's")
    return kept


class Store(Protocol):
    """One store may serve several workers; each method is atomic."""

    async def check(self) -> None:
        """Raises StoreUnavailable if sessions could not be read and written now."""
        ...

    async def put(self, session: Session) -> Session:
        """Keeps it, and gives back what is kept: the earlier record if that id is already the same user's.

        Raises IdTaken, and changes nothing, if the id is another user's.
        """
        ...

    async def get(self, vp: str, session_id: str) -> Session | None: ...

    async def link(self, session: Session, qlik_id: str) -> Session | None:
        """Notes under which id QPS knows the session from now on, and gives back what is kept.

        That is another worker's, unchanged, if the kept record's `qlik_id` is no longer `session.qlik_id`; None, and
        nothing is kept, if the session has ended.
        """
        ...

    async def tied(self, vp: str, key: str) -> list[Session]:
        """All with that key in their tie, in no order."""
        ...

    async def retie(self, session: Session, tie: Tie) -> Session | None:
        """Keeps that tie in the place of `session.tie`, and gives back what is kept.

        That is another worker's, unchanged, if the kept record's tie is no longer `session.tie`; None, and nothing is
        kept, if the session has ended.
        """
        ...

    async def of_user(self, vp: str, user: User) -> list[Session]:
        """All of that user's, in the order they were put; names are compared as `same_user` says."""
        ...

    async def seen(self, times: Mapping[tuple[str, str], float]) -> None:
        """Moves last-seen times of (vp, id) forward, never back; unknown ids are passed over."""
        ...

    async def delete(self, vp: str, session_id: str, why: End, now: float) -> Session | None:
        """Removes it and leaves a tombstone; None, and no tombstone, if it was not there."""
        ...

    async def mark(self) -> int:
        """The mark of the latest tombstone ever left; 0 before the first. One lower than any before says that something
        may be lost: whoever follows has to check all that he knows."""
        ...

    async def ended_since(self, mark: int) -> list[Tombstone]:
        """The tombstones with a greater mark, in order."""
        ...

    async def forget_ended(self, before: float) -> None:
        """Drops tombstones that were left before that time."""
        ...

    async def expired(self, vp: str, by_qlik: bool, lifetime: Lifetime, now: float, limit: int) -> list[Session]:
        """Up to `limit` that look over by the times kept here; the caller judges and deletes them."""
        ...

    async def count(self, vp: str, by_qlik: bool) -> int: ...

    async def oldest_by_qlik(self, vp: str, limit: int) -> list[Session]:
        """Of the sessions that QPS made, those that were put first."""
        ...

    def each(self, vp: str | None = None) -> AsyncIterator[Session]:
        """All that are kept (of one virtual proxy), each once, in no order; never many in memory or the store held up.

        One that comes or goes meanwhile may be left out.
        """
        ...

    def notes(self, clock: Callable[[], float]) -> Notes:
        """What is kept beside the sessions for minutes; `clock` gives seconds since the epoch."""
        ...

    def tries(self, clock: Callable[[], float]) -> Tries:
        """How often something was tried lately; `clock` gives seconds since the epoch."""
        ...

    def use_keys(self, keys: Sequence[bytes]) -> None:
        """Seals with the first from now on, and opens with all; nothing that is kept is sealed anew."""
        ...

    async def close(self) -> None:
        """Lets go of files and threads; every later call raises StoreUnavailable."""
        ...
