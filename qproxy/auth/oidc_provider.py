"""One OpenID provider as qproxy asks it: what it says of itself, its keys, its token and userinfo endpoints.

What it says of itself and its keys are kept for an hour and asked for by one call at a time. A key that is not known
has the keys fetched again, at most once a minute, so that a provider may change its keys whenever it likes and
nobody makes us ask it all the time. It must not judge what a token says (oidc_tokens) or know a login.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar
from urllib.parse import urlsplit

from joserfc.jwk import Key

from qproxy.auth.oidc_client import ClientProof, NoProof
from qproxy.auth.oidc_errors import OidcFault
from qproxy.auth.oidc_http import HttpAnswer, JsonObject, ProviderHttp, failed
from qproxy.auth.oidc_keys import ProviderKey, keys_for, read_keys, secret_key
from qproxy.auth.oidc_tokens import ASYMMETRIC, ID_TOKEN, SYMMETRIC, Expected, Header, check_type, read_header, verified
from qproxy.config.fields import is_loopback

log = logging.getLogger("qproxy.auth")

T = TypeVar("T")

FRESH: Final = 3600.0
"""Seconds for which an answer is taken as it is."""
STALE: Final = 86400.0
"""Seconds for which it serves while the provider gives no new one."""
PAUSE: Final = 60.0
"""Seconds between two looks for a key that is not known."""
RETRY: Final = 5.0
"""Seconds for which a failure is told without asking again."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What discovery says (OpenID Connect Discovery 1.0 section 3). Endpoints that are not there are ""."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    names_itself: bool = False
    """Whether its answers carry `iss` (RFC 9207), so that one without it is not its answer."""
    said: JsonObject = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Client:
    """Who qproxy is there. `secret` is needed for HS256 alone."""

    issuer: str
    client_id: str
    proof: ClientProof = field(default_factory=NoProof, repr=False)
    audience: str = "issuer"
    """For whom a signed assertion is: "issuer", or "token_endpoint" where the provider is of the older mind."""
    algorithms: Sequence[str] = ASYMMETRIC
    skew: float = 60.0
    secret: str = field(default="", repr=False)


class Fetched(Generic[T]):
    """What is fetched by one call at a time, and kept. A newer failure does not take away what is still usable."""

    def __init__(self, fetch: Callable[[], Awaitable[T]], clock: Callable[[], float], what: str) -> None:
        self._fetch = fetch
        self._clock = clock
        self._what = what
        self._lock = asyncio.Lock()
        self._kept: T | None = None
        self._at = self._tried = self._wished = float("-inf")
        self._fault: OidcFault | None = None

    async def get(self) -> T:
        """Raises OidcFault."""
        async with self._lock:
            if not self._within(self._at, FRESH) and not self._within(self._tried, RETRY):
                await self._fetch_now()
            return self._usable()

    async def again(self) -> T:
        """Fetched afresh, unless somebody wished so a moment ago. Raises OidcFault."""
        async with self._lock:
            if not self._within(self._wished, PAUSE):
                self._wished = self._clock()
                await self._fetch_now()
            return self._usable()

    def _within(self, since: float, seconds: float) -> bool:
        return 0 <= self._clock() - since < seconds

    def _usable(self) -> T:
        if self._kept is None:
            assert self._fault is not None
            raise self._fault
        return self._kept

    async def _fetch_now(self) -> None:
        self._tried = self._clock()
        try:
            self._kept = await self._fetch()
            self._at = self._tried
        except OidcFault as fault:
            self._fault = fault
            if not self._within(self._at, STALE):
                self._kept = None
            else:
                log.warning("%s: no new one (%s), the last one serves on: %s", self._what, fault.word, fault)


class Provider:
    """`clock`: seconds since the epoch. All methods may raise OidcFault."""

    def __init__(self, client: Client, http: ProviderHttp, clock: Callable[[], float]) -> None:
        self.client = client
        self._http = http
        self._clock = clock
        self._metadata = Fetched(self._discover, clock, f"the description of {client.issuer}")
        self._keys = Fetched(self._fetch_keys, clock, f"the keys of {client.issuer}")

    @property
    def issuer(self) -> str:
        return self.client.issuer

    def expected(self) -> Expected:
        """What every token must agree with, now."""
        return Expected(self.issuer, self.client.client_id, self._clock(), self.client.skew)

    async def metadata(self) -> Metadata:
        return await self._metadata.get()

    async def keys(self, kid: str | None) -> Sequence[ProviderKey]:
        """All of them; with a `kid` that is not among those that are known, fetched afresh."""
        known = await self._keys.get()
        if kid is None or any(key.kid == kid for key in known):
            return known
        known = await self._keys.again()
        if not any(key.kid == kid for key in known):
            text = f"the provider has no key called {kid[:60]!r}: did another issuer sign, or did it just change keys?"
            raise OidcFault("oidc_no_such_key", text)
        return known

    async def verified(self, token: str, types: Sequence[str] = ID_TOKEN) -> tuple[Header, JsonObject]:
        """A signed token's header and claims; what they say is still to be judged. `types`: its `typ` in lower case,
        "" for none."""
        header = read_header(token, self.client.algorithms)
        check_type(header, *types)
        return header, verified(token, header, await self._fitting(header))

    async def _fitting(self, header: Header) -> Sequence[Key]:
        if header.alg in SYMMETRIC:
            return [secret_key(self.client.secret)]
        return keys_for(header, await self.keys(header.kid))

    async def token(self, form: Mapping[str, str]) -> JsonObject:
        """A grant at the token endpoint, as this client: the answer with its `access_token`. For a code or a refresh
        token that is not accepted the word is "oidc_code_refused"."""
        metadata = await self.metadata()
        url = metadata.token_endpoint
        audience = url if self.client.audience == "token_endpoint" else self.issuer
        proof = self.client.proof.proof(self.client.client_id, audience, self._clock())
        answer = await self._http.post("token", url, {**form, **proof.form}, proof.headers)
        if answer.status != 200:
            raise _token_refused(url, answer)
        kind = answer.content.get("token_type")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise OidcFault("oidc_token_type", f"{url}: the answer's token_type is missing or not Bearer")
        if not _is_token(answer.content.get("access_token")):
            raise OidcFault("oidc_no_access_token", f"{url}: the answer has no access_token")
        return answer.content

    async def userinfo(self, access_token: str) -> JsonObject:
        """Claims of whom the access token is for; whether that is the person of the ID token is still to be judged."""
        url = (await self.metadata()).userinfo_endpoint
        if not url:
            raise OidcFault(
                "oidc_discovery_incomplete", f"{self.issuer} has no userinfo_endpoint: set `userinfo: never`"
            )
        answer = await self._http.get("userinfo", url, {"Authorization": f"Bearer {access_token}"})
        if answer.status in (401, 403):
            text = f"{url} does not accept the access token (status {answer.status}): may the client ask for userinfo?"
            raise OidcFault("oidc_userinfo_refused", text)
        if answer.status != 200:
            raise failed("userinfo", url, answer.status)
        return answer.content

    async def close(self) -> None:
        await self._http.close()

    async def _discover(self) -> Metadata:
        url = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        answer = await self._http.get("discovery", url)
        if answer.status != 200:
            raise failed("discovery", url, answer.status)
        return read_metadata(answer.content, self.issuer, url)

    async def _fetch_keys(self) -> tuple[ProviderKey, ...]:
        url = (await self.metadata()).jwks_uri
        answer = await self._http.get("jwks", url)
        if answer.status != 200:
            raise failed("jwks", url, answer.status)
        return read_keys(answer.content, url)


def read_metadata(content: JsonObject, issuer: str, url: str) -> Metadata:
    """Raises OidcFault."""
    said = content.get("issuer")
    if said != issuer:
        text = (
            f"{url} describes {str(said)[:200]!r}, not {issuer!r}: `issuer` must be written exactly as it stands there"
        )
        raise OidcFault("oidc_discovery_issuer", text)
    secure = urlsplit(issuer).scheme == "https"
    needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    found = {name: content.get(name, "") for name in (*needed, "userinfo_endpoint", "end_session_endpoint")}
    for name, value in found.items():
        if not (_is_endpoint(value, secure) or (value == "" and name not in needed)):
            raise OidcFault("oidc_discovery_incomplete", f"{url}: {name} is missing, or no https address")
    names_itself = content.get("authorization_response_iss_parameter_supported") is True
    return Metadata(issuer, **found, names_itself=names_itself, said=content)


def _is_endpoint(value: object, secure: bool) -> bool:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value or "#" in value:
        return False
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if "@" in parts.netloc or not host:
        return False
    return parts.scheme == "https" or (not secure and parts.scheme == "http" and is_loopback(host))


def _is_token(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 1 << 16 and value.isascii() and value.isprintable()


_CLIENT_FAULTS: Final = ("invalid_client", "unauthorized_client")


def _token_refused(url: str, answer: HttpAnswer) -> OidcFault:
    """RFC 6749 section 5.2."""
    code = answer.content.get("error")
    if code == "invalid_grant":
        text = f"{url} does not accept the code or refresh token: used before, too old, or another redirect URI"
        return OidcFault("oidc_code_refused", text)
    if code in _CLIENT_FAULTS or answer.status == 401:
        text = f"{url} does not accept this client ({error_code(code)}): check client_id, secret or key, client_auth"
        return OidcFault("oidc_client_refused", text)
    if isinstance(code, str):
        return OidcFault(
            "oidc_token_refused", f"{url} refuses the request ({error_code(code)}): look at the provider's log"
        )
    return failed("token", url, answer.status)


def error_code(value: object) -> str:
    """An error code of OAuth, fit to be logged; whoever calls may have made it up."""
    known = isinstance(value, str) and 0 < len(value) <= 60 and value.replace("_", "").isalnum() and value.isascii()
    return str(value) if known else "no error code"
