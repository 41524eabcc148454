"""The form in which a session leaves the process: sealed, and found by hashes only.

For every store that keeps its records outside of memory. Must not know where they are kept.
"""

import json
from collections.abc import Sequence
from typing import Any

from qproxy.model import Attributes, Session, Tie, User
from qproxy.sessions.sealing import Marker, Sealer
from qproxy.sessions.store import folded


class Records:
    """`keys`: the configured secrets, the newest first."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._sealer = Sealer(keys, "session records")
        self._marker = Marker(keys, "session users")
        self._tie_marker = Marker(keys, "session ties")

    def use_keys(self, keys: Sequence[bytes]) -> None:
        """These from now on, for what is opened and for what will be sealed."""
        self._sealer.use_keys(keys)
        self._marker.use_keys(keys)
        self._tie_marker.use_keys(keys)

    @property
    def refused(self) -> int:
        """How many records did not open so far: damaged, swapped, or of a key that is not in the list."""
        return self._sealer.refused

    def seal(self, session: Session, key: bytes) -> bytes:
        return self._sealer.seal(json.dumps(_fields(session), separators=(",", ":")).encode(), key)

    def open(self, sealed: bytes, key: bytes, last_seen: float) -> Session | None:
        """The session, or None if the record is not one that was sealed for that key."""
        if (plain := self._sealer.open(sealed, key)) is None:
            return None
        try:
            return _session(json.loads(plain), last_seen)
        except (ValueError, KeyError, TypeError):
            self._sealer.refuse("of a form that is not understood")
            return None

    def user_marks(self, vp: str, user: User) -> list[bytes]:
        """By what that user's records are found; the first is the one to write."""
        return self._marker.marks("\0".join((vp, *folded(user))))

    def tie_marks(self, vp: str, key: str) -> list[bytes]:
        """By what records with that key in their tie are found; the first is the one to write."""
        return self._tie_marker.marks(f"{vp}\0{key}")

    def marks_of(self, session: Session) -> list[bytes]:
        """What to write of its tie."""
        return [self.tie_marks(session.vp, key)[0] for key in dict.fromkeys(session.tie.keys)]


def _fields(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "vp": session.vp,
        "user": [session.user.directory, session.user.id],
        "attributes": session.attributes.pairs,
        "created": session.created,
        "by_qlik": session.by_qlik,
        "relogin": session.relogin,
        "qlik_id": session.qlik_id,
        "method": session.method,
        "tie": [session.tie.keys, dict(session.tie.kept), session.tie.check_at],
    }


def _session(fields: dict[str, Any], last_seen: float) -> Session:
    directory, user_id = fields["user"]
    return Session(
        id=fields["id"],
        vp=fields["vp"],
        user=User(directory, user_id),
        attributes=Attributes(tuple((name, value) for name, value in fields["attributes"])),
        created=fields["created"],
        last_seen=last_seen,
        by_qlik=fields["by_qlik"],
        relogin=fields["relogin"],
        qlik_id=fields.get("qlik_id", ""),
        method=fields.get("method", ""),
        tie=_tie(*fields.get("tie", ((), {}, 0.0))),
    )


def _tie(keys: Sequence[str], kept: dict[str, str], check_at: float) -> Tie:
    return Tie(tuple(keys), kept, check_at)
