"""Whose signature on a token is believed: keys from files, and the algorithms that the configuration allows.

The token has no say in it: what its head names as a key (jwk, jku, x5c) is never looked at, and an algorithm that is
not allowed, or does not belong to the kind of key, is refused before anything is computed.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from joserfc import jws
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.util import urlsafe_b64decode

from qproxy.secret_files import SecretError, read_secret, read_text

LONGEST_TOKEN: Final = 16384
"""Characters."""
_KINDS: Final[Mapping[str, str]] = {"R": "RSA", "P": "RSA", "E": "EC", "H": "oct"}
"""The kind of key of an algorithm, by its first letter (RFC 7518 section 3.1)."""
_SHORTEST_RSA: Final = 2048

Key = RSAKey | ECKey | OctKey


class _Registry(jws.JWSRegistry):
    max_header_length = LONGEST_TOKEN


class BadToken(ValueError):
    """Its text is malformed, wrong_algorithm, unknown_key or wrong_signature."""


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """`keys`: each with the name under which a token may ask for it, "" for none."""

    algorithms: Collection[str]
    keys: tuple[tuple[str, Key], ...] = field(repr=False)

    @classmethod
    def public(cls, files: Iterable[Path], algorithms: Collection[str]) -> Self:
        """From PEM files, each with one public key or certificate. Raises SecretError."""
        return cls(algorithms, tuple(("", _public(path)) for path in files))

    @classmethod
    def published(cls, file: Path, algorithms: Collection[str]) -> Self:
        """From a JWK set (RFC 7517 section 5) in a file. Raises SecretError."""
        try:
            listed = json.loads(read_text(file))["keys"]
            keys = tuple((str(one.get("kid", "")), _of_set(one)) for one in listed if one.get("use", "sig") == "sig")
        except (ValueError, KeyError, TypeError, AttributeError, JoseError, RecursionError):
            keys = ()
        if not keys:
            raise SecretError(
                f'{file} is no JWK set with RSA or EC keys: {{"keys": [...]}}, as the portal publishes it'
            )
        return cls(algorithms, keys)

    @classmethod
    def secret(cls, files: Iterable[Path], algorithms: Collection[str]) -> Self:
        """From files that the portal has, too. Raises SecretError."""
        return cls(algorithms, tuple(("", OctKey.import_key(read_secret(path).encode())) for path in files))

    def verified(self, token: str) -> dict[str, Any]:
        """What a token says that one of these keys signed. Raises BadToken."""
        algorithm, kid = self._head(token)
        registry = _Registry(algorithms=[algorithm], strict_check_header=False)
        for key in self._candidates(algorithm, kid):
            try:
                signed = jws.deserialize_compact(token, key, [algorithm], registry)
                return _mapping(signed.payload)
            except BadSignatureError:
                continue
            except (JoseError, ValueError):
                raise BadToken("malformed") from None
        raise BadToken("wrong_signature")

    def _head(self, token: str) -> tuple[str, str]:
        head, _, rest = token.partition(".")
        if len(token) > LONGEST_TOKEN or not token.isascii() or rest.count(".") != 1:
            raise BadToken("malformed")
        try:
            fields = _mapping(urlsafe_b64decode(head.encode()))
        except ValueError:
            raise BadToken("malformed") from None
        algorithm, kid = fields.get("alg"), fields.get("kid", "")
        if "crit" in fields or not isinstance(kid, str):  # RFC 7515 section 4.1.11: nothing critical is understood
            raise BadToken("malformed")
        if not isinstance(algorithm, str) or algorithm not in self.algorithms:
            raise BadToken("wrong_algorithm")
        return algorithm, kid

    def _candidates(self, algorithm: str, kid: str) -> list[Key]:
        """Where keys have names, one must be asked for by its own, unless there is only one."""
        named = any(name for name, _ in self.keys)
        meant = [key for name, key in self.keys if not named or name == kid or (not kid and len(self.keys) == 1)]
        fitting = [key for key in meant if key.key_type == _KINDS[algorithm[0]]]
        if not fitting:
            raise BadToken("unknown_key")
        return fitting


def _mapping(text: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(text or b"")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadToken("malformed")
    return found


def _public(path: Path) -> Key:
    text = read_text(path).encode()
    key: object = None
    try:
        if b"BEGIN CERTIFICATE" in text:
            key = x509.load_pem_x509_certificate(text).public_key()
        else:
            key = load_pem_public_key(text)
    except ValueError:
        pass
    if isinstance(key, RSAPublicKey) and key.key_size >= _SHORTEST_RSA:
        return RSAKey.import_key(_pem(key))
    if isinstance(key, EllipticCurvePublicKey):
        return ECKey.import_key(_pem(key))
    raise SecretError(f"{path} holds no public key (BEGIN PUBLIC KEY) or certificate of RSA with 2048 bits, or of EC")


def _pem(key: RSAPublicKey | EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _of_set(fields: Mapping[str, Any]) -> Key:
    """Raises ValueError, KeyError or JoseError for what is no public key of the two kinds."""
    public = {name: value for name, value in fields.items() if name not in _PRIVATE}
    if fields["kty"] == "EC":
        return ECKey.import_key(public)
    if 8 * len(urlsafe_b64decode(fields["n"].encode()).lstrip(b"\0")) < _SHORTEST_RSA:
        raise ValueError("a short key")
    return RSAKey.import_key(public)


_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "use", "key_ops", "alg"})
"""Members of a JWK that are secret, or say what joserfc would refuse a key for."""
