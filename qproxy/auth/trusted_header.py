"""Logging in by a header: a proxy in front has logged the person in and says who it is.

Any browser can send the same header. So it counts only from the proxy's own address (that of the connection, whatever
X-Forwarded-For says) together with the certificate or the secret that the proxy shows. What is missing, stands twice or
looks odd refuses the login: nothing here is mended or guessed.
"""

import hmac
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from qproxy.auth.method import Accept, Answer, LoginRequest, Method, Reason, Refuse
from qproxy.clients import Clients, Network

log = logging.getLogger("qproxy.auth")

NAME: Final = re.compile(
    r"(?:(?P<domain>[A-Za-z0-9][A-Za-z0-9._-]{0,63})\\)?(?P<id>[A-Za-z0-9][A-Za-z0-9._@+' -]{0,126})"
)
LONGEST_VALUE: Final = 1024
"""Characters of one value of a claim."""

WRONG_NETWORK: Final = "header_wrong_network"
WRONG_CERTIFICATE: Final = "header_wrong_certificate"
WRONG_SECRET: Final = "header_wrong_secret"  # noqa: S105 - a failure word
MISSING: Final = "header_missing"
TWICE: Final = "header_twice"
BAD_NAME: Final = "header_bad_name"
WRONG_DOMAIN: Final = "header_wrong_domain"
BAD_CLAIM: Final = "header_bad_claim"

REMEDY: Final[Mapping[str, str]] = {
    WRONG_NETWORK: "is not in networks: add it if this is the proxy, and let nobody else reach qproxy",
    WRONG_CERTIFICATE: "showed no certificate with a name of certificate_names",
    WRONG_SECRET: "did not show the secret once: compare secret_file with what the proxy sends",
    MISSING: "did not say who it is: does the proxy log people in on /qproxy/login/, and set user_header there?",
    TWICE: "sent a header twice: the proxy must delete what browsers send before it sets its own",
    BAD_NAME: "named somebody with odd characters or too long",
    WRONG_DOMAIN: "named somebody whose domain is not in domains",
    BAD_CLAIM: "sent a claim with control characters, odd bytes or too long",
}


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe: what the connection's other end has to be and to show. Header names in lower case."""

    networks: Sequence[Network]
    certificate_names: frozenset[str] = frozenset()
    secret_header: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def problem(self, request: LoginRequest) -> str:
        """The failure word, or "". With neither certificate nor secret nobody is believed."""
        if not Clients(self.networks).trusts(request.peer):
            return WRONG_NETWORK
        if self.certificate_names and self.certificate_names.isdisjoint(request.certificate):
            return WRONG_CERTIFICATE
        if self.secrets or not self.certificate_names:
            return "" if self._shows_secret(request.headers.get(self.secret_header, ())) else WRONG_SECRET
        return ""

    def _shows_secret(self, values: tuple[str, ...]) -> bool:
        if len(values) != 1:
            return False
        shown = values[0].encode("utf-8", "surrogatepass")
        return sum(hmac.compare_digest(shown, secret.encode()) for secret in self.secrets) > 0


@dataclass(frozen=True, slots=True)
class Reading:
    """Which header (lower case) says what."""

    user: str
    domains: frozenset[str] = frozenset()
    """In lower case; empty: names have none."""
    claims: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    separator: str = ","


class Odd(ValueError):
    """Its text is the failure word."""


class TrustedHeader(Method):
    def __init__(self, trust: Trust, reading: Reading, *, name: str = "trusted_header") -> None:
        self.name = name
        self._trust = trust
        self._reading = reading

    async def step(self, request: LoginRequest) -> Answer:
        problem = self._trust.problem(request)
        if problem:
            return self._refuse(problem, request)
        try:
            return self._read(request.headers)
        except Odd as odd:
            return self._refuse(str(odd), request)

    def _refuse(self, word: str, request: LoginRequest) -> Refuse:
        log.warning("%s: nobody was logged in (%s): %s %s", self.name, word, request.peer, REMEDY[word])
        return Refuse(Reason.REJECTED, word=word)

    def _read(self, headers: Mapping[str, tuple[str, ...]]) -> Accept:
        reading = self._reading
        match = NAME.fullmatch(_only(headers, reading.user, MISSING))
        if match is None or match["id"] != match["id"].strip():
            raise Odd(BAD_NAME)
        domain = match["domain"] or ""
        if domain.casefold() not in (reading.domains or {""}):
            raise Odd(WRONG_DOMAIN)
        claims: dict[str, tuple[str, ...]] = {"name": (match["id"],)}
        if domain:
            claims["domain"] = (domain,)
        for claim, header in reading.claims.items():
            claims[claim] = _values(headers, header, None)
        for claim, header in reading.lists.items():
            claims[claim] = _values(headers, header, reading.separator)
        return Accept(match["id"], claims=claims)


def _only(headers: Mapping[str, tuple[str, ...]], name: str, missing: str) -> str:
    """The value of a header that stands once. Raises Odd: with `missing` when it does not stand there or is empty."""
    values = headers.get(name, ())
    if len(values) > 1:
        raise Odd(TWICE)
    if not values or not values[0]:
        raise Odd(missing)
    return values[0]


def _values(headers: Mapping[str, tuple[str, ...]], name: str, separator: str | None) -> tuple[str, ...]:
    """Of a header that may be missing or empty. Raises Odd."""
    if not any(headers.get(name, ())) and len(headers.get(name, ())) < 2:
        return ()
    text = _only(headers, name, BAD_CLAIM)
    parts = [text] if separator is None else [part.strip() for part in text.split(separator)]
    if not all(part.isprintable() and len(part) <= LONGEST_VALUE for part in parts):
        raise Odd(BAD_CLAIM)
    return tuple(part for part in parts if part)
