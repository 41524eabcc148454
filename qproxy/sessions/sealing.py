"""Encrypts what leaves the process's memory, so that whoever reads or changes it there gains nothing.

AES-256-GCM, with each record bound to where it belongs: one that was damaged, swapped, or sealed with a key that is not
in the list opens as "not there". Must never raise for what it is given to open, nor put a secret into the log.
"""

import hmac
import logging
import secrets
from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

logger = logging.getLogger("qproxy.sessions")

VERSION = b"\x01"
KEY_NAME_BYTES = 4
NONCE_BYTES = 12
HEAD_BYTES = len(VERSION) + KEY_NAME_BYTES + NONCE_BYTES
SECRET_BYTES = 32
"""The shortest secret that is accepted. HKDF does not slow down guessing, so it must be random, not a phrase."""


def derive(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose (HKDF-SHA256, RFC 5869): one configured secret serves several, unrelated.

    Raises ValueError for a secret shorter than SECRET_BYTES.
    """
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"a secret needs at least {SECRET_BYTES} random bytes, this one has {len(secret)}")
    return HKDF(algorithm=SHA256(), length=32, salt=b"qproxy", info=purpose.encode()).derive(secret)


class Marker:
    """Keyed hashes (HMAC-SHA256) by which records are found without their names being stored."""

    def __init__(self, keys: Sequence[bytes], purpose: str) -> None:
        self._purpose = purpose
        self.use_keys(keys)

    def use_keys(self, keys: Sequence[bytes]) -> None:
        self._keys = [derive(key, self._purpose) for key in _required(keys)]

    def marks(self, name: str) -> list[bytes]:
        """One for each key: the first is for writing, all are for looking up."""
        text = name.encode("utf-8", "surrogatepass")
        return [hmac.digest(key, text, sha256) for key in self._keys]


class Sealer:
    """Seals with the first key, opens with any: to rotate, put the new key first and drop the old one later."""

    def __init__(self, keys: Sequence[bytes], purpose: str) -> None:
        self._purpose = purpose
        self.refused = 0
        """How many records did not open."""
        self.use_keys(keys)

    def use_keys(self, keys: Sequence[bytes]) -> None:
        """Others than at the start; another thread may be sealing meanwhile."""
        purpose = self._purpose
        self._ciphers = [(key_name(key, purpose), AESGCM(derive(key, purpose))) for key in _required(keys)]

    def seal(self, plain: bytes, place: bytes) -> bytes:
        """Version, name of the key, nonce, ciphertext with tag; opens only for the same `place`."""
        name, cipher = self._ciphers[0]
        nonce = secrets.token_bytes(NONCE_BYTES)
        return VERSION + name + nonce + cipher.encrypt(nonce, plain, VERSION + place)

    def open(self, sealed: bytes, place: bytes) -> bytes | None:
        """What was sealed, or None (counted and logged) if it was not sealed for that place with one of the keys."""
        if sealed[: len(VERSION)] != VERSION or len(sealed) < HEAD_BYTES:
            self.refuse("damaged or of another version")
            return None
        name = sealed[len(VERSION) : len(VERSION) + KEY_NAME_BYTES]
        nonce = sealed[HEAD_BYTES - NONCE_BYTES : HEAD_BYTES]
        ciphers = [cipher for known, cipher in self._ciphers if known == name]
        for cipher in ciphers:
            try:
                return cipher.decrypt(nonce, sealed[HEAD_BYTES:], VERSION + place)
            except InvalidTag:
                continue
        self.refuse("damaged or moved" if ciphers else "sealed with a key that is not configured")
        return None

    def refuse(self, why: str) -> None:
        """Counts it, and logs the 1st, 2nd, 4th, 8th ...: a wrong key must not fill the log."""
        self.refused += 1
        if self.refused & (self.refused - 1) == 0:
            logger.warning("%s: a record is %s and counts as not there (%d so far)", self._purpose, why, self.refused)


def _required(keys: Sequence[bytes]) -> Sequence[bytes]:
    if not keys:
        raise ValueError("at least one key is needed")
    return keys


def key_name(key: bytes, purpose: str) -> bytes:
    """Stands in clear in what the key sealed, and tells nothing of the key."""
    return derive(key, f"{purpose}: name of the key")[:KEY_NAME_BYTES]
