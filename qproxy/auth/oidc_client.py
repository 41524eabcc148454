"""How qproxy proves to an OpenID provider which client it is, at the token endpoint.

Secrets come in as text and go out to that endpoint alone. Sources: RFC 6749 section 2.3.1, RFC 7523, OpenID Connect
Core section 9.
"""

import base64
import hashlib
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import quote_plus

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey

from qproxy.signing_keys import SigningKey

ASSERTION_SECONDS: Final = 60
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Proof:
    """What a call of the token endpoint gets in addition."""

    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class ClientProof(Protocol):
    def proof(self, client_id: str, audience: str, now: float) -> Proof:
        """`audience`: whom a signed assertion is for."""
        ...


class NoProof:
    """A public client: PKCE alone."""

    def proof(self, client_id: str, audience: str, now: float) -> Proof:
        return Proof({"client_id": client_id})


@dataclass(frozen=True, slots=True)
class BasicSecret:
    secret: str = field(repr=False)

    def proof(self, client_id: str, audience: str, now: float) -> Proof:
        pair = f"{quote_plus(client_id)}:{quote_plus(self.secret)}".encode()
        return Proof(headers={"Authorization": f"Basic {base64.b64encode(pair).decode()}"})


@dataclass(frozen=True, slots=True)
class PostedSecret:
    secret: str = field(repr=False)

    def proof(self, client_id: str, audience: str, now: float) -> Proof:
        return Proof({"client_id": client_id, "client_secret": self.secret})


@dataclass(frozen=True, slots=True)
class SignedAssertion:
    """private_key_jwt. `header`: what names the key to the provider (kid, x5t)."""

    key: Key = field(repr=False)
    alg: str
    header: Mapping[str, str] = field(default_factory=dict)

    def proof(self, client_id: str, audience: str, now: float) -> Proof:
        at = int(now)
        claims: dict[str, Any] = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": secrets.token_urlsafe(24),
            "iat": at,
            "nbf": at,
            "exp": at + ASSERTION_SECONDS,
        }
        signed = jwt.encode({"typ": "JWT", **self.header, "alg": self.alg}, claims, self.key, algorithms=[self.alg])
        form = {"client_id": client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
        return Proof(form)


def signed_assertion(key: SigningKey, alg: str, kid: str = "", certificate: str = "") -> SignedAssertion:
    """`certificate`: PEM, where the provider knows the key by it. Raises ValueError when it is none."""
    header = {"kid": kid} if kid else {}
    if certificate:
        der = ssl.PEM_cert_to_DER_cert(certificate.strip())
        header["x5t#S256"] = _thumb(hashlib.sha256(der).digest())
        header["x5t"] = _thumb(hashlib.sha1(der, usedforsecurity=False).digest())
    made = RSAKey.import_key(key) if isinstance(key, RSAPrivateKey) else ECKey.import_key(key)
    return SignedAssertion(made, alg, header)


def _thumb(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
