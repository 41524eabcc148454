"""What the file of users notes of a person behind the hash: words with a space in front of each.

    changed=2026-11-23 expires=2027-04-01 must-change locked totp=GEZDGNBVGY3TQOJQ... recovery=mN1...,x0v...

Pure. It must not repeat a value in an error: two of them are secrets.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

SHORTEST_KEY: Final = 16
"""Bytes of a key for codes (RFC 4226 section 4, R6)."""
_RECOVERY: Final = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True)
class Marks:
    """`changed`: the day on which the password was set, `expires`: the first day without access, both in UTC. `totp`:
    the key of the authenticator app in base32. `recovery`: hashes of the codes that stand in for it once each."""

    changed: date | None = None
    expires: date | None = None
    must_change: bool = False
    locked: bool = False
    totp: str = field(default="", repr=False)
    recovery: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        written = (
            f"changed={self.changed}" if self.changed else "",
            f"expires={self.expires}" if self.expires else "",
            "must-change" if self.must_change else "",
            "locked" if self.locked else "",
            f"totp={self.totp}" if self.totp else "",
            f"recovery={','.join(self.recovery)}" if self.recovery else "",
        )
        return " ".join(filter(None, written))


_FLAGS: Final = {"must-change": "must_change", "locked": "locked"}


def parse_marks(text: str) -> Marks:
    """Raises ValueError with words that continue "this line lets nobody in: "."""
    found: dict[str, Any] = {}
    for mark in text.split():
        word, equals, value = mark.partition("=")
        name = _FLAGS.get(word, word) if not equals else word
        if name in found:
            raise ValueError(f"{word} stands twice behind the hash")
        found[name] = _value(word, value) if equals else _flag(word)
    return Marks(**found)


def _flag(word: str) -> bool:
    if word not in _FLAGS:
        raise ValueError("behind the hash may stand changed=, expires=, must-change, locked, totp= and recovery=")
    return True


def _value(word: str, value: str) -> object:
    if word in ("changed", "expires"):
        return _day(word, value)
    if word == "totp":
        return check_key(value)
    if word == "recovery":
        hashes = tuple(filter(None, value.split(",")))
        if not all(map(_RECOVERY.fullmatch, hashes)):
            raise ValueError("recovery= holds hashes that `qproxy users totp` makes")
        return hashes
    return _flag("")


def _day(word: str, value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{word}= is a day such as 2027-04-01") from None


def check_key(key: str) -> str:
    """The same in capitals. Raises ValueError."""
    try:
        size = len(key_bytes(key))
    except (ValueError, binascii.Error):
        size = 0
    if size < SHORTEST_KEY:
        raise ValueError(f"totp= is a key of at least {SHORTEST_KEY} bytes in base32; `qproxy users totp` makes one")
    return key.upper()


def key_bytes(key: str) -> bytes:
    return base64.b32decode(key.upper() + "=" * (-len(key) % 8))
