"""Codes of authenticator apps (RFC 6238: SHA-1, six digits, thirty seconds), and the recovery codes that stand in.

Pure but for the randomness of new keys: it remembers nothing, so whoever judges a code sees to it that it counts once.
It must not know names or files.
"""

import base64
import hashlib
import os
import secrets
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

from qproxy.auth.user_marks import key_bytes

STEP: Final = 30
"""Seconds for which a code is shown."""
DIGITS: Final = 6
WINDOW: Final = 1
"""Steps before and after the one of our clock that are accepted (RFC 6238 section 5.2 recommends one at most)."""
KEY_BYTES: Final = 20
RECOVERY_CODES: Final = 8
RECOVERY_BYTES: Final = 10
"""80 bits: nobody finds one from its hash, so the hash needs no salt and costs nothing."""


def new_key() -> str:
    return base64.b32encode(os.urandom(KEY_BYTES)).decode()


def code_of(key: str, step: int) -> str:
    return HOTP(key_bytes(key), DIGITS, SHA1(), enforce_key_length=False).generate(step).decode()  # noqa: S303


def step_at(now: float) -> int:
    """`now` in seconds since the epoch."""
    return int(now) // STEP


def drift_of(key: str, typed: str, now: float) -> int | None:
    """By how many steps the code is ahead of our clock, or None for what is no code of now."""
    code = "".join(typed.split())
    matching = [
        drift for drift in _window() if secrets.compare_digest(_code(key, now, drift), code.encode(errors="replace"))
    ]
    return matching[0] if matching else None


def _window() -> Iterator[int]:
    """Nearest first."""
    yield 0
    for drift in range(1, WINDOW + 1):
        yield from (-drift, drift)


def _code(key: str, now: float, drift: int) -> bytes:
    return code_of(key, max(0, step_at(now) + drift)).encode()


def address_of(key: str, name: str, issuer: str) -> str:
    """otpauth://totp/..., which authenticator apps read from a QR code."""
    issuer = issuer.replace(":", " ")
    words = urlencode(
        {"secret": key, "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS, "period": STEP}, quote_via=quote
    )
    return f"otpauth://totp/{quote(issuer, safe='')}:{quote(name, safe='@')}?{words}"


def readable(key: str) -> str:
    """In groups of four, for who types it."""
    return " ".join(key[start : start + 4] for start in range(0, len(key), 4))


def new_recovery_codes() -> tuple[str, ...]:
    return tuple(_new_recovery_code() for _ in range(RECOVERY_CODES))


def _new_recovery_code() -> str:
    code = base64.b32encode(os.urandom(RECOVERY_BYTES)).decode().lower()
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def recovery_hash(code: str) -> str:
    """What is kept of a recovery code, however it is typed."""
    letters = "".join(code.casefold().split()).replace("-", "")
    digest = hashlib.sha256(b"qproxy recovery code " + letters.encode(errors="replace")).digest()
    return base64.urlsafe_b64encode(digest).decode()[:22]
