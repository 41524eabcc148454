"""Logging in by a token of a portal: it has logged the person in, signs who it is, and the browser posts that once.

    POST {here}/handoff    token=...  [state=...]

For Qlik within a company's own pages. The token is as good as a password for a minute, so it comes in a form, never in
an address, from a page of the portal alone, and counts once on all workers and machines.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from qproxy.auth.method import Accept, Answer, LoginRequest, Method, Reason, Refuse, Send
from qproxy.auth.token_keys import BadToken, TokenKeys
from qproxy.notes import Notes

log = logging.getLogger("qproxy.auth")

VERB: Final = "handoff"
LONGEST_STATE: Final = 1500
LONGEST_ID: Final = 255
"""Characters of jti and sub."""

REMEDY: Final[Mapping[str, str]] = {
    "handoff_not_posted": "a token must be posted by a form to .../handoff, never stand in an address",
    "handoff_wrong_origin": "the form came from a page that is neither the portal's nor in origins",
    "handoff_malformed": "this is no signed token (JWT), or one of more than 16384 characters",
    "handoff_wrong_algorithm": "the portal signs with an algorithm that is not in algorithms",
    "handoff_unknown_key": "the portal signs with a key that is not in jwks_file or key_file",
    "handoff_wrong_signature": "the signature is not the portal's: compare the key's file with the portal's",
    "handoff_wrong_issuer": "iss is not issuer",
    "handoff_wrong_audience": "aud does not name audience",
    "handoff_missing_claim": "sub, jti, iat or exp is missing, or not as it must be",
    "handoff_too_long": "exp is later after iat than lifetime allows",
    "handoff_not_yet": "nbf or iat is in the future: compare the clocks of portal and qproxy",
    "handoff_expired": "exp is over: compare the clocks of portal and qproxy",
    "handoff_replayed": "this token was used before: the portal has to make one for each login",
}
_YEAR_33658: Final = 1e12
_BEGIN_AGAIN: Final = {"handoff_expired", "handoff_replayed"}


@dataclass(frozen=True, slots=True)
class Terms:
    """What a token has to say. Times in seconds; `origins` as browsers write them."""

    portal: str
    origins: frozenset[str]
    issuer: str
    audience: str
    lifetime: float = 60.0
    skew: float = 10.0


class Odd(ValueError):
    """Its text is the failure word."""


class JwtHandoff(Method):
    """`clock`: seconds since the epoch."""

    returns: ClassVar[Mapping[str, str]] = {VERB: "state"}
    posts_back: ClassVar[bool] = True

    def __init__(
        self, keys: TokenKeys, terms: Terms, notes: Notes, clock: Callable[[], float], *, name: str = "jwt_handoff"
    ) -> None:
        self.name = name
        self._keys = keys
        self._terms = terms
        self._notes = notes
        self._clock = clock

    async def step(self, request: LoginRequest) -> Answer:
        if request.verb != VERB:
            mark = await request.keep({}, LONGEST_STATE)
            portal = self._terms.portal
            return Send(f"{portal}{'&' if '?' in portal else '?'}state={mark}")
        try:
            claims = self._claims(request)
            await self._use_up(claims)
        except Odd as odd:
            return self._refuse(str(odd), request)
        target = claims.get("target")
        return Accept(claims["sub"], claims=_flat(claims), target=target if isinstance(target, str) else "")

    def _refuse(self, word: str, request: LoginRequest) -> Refuse:
        log.warning("%s: nobody was logged in (%s) from %s: %s", self.name, word, request.address, REMEDY[word])
        return Refuse(Reason.STALE if word in _BEGIN_AGAIN else Reason.REJECTED, word=word)

    def _claims(self, request: LoginRequest) -> dict[str, Any]:
        """Of a token that may be taken, if it was not taken before. Raises Odd."""
        if "token" in request.query or not request.form.get("token"):
            raise Odd("handoff_not_posted")
        origin = request.headers.get("origin", ())
        if len(origin) != 1 or origin[0] not in self._terms.origins:
            raise Odd("handoff_wrong_origin")
        try:
            claims = self._keys.verified(request.form["token"])
        except BadToken as bad:
            raise Odd(f"handoff_{bad}") from None
        self._check_place(claims)
        self._check_time(claims)
        return claims

    def _check_place(self, claims: Mapping[str, Any]) -> None:
        audience = claims.get("aud")
        if claims.get("iss") != self._terms.issuer:
            raise Odd("handoff_wrong_issuer")
        if self._terms.audience not in (audience if isinstance(audience, list) else [audience]):
            raise Odd("handoff_wrong_audience")
        for name in ("sub", "jti"):
            value = claims.get(name)
            if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_ID or not value.isprintable():
                raise Odd("handoff_missing_claim")

    def _check_time(self, claims: Mapping[str, Any]) -> None:
        """RFC 7519 sections 4.1.4 to 4.1.6; iat and exp must be there."""
        now, skew = self._clock(), self._terms.skew
        made, over = _seconds(claims, "iat"), _seconds(claims, "exp")
        if over - made > self._terms.lifetime:
            raise Odd("handoff_too_long")
        if max(made, _seconds(claims, "nbf") if "nbf" in claims else made) > now + skew:
            raise Odd("handoff_not_yet")
        if over + skew <= now:
            raise Odd("handoff_expired")

    async def _use_up(self, claims: Mapping[str, Any]) -> None:
        """May raise StoreUnavailable: nobody is logged in by a token of which nobody knows whether it was used."""
        used = f"handoff {self._terms.issuer}\0{claims['jti']}"
        if not await self._notes.once(used, claims["exp"] + self._terms.skew):
            raise Odd("handoff_replayed")


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _YEAR_33658:
        raise Odd("handoff_missing_claim")
    return value


def _flat(claims: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Texts, numbers, flags, and lists of them; what is nested otherwise is left out."""
    listed = {name: value if isinstance(value, list) else [value] for name, value in claims.items()}
    return {name: tuple(_text(one) for one in values if _is_plain(one)) for name, values in listed.items()}


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
