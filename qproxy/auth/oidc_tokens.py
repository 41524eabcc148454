"""Judging signed tokens of an OpenID provider: signature first, then what they say. Pure: no clock, no network.

A token may name its own algorithm and key only within what is expected of it: the algorithm must be on our list, the
key one of the provider's that fits it. Keys that stand in a token or that it points to are never looked at.
Sources: RFC 7515, RFC 8725, OpenID Connect Core 1.0 section 3.1.3.7.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key

from qproxy.auth.oidc_errors import OidcFault
from qproxy.auth.oidc_http import JsonObject, json_object

LONGEST_TOKEN: Final = 1 << 16
OLDEST: Final = 600.0
"""Seconds that may have gone by since a token was issued that has just been asked for."""
ID_TOKEN: Final = ("", "jwt")
"""What may stand as type in the header of one."""
ASYMMETRIC: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
)
SYMMETRIC: Final = ("HS256", "HS384", "HS512")
_HASH: Final = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


class _Registry(jws.JWSRegistry):
    """Takes one algorithm and warns of none; headers may be longer (certificate chains stand in some)."""

    max_header_length = 16384
    max_payload_length = LONGEST_TOKEN
    max_signature_length = 4096

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


@dataclass(frozen=True, slots=True)
class Header:
    """Of a token that nobody has verified yet."""

    alg: str
    kid: str | None
    typ: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must agree with. Times in seconds, `now` since the epoch, `skew` what clocks may differ by."""

    issuer: str
    client_id: str
    now: float
    skew: float


def read_header(token: str, algorithms: Sequence[str]) -> Header:
    """Raises OidcFault for what is not to be verified at all."""
    parts = token.split(".")
    if len(parts) == 5:
        text = "the token is encrypted, which qproxy does not read: switch the encryption of ID tokens off there"
        raise OidcFault("oidc_encrypted_token", text)
    header = json_object(_decoded(parts[0])) if len(parts) == 3 and len(token) <= LONGEST_TOKEN else None
    if header is None:
        raise OidcFault("oidc_not_a_token", "what the provider sent is no signed token")
    alg, kid, typ = header.get("alg"), header.get("kid"), header.get("typ", "")
    if not isinstance(alg, str) or not isinstance(kid, str | None) or not isinstance(typ, str):
        raise OidcFault("oidc_not_a_token", "alg, kid or typ in the token's header is no text")
    if alg.lower() == "none":
        raise OidcFault("oidc_alg_none", "the token is not signed (alg none): somebody may have made it up")
    if alg not in algorithms:
        text = f"the token is signed by {alg[:20]!r}, and `algorithms` allows {', '.join(algorithms)}"
        raise OidcFault("oidc_alg_refused", text)
    if "crit" in header or "b64" in header:
        raise OidcFault("oidc_critical_header", "the token demands an extension (crit) that qproxy does not know")
    return Header(alg, kid, typ)


def check_type(header: Header, *wanted: str) -> None:
    """RFC 8725 section 3.11: a token that was made for another purpose says so."""
    if header.typ.lower().removeprefix("application/") not in wanted:
        raise OidcFault("oidc_wrong_type", f"the token is of type {header.typ[:40]!r}: made for another purpose")


def verified(token: str, header: Header, keys: Sequence[Key]) -> JsonObject:
    """The claims, if one of the keys made the signature. Raises OidcFault."""
    payload = next((payload for key in keys if (payload := _signed_by(token, header, key)) is not None), None)
    if payload is None:
        text = "the token's signature is not by the provider's key: somebody may have changed it"
        raise OidcFault("oidc_bad_signature", text)
    claims = json_object(payload)
    if claims is None:
        raise OidcFault("oidc_not_a_token", "the token holds no JSON object")
    return claims


def _signed_by(token: str, header: Header, key: Key) -> bytes | None:
    registry = _Registry(algorithms=[header.alg], strict_check_header=False)
    try:
        return jws.deserialize_compact(token, key, registry=registry).payload
    except (JoseError, ValueError, TypeError):
        return None


def _decoded(part: str) -> bytes:
    """Strictly: what another reader might take differently is nothing."""
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""


def check_id_token(claims: JsonObject, expected: Expected, nonce: str) -> None:
    """Raises OidcFault. The signature was verified before."""
    check_maker(claims, expected)
    check_times(claims, expected)
    text_of(claims, "sub")
    said = text_of(claims, "nonce")
    if not hmac.compare_digest(said.encode(), nonce.encode()):
        raise OidcFault("oidc_wrong_nonce", "the ID token belongs to another login: somebody may have put it here")


def check_maker(claims: JsonObject, expected: Expected) -> None:
    """By this provider, for this client. Also for logout tokens."""
    issuer = text_of(claims, "iss")
    if issuer != expected.issuer:
        text = (
            f"the token is of {issuer[:200]!r}, the configured issuer is {expected.issuer!r}{_slash(issuer, expected)}"
        )
        raise OidcFault("oidc_wrong_issuer", text)
    audience = claims.get("aud")
    listed = [audience] if isinstance(audience, str) else audience
    if not isinstance(listed, list) or not listed or not all(isinstance(one, str) for one in listed):
        raise OidcFault("oidc_no_aud", "the token does not say for whom it is (aud)")
    if expected.client_id not in listed:
        text = f"the token is for {', '.join(listed)[:200]!r}, not for the client_id {expected.client_id!r}"
        raise OidcFault("oidc_wrong_audience", text)
    party = claims.get("azp")
    if party is None and len(listed) > 1:
        raise OidcFault("oidc_no_azp", "the token is for several clients and does not say which one asked (azp)")
    if party is not None and party != expected.client_id:
        raise OidcFault("oidc_wrong_azp", f"another client than {expected.client_id!r} asked for the token (azp)")


def _slash(issuer: str, expected: Expected) -> str:
    alike = issuer.rstrip("/") == expected.issuer.rstrip("/")
    return ": they differ by the slash at the end, write it as the provider does" if alike else ""


def check_times(claims: JsonObject, expected: Expected, oldest: float = OLDEST) -> None:
    """exp, iat and, where it is there, nbf."""
    now, skew = expected.now, expected.skew
    expires, issued = number_of(claims, "exp"), number_of(claims, "iat")
    clocks = "compare this machine's clock and the provider's"
    if now - skew >= expires:
        raise OidcFault("oidc_expired", f"the token expired {now - expires:.0f} s ago: {clocks}")
    if issued > now + skew:
        raise OidcFault("oidc_issued_too_late", f"the token is issued {issued - now:.0f} s from now: {clocks}")
    if now - issued > oldest + skew:
        raise OidcFault("oidc_issued_too_early", f"the token was issued {now - issued:.0f} s ago: {clocks}")
    if "nbf" in claims:
        begins = claims["nbf"]
        if not _is_number(begins) or begins > now + skew:
            raise OidcFault("oidc_not_yet_valid", f"the token is not valid yet (nbf): {clocks}")


def check_login_time(claims: JsonObject, expected: Expected, max_age: float) -> None:
    """OpenID Connect Core section 3.1.2.1: who asks with max_age has to look, because a browser can leave it out."""
    at = number_of(claims, "auth_time")
    if expected.now - at > max_age + expected.skew:
        text = f"the person logged in there {expected.now - at:.0f} s ago, and max_age allows {max_age:g} s"
        raise OidcFault("oidc_login_too_old", text)


def check_access_token(claims: JsonObject, alg: str, access_token: str) -> None:
    """at_hash, where it is there (section 3.1.3.8)."""
    said = claims.get("at_hash")
    made = _HASH.get(alg[-3:])
    if said is None or made is None:
        return
    digest = made(access_token.encode()).digest()
    wanted = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    if said != wanted:
        raise OidcFault("oidc_wrong_at_hash", "the access token does not belong to the ID token (at_hash)")


def text_of(claims: JsonObject, name: str) -> str:
    """A claim that must be there: one text, not empty, of at most 1,000 printable characters."""
    value = claims.get(name)
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= 1000:
        raise OidcFault(f"oidc_no_{name}", f"the token lacks {name}, or it is not a text")
    return value


def number_of(claims: JsonObject, name: str) -> float:
    value = claims.get(name)
    if not _is_number(value):
        raise OidcFault(f"oidc_no_{name}", f"the token lacks {name}, or it is not a number")
    return float(value)  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
