"""Hashing and checking passwords: argon2id in threads of its own, few at a time, and never for free.

It exists so that logins cost the event loop nothing, cannot take the machine's memory (64 MB a hash) and take the same
time for names that do not exist. It must not know names, files or how anyone logs in.
"""

import asyncio
import secrets
import unicodedata
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

T = TypeVar("T")

LONGEST_PASSWORD: Final = 1024
"""Bytes of UTF-8; longer input is wrong without its being hashed as it is."""


class TooBusy(Exception):
    """So many passwords wait to be checked that one more would wait too long."""


class Passwords:
    """`at_once` are checked at a time, `waiting` more may wait, a quarter of which no single caller gets, so that a
    flood from one place does not keep everybody else out. Blocks for one hash, the one of nobody's password."""

    def __init__(self, hasher: PasswordHasher | None = None, *, at_once: int = 2, waiting: int = 32) -> None:
        self._hasher = hasher or PasswordHasher()
        self._most = at_once + waiting
        self._most_of_one = self._most - waiting // 4
        self._under_way: Counter[str] = Counter()
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="qproxy-password")
        self._nobody = self._hasher.hash(secrets.token_urlsafe())

    async def matches(self, password: str, password_hash: str | None, caller: str = "") -> str | None:
        """The hash to keep from now on (a new one when the parameters changed) if the password is right, else None.

        `password_hash` None stands for a person who does not exist: costs the same and is never right. `caller` is
        where it comes from. Raises TooBusy.
        """
        return await self._soon(partial(self._check, password, password_hash), caller)

    async def hashed(self, password: str, caller: str = "") -> str:
        """The hash of a new password. Raises TooBusy."""
        return await self._soon(partial(hash_password, password, self._hasher), caller)

    async def _soon(self, run: Callable[[], T], caller: str) -> T:
        if self._under_way.total() >= self._most or self._under_way[caller] >= self._most_of_one:
            raise TooBusy
        self._under_way[caller] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, run)
        finally:
            self._under_way[caller] -= 1
            self._under_way += Counter()  # forgets callers that have nothing under way

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _check(self, password: str, password_hash: str | None) -> str | None:
        too_long = len(password.encode(errors="replace")) > LONGEST_PASSWORD
        against = self._nobody if password_hash is None or too_long else password_hash
        if not self._verifies(against, "" if too_long else password) or against is not password_hash:
            return None
        return hash_password(password, self._hasher) if self._hasher.check_needs_rehash(against) else against

    def _verifies(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, _normal(password))
        except (VerificationError, InvalidHashError):
            return False


def hash_password(password: str, hasher: PasswordHasher | None = None) -> str:
    """Blocking, some 50 ms. By default the low-memory profile of RFC 9106 section 4 (64 MB, 3 passes, 4 lanes)."""
    return (hasher or PasswordHasher()).hash(_normal(password))


def _normal(password: str) -> bytes:
    """One keyboard composes an umlaut, another sends two characters: both are the same password (RFC 8265 4.2)."""
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")
