"""Logging in at an OpenID Connect provider: the authorization code flow, always with PKCE (S256), state and nonce.

The browser is sent away with a state that only it can bring back, once; the code is exchanged by qproxy itself; the ID
token is judged (oidc_tokens), and what it says of the person goes to the mapping rules. Whatever is wrong ends in a
Refuse with its own word and one line in the log. It must not trust a parameter of the browser, and keeps nothing.
Sources: OpenID Connect Core 1.0 section 3.1, RFC 7636, RFC 9207, RFC 9700.
"""

import base64
import hashlib
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal
from urllib.parse import urlencode

from qproxy.auth.method import Accept, Answer, Call, LoginRequest, Method, Reason, Refuse, Reply, Send
from qproxy.auth.oidc_claims import check_required, flattened, left_out, user_id_of
from qproxy.auth.oidc_errors import OidcFault
from qproxy.auth.oidc_http import JsonObject
from qproxy.auth.oidc_logout import (
    CALLS,
    LONGEST_SID,
    lasting,
    leave_address,
    provider_says,
    refreshed,
    refused_call,
    sid_key,
    sub_key,
)
from qproxy.auth.oidc_provider import Metadata, Provider, error_code
from qproxy.auth.oidc_tokens import check_access_token, check_id_token, check_login_time
from qproxy.model import Session, Tie
from qproxy.notes import Notes

log = logging.getLogger("qproxy.auth")

CALLBACK: Final = "callback"
STATE_LIMIT: Final = 1500
"""Bytes of `state`: addresses of 2,000 bytes cross whatever stands between a browser and its provider."""
LONGEST_HINT: Final = 256
LONGEST_CODE: Final = 8192
LONGEST_KEPT: Final = 1 << 14
"""Bytes of an ID token that is kept for the logout; a longer one would make every session as long."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the configuration wants of a login. `user_id`: claims that may name the person, the first that is there
    counts. `claims`: names that the rules need; "auto" asks userinfo for those that the ID token lacks."""

    scopes: Sequence[str] = ("openid", "profile", "email")
    parameters: Mapping[str, str] = field(default_factory=dict)
    user_id: Sequence[str] = ("preferred_username", "sub")
    claims: Sequence[str] = ()
    userinfo: Literal["auto", "always", "never"] = "auto"
    require: Mapping[str, Sequence[str]] = field(default_factory=dict)
    max_age: float | None = None
    recheck: float | None = None
    """Seconds after which the provider is asked whether the login still stands; None: as long as its tokens last."""
    grace: float = 900.0
    """Seconds for which that question may go unanswered."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login got: the ID token with its claims, judged."""

    access_token: str = field(repr=False)
    id_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: float
    """Seconds that the access token lasts."""
    claims: JsonObject = field(repr=False)


class OpenIdConnect(Method):
    """`clock`: seconds since the epoch."""

    returns: ClassVar[Mapping[str, str]] = {CALLBACK: "state"}
    calls = CALLS

    def __init__(self, name: str, provider: Provider, wishes: Wishes, clock: Callable[[], float], notes: Notes) -> None:
        self.name = name
        self.provider = provider
        self.grace = wishes.grace
        self._wishes = wishes
        self._clock = clock
        self._notes = notes

    async def step(self, request: LoginRequest) -> Answer:
        try:
            if not request.verb:
                return await self._away(request)
            if not request.kept:
                return Refuse(Reason.STALE)
            return await self._back(request)
        except OidcFault as fault:
            return self.refused(request.vp, fault)

    async def call(self, call: Call) -> Reply:
        try:
            return await provider_says(self.provider, self._notes, call)
        except OidcFault as fault:
            log.warning("%s by %s at %s refused (%s): %s", call.verb, call.address, self.name, fault.word, fault.detail)
            return refused_call(fault)

    async def leave(self, session: Session, back: str) -> str:
        return await leave_address(self.provider, session, back)

    async def recheck(self, session: Session) -> Tie | None:
        return await refreshed(self.provider, session, self._clock(), self._wishes.recheck)

    async def close(self) -> None:
        await self.provider.close()

    def refused(self, vp: str, fault: OidcFault) -> Refuse:
        level = logging.ERROR if fault.reason is Reason.UNAVAILABLE else logging.WARNING
        log.log(level, "login %s at %s refused (%s): %s", self.name, vp, fault.word, fault.detail)
        return Refuse(fault.reason, word=fault.word)

    # to the provider

    async def _away(self, request: LoginRequest) -> Send:
        metadata = await self.provider.metadata()
        nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        state = await request.keep({"nonce": nonce, "verifier": verifier}, STATE_LIMIT)
        parameters = {
            **self._wishes.parameters,
            **self._further(request),
            "response_type": "code",
            "client_id": self.provider.client.client_id,
            "redirect_uri": _redirect_uri(request),
            "scope": " ".join(self._wishes.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        endpoint = metadata.authorization_endpoint
        return Send(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}")

    def _further(self, request: LoginRequest) -> Mapping[str, str]:
        """The name that the person gave on the login page spares typing it twice."""
        found = {} if self._wishes.max_age is None else {"max_age": f"{self._wishes.max_age:.0f}"}
        hint = request.query.get("login_hint", "")
        return found | ({"login_hint": hint} if hint.isprintable() and 0 < len(hint) <= LONGEST_HINT else {})

    # and back

    async def _back(self, request: LoginRequest) -> Accept:
        code = read_response(request.query, await self.provider.metadata())
        tokens = await self._redeemed(code, request)
        said = await self._said(tokens)
        claims, cut = flattened(said)
        self._warn(request.vp, cut, left_out(said))
        check_required(claims, self._wishes.require)
        user_id = user_id_of(claims, self._wishes.user_id, said.get("email_verified"))
        check_at = self._clock() + (self._wishes.recheck or tokens.expires_in)
        return Accept(user_id, claims=claims, tie=tie_of(self.provider, tokens, check_at))

    async def _redeemed(self, code: str, request: LoginRequest) -> Tokens:
        answer = await self.provider.token(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": _redirect_uri(request),
                "code_verifier": request.kept["verifier"],
            }
        )
        id_token = answer.get("id_token")
        if not isinstance(id_token, str) or not id_token:
            raise OidcFault("oidc_no_id_token", "the token endpoint sent no ID token: is openid among `scopes`?")
        header, claims = await self.provider.verified(id_token)
        expected = self.provider.expected()
        check_id_token(claims, expected, request.kept["nonce"])
        check_access_token(claims, header.alg, answer["access_token"])
        if self._wishes.max_age is not None:
            check_login_time(claims, expected, self._wishes.max_age)
        return tokens_of(answer, claims)

    async def _said(self, tokens: Tokens) -> JsonObject:
        """The ID token's claims, and those of userinfo that it lacks."""
        if not await self._asks_userinfo(tokens.claims):
            return tokens.claims
        told = await self.provider.userinfo(tokens.access_token)
        if told.get("sub") != tokens.claims["sub"]:
            raise OidcFault("oidc_userinfo_sub", "userinfo speaks of another person than the ID token (sub)")
        return {**told, **tokens.claims}

    async def _asks_userinfo(self, claims: JsonObject) -> bool:
        if self._wishes.userinfo != "auto":
            return self._wishes.userinfo == "always"
        wanted = {*self._wishes.claims, *self._wishes.require, *self._wishes.user_id[:1]}
        found, _ = flattened(claims)
        return not wanted <= set(found) and (await self.provider.metadata()).userinfo_endpoint != ""

    def _warn(self, vp: str, cut: Sequence[str], absent: Sequence[str]) -> None:
        if cut:
            log.warning("login %s at %s: of the claims %s something was left out: too much", self.name, vp, cut)
        if absent:
            text = "login %s at %s: the provider left out %s because there is too much of it: send fewer groups"
            log.warning(text, self.name, vp, ", ".join(absent))


def read_response(query: Mapping[str, str], metadata: Metadata) -> str:
    """The code of an authorization response. Raises OidcFault."""
    issuer = query.get("iss")
    if issuer is None and metadata.names_itself:
        text = "the answer does not name its issuer (iss), and the provider always does: another one may have made it"
        raise OidcFault("oidc_response_issuer_missing", text)
    if issuer is not None and issuer != metadata.issuer:
        text = "the answer is another issuer's (iss): somebody mixed up two providers"
        raise OidcFault("oidc_response_issuer_wrong", text)
    if "error" in query:
        raise _error_of(error_code(query["error"]))
    code = query.get("code", "")
    if not 0 < len(code) <= LONGEST_CODE or not code.isascii() or not code.isprintable():
        raise OidcFault("oidc_no_code", "the answer holds neither a code nor an error")
    return code


_ERROR_WORDS: Final = {
    "access_denied": "oidc_access_denied",
    "consent_required": "oidc_login_required",
    "interaction_required": "oidc_login_required",
    "login_required": "oidc_login_required",
    "account_selection_required": "oidc_login_required",
    "server_error": "oidc_provider_unavailable",
    "temporarily_unavailable": "oidc_provider_unavailable",
}


def _error_of(code: str) -> OidcFault:
    """RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6."""
    word = _ERROR_WORDS.get(code, "oidc_request_refused")
    return OidcFault(word, f"the provider sent the person back with {code}: its own log says why")


def tokens_of(answer: JsonObject, claims: JsonObject) -> Tokens:
    refresh = answer.get("refresh_token")
    return Tokens(
        answer["access_token"],
        answer.get("id_token", ""),
        refresh if isinstance(refresh, str) else "",
        lasting(answer),
        claims,
    )


def tie_of(provider: Provider, tokens: Tokens, check_at: float) -> Tie:
    """By which keys the provider may end the session, and what it takes to ask it again."""
    subject, sid = tokens.claims["sub"], tokens.claims.get("sid")
    keys = [sub_key(provider, subject)]
    if isinstance(sid, str) and 0 < len(sid) <= LONGEST_SID:
        keys.append(sid_key(provider, sid))
    kept = {"sub": subject, "refresh_token": tokens.refresh_token}
    kept["id_token"] = tokens.id_token if len(tokens.id_token) <= LONGEST_KEPT else ""
    kept = {name: value for name, value in kept.items() if value}
    return Tie(tuple(keys), kept, check_at if tokens.refresh_token else 0.0)


def _redirect_uri(request: LoginRequest) -> str:
    return f"{request.here}/{CALLBACK}"


def _challenge(verifier: str) -> str:
    """S256 of RFC 7636 section 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
