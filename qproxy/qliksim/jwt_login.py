"""Login by a signed token in the Authorization header, as a virtual proxy with JWT authentication does.

Only RS256 with one configured public key, which is what such virtual proxies are usually given. Expiry is checked,
nothing else about time.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

USER_CLAIM = "userId"
DIRECTORY_CLAIM = "userDirectory"


class BadTokenError(ValueError):
    """The token is no token, or not one of ours; the node answers a bare 400."""


def owner_of(token: str, public_key: str, now: float) -> tuple[str, str]:
    """Directory and user of a good token; `public_key` is PEM. Raises BadTokenError."""
    try:
        head, claims, signature = token.split(".")
        if _part(head).get("alg") != "RS256":
            raise BadTokenError("the algorithm is not RS256")
        _verify(public_key, f"{head}.{claims}".encode(), _decoded(signature))
        said = _part(claims)
        if now >= float(said.get("exp", now + 1)):
            raise BadTokenError("the token has expired")
        return str(said[DIRECTORY_CLAIM]), str(said[USER_CLAIM])
    except (ValueError, KeyError, TypeError, InvalidSignature) as error:
        raise BadTokenError(f"bad token: {type(error).__name__}") from error


def _verify(public_key: str, signed: bytes, signature: bytes) -> None:
    key = load_pem_public_key(public_key.encode())
    if not isinstance(key, RSAPublicKey):
        raise BadTokenError("the configured key is no RSA key")
    key.verify(signature, signed, PKCS1v15(), SHA256())


def _part(text: str) -> Mapping[str, Any]:
    content = json.loads(_decoded(text))
    if not isinstance(content, Mapping):
        raise BadTokenError("no claims")
    return content


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
