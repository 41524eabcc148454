"""An OpenID provider's public keys, as its JWK Set lists them, and which of them fit a token. Pure.

What is not understood is left out, as RFC 7517 section 5 wants; secret keys and weak ones are left out too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey, import_key

from qproxy.auth.oidc_errors import OidcFault
from qproxy.auth.oidc_http import JsonObject
from qproxy.auth.oidc_tokens import Header

MOST_KEYS: Final = 100
LEAST_RSA_BITS: Final = 2048
CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "Ed25519": "Ed25519"}


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """`alg` "" where the set does not say for which it is."""

    kid: str | None
    alg: str
    key: Key

    def fits(self, alg: str) -> bool:
        if self.alg and self.alg != alg:
            return False
        if alg.startswith(("RS", "PS")):
            return isinstance(self.key, RSAKey)
        if alg == "EdDSA":
            return isinstance(self.key, OKPKey) and self.key.curve_name in ("Ed25519", "Ed448")
        return isinstance(self.key, ECKey | OKPKey) and self.key.curve_name == CURVES.get(alg)


def read_keys(content: JsonObject, url: str) -> tuple[ProviderKey, ...]:
    """Raises OidcFault when there is none to be used."""
    listed = content.get("keys")
    found = [_read(one) for one in listed[:MOST_KEYS]] if isinstance(listed, list) else []
    usable = tuple(key for key in found if key is not None)
    if not usable:
        raise OidcFault("oidc_jwks_empty", f"{url} lists no key that can verify a signature: is it the provider's?")
    return usable


def _read(entry: object) -> ProviderKey | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or entry.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    kid, alg = entry.get("kid"), entry.get("alg", "")
    if not isinstance(kid, str | None) or not isinstance(alg, str) or _is_weak(entry):
        return None
    public = {name: entry[name] for name in ("kty", "n", "e", "crv", "x", "y") if isinstance(entry.get(name), str)}
    try:
        return ProviderKey(kid, alg, import_key(public))
    except (JoseError, ValueError, TypeError):
        return None


def _is_weak(entry: JsonObject) -> bool:
    modulus = entry.get("n", "")
    return entry["kty"] == "RSA" and len(str(modulus)) * 6 < LEAST_RSA_BITS


def keys_for(header: Header, keys: Sequence[ProviderKey]) -> list[Key]:
    """Those that may have signed it. Raises OidcFault when the token leaves open which of several did."""
    named = [key for key in keys if header.kid is None or key.kid == header.kid]
    fitting = [key.key for key in named if key.fits(header.alg)]
    if header.kid is None and len(fitting) > 1:
        text = f"the token names no key (kid), and {len(fitting)} of the provider's fit: let it write kid in its tokens"
        raise OidcFault("oidc_no_kid", text)
    if not fitting:
        text = f"no key of the provider called {header.kid!r:.60} is for {header.alg}: did another issuer sign?"
        raise OidcFault("oidc_no_such_key", text)
    return fitting


def secret_key(secret: str) -> Key:
    """The client secret as the key of HS256 (OpenID Connect Core section 10.1)."""
    return OctKey.import_key(secret.encode())
