"""Sessions, people and a clock for the tests of everything that has to do with sessions."""

import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from qproxy.key_files import Key, as_line
from qproxy.model import Attributes, Lifetime, Session, Tie, User, new_session_id

JOHN = User("SSO", "john")
MARY = User("SSO", "mary")
LIFETIME = Lifetime(idle=60, absolute=600)
START = 1_000_000.0


@dataclass
class Clock:
    """Seconds since the epoch, as the test wants them."""

    now: float = START

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def a_key() -> bytes:
    return secrets.token_bytes(32)


def key_file(folder: Path, *keys: Key) -> Path:
    path = folder / "session.key"
    path.write_text("".join(map(as_line, keys)))
    path.chmod(0o600)
    return path


def a_session(session_id: str = "", user: User = JOHN, vp: str = "sales", at: float = START) -> Session:
    attributes = Attributes((("Group", "Sales"), ("Group", "Köln")))
    return Session(session_id or new_session_id(), vp, user, attributes, created=at, last_seen=at)


def tied_to(*keys: str, session_id: str = "", vp: str = "sales", check_at: float = 0.0, **kept: str) -> Session:
    return replace(a_session(session_id, vp=vp), method="idp", tie=Tie(keys, kept, check_at))


def made_by_qlik(session_id: str = "", user: User = JOHN, vp: str = "sales", at: float = START) -> Session:
    return Session(session_id or new_session_id(), vp, user, Attributes(), created=at, last_seen=at, by_qlik=True)
