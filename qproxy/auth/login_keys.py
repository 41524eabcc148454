"""The two secrets of the login flow: one seals what a login URL carries, one binds a form to a browser.

Both are derived from the configured keys, so that nothing has to be remembered between the pages of a login. The first
key makes, every key is accepted: a key is rotated by putting a new one in front. Nothing here knows what is sealed.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE: Final = 12
_TAG: Final = 16
SHORTEST_KEY: Final = 16
"""Bytes."""


class LoginKeys:
    """`secrets`: the keys of the configuration, newest first. Raises ValueError for none or a short one."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self.use_keys(secrets)

    def use_keys(self, secrets: Sequence[bytes]) -> None:
        """These from now on: who is about to log in with what an earlier one sealed needs that one in the list."""
        if not secrets or min(map(len, secrets)) < SHORTEST_KEY:
            raise ValueError(f"at least one key of at least {SHORTEST_KEY} bytes is needed")
        self._seals = [AESGCM(_derived(secret, b"qproxy login state")) for secret in secrets]
        self._forms = [_derived(secret, b"qproxy login form") for secret in secrets]

    def seal(self, plain: bytes, bound: str) -> str:
        """URL-safe text that only `unseal` with the same `bound` reads."""
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._seals[0].encrypt(nonce, plain, bound.encode())
        return _text(sealed)

    def unseal(self, text: str, bound: str) -> bytes | None:
        """None for whatever `seal` did not make."""
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        if len(sealed) < _NONCE + _TAG or _text(sealed) != text:  # "+" and "/" would be read, too
            return None
        for key in self._seals:
            try:
                return key.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound.encode())
            except InvalidTag:
                continue
        return None

    def token(self, *bound: str) -> str:
        """Proof that a form was made by us for exactly these texts."""
        return _mac(self._forms[0], bound)

    def is_token(self, token: str, *bound: str) -> bool:
        given = token.encode(errors="replace")
        return any(hmac.compare_digest(given, _mac(key, bound).encode()) for key in self._forms)


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret)


def _mac(key: bytes, bound: Sequence[str]) -> str:
    message = b"".join(len(text.encode()).to_bytes(4) + text.encode() for text in bound)
    return hmac.new(key, message, hashlib.sha256).hexdigest()
