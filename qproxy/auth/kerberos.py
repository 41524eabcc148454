"""Logging in by a Kerberos ticket that the browser has already (SPNEGO, RFC 4559): nobody types anything.

Who has no ticket sees the page of the other ways below the challenge. NTLM, which Windows offers in the same header,
is refused: it proves no more than a hash of the password, and its three steps need one connection. How a ticket is
opened is gss's part.
"""

import asyncio
import base64
import binascii
import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from qproxy.auth.method import Accept, Answer, Challenge, LoginRequest, Method, Reason, Refuse
from qproxy.notes import Notes

log = logging.getLogger("qproxy.auth")

SCHEME: Final = "Negotiate"
PRINCIPAL: Final = re.compile(r"(?P<id>[A-Za-z0-9][A-Za-z0-9._+' -]{0,126})@(?P<realm>[A-Za-z0-9._-]{1,255})")
NTLM: Final = b"NTLMSSP\0"
REPLAY_SECONDS: Final = 660.0
"""A ticket's authenticator is good for five minutes around its own time, by whichever clock."""
THREADS: Final = 4

REMEDY: Final[Mapping[str, str]] = {
    "kerberos_malformed": "the header after Negotiate is no base64",
    "kerberos_ntlm": "the browser offered NTLM: it has no ticket for this name. Is the SPN set on the service account,"
    " the computer in the domain, and the address in the browser's intranet zone?",
    "kerberos_incomplete": "the browser offered something else first than Kerberos",
    "kerberos_refused": "compare service and keytab with what the realm's server has (kvno), and the clocks",
    "kerberos_replayed": "the same ticket came twice: a proxy that repeats requests, or somebody who overheard one",
    "kerberos_wrong_binding": "the ticket was made for another TLS certificate: is a TLS proxy in between? then"
    " channel_bindings: ignored",
    "kerberos_not_bound": "the browser did not bind its ticket to the TLS certificate: channel_bindings is required",
    "kerberos_wrong_realm": "the realm is not in realms",
    "kerberos_no_person": "that is a service's, a computer's or an odd name",
}


class BadTicket(Exception):
    """`word` is the failure word, the text what the system says of it."""

    def __init__(self, word: str, text: str) -> None:
        super().__init__(text)
        self.word = word


class NoKey(Exception):
    """The keytab cannot be used: which, and why."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """`answer` proves to the browser that this is the server it meant; `bound`: to the TLS connection."""

    principal: str
    answer: bytes = field(default=b"", repr=False)
    bound: bool = False


class Kerberos(Method):
    """`accept` opens a token, and blocks: raises BadTicket or NoKey. `clock`: seconds since the epoch."""

    def __init__(
        self,
        accept: Callable[[bytes], Ticket],
        realms: frozenset[str],
        notes: Notes,
        clock: Callable[[], float],
        *,
        name: str = "kerberos",
        bound: bool = False,
    ) -> None:
        self.name = name
        self._accept = accept
        self._realms = realms
        self._notes = notes
        self._clock = clock
        self._bound = bound
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="qproxy-kerberos")

    async def step(self, request: LoginRequest) -> Answer:
        values = request.headers.get("authorization", ())
        scheme, _, text = values[0].partition(" ") if len(values) == 1 else ("", "", "")
        if scheme.lower() != SCHEME.lower():
            return Challenge(SCHEME)
        try:
            token = _token(text)
            ticket = await asyncio.get_running_loop().run_in_executor(self._threads, self._accept, token)
            return await self._judge(ticket, token)
        except BadTicket as bad:
            word = bad.word
            log.warning(
                "%s: nobody was logged in (%s) from %s: %s (%s)", self.name, word, request.address, REMEDY[word], bad
            )
            denied = word in ("kerberos_wrong_realm", "kerberos_no_person")
            return Refuse(Reason.DENIED if denied else Reason.REJECTED, word=word)
        except NoKey as no_key:
            log.error("%s: nobody can log in with a ticket: %s", self.name, no_key)
            return Refuse(Reason.UNAVAILABLE, word="kerberos_no_key")

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _judge(self, ticket: Ticket, token: bytes) -> Accept:
        """Raises BadTicket."""
        if self._bound and not ticket.bound:
            raise BadTicket("kerberos_not_bound", ticket.principal)
        match = PRINCIPAL.fullmatch(ticket.principal)
        if match is None or match["id"] != match["id"].strip():
            raise BadTicket("kerberos_no_person", ascii(ticket.principal))
        if match["realm"] not in self._realms:
            raise BadTicket("kerberos_wrong_realm", ticket.principal)
        # The system remembers tickets on this machine; so do the notes, on all.
        seen = f"kerberos {hashlib.sha256(token).hexdigest()}"
        if not await self._notes.once(seen, self._clock() + REPLAY_SECONDS):
            raise BadTicket("kerberos_replayed", ticket.principal)
        claims = {"principal": (ticket.principal,), "name": (match["id"],), "realm": (match["realm"],)}
        answer = f"{SCHEME} {base64.b64encode(ticket.answer).decode()}" if ticket.answer else ""
        return Accept(match["id"], claims=claims, answer=answer)


def _token(text: str) -> bytes:
    """Raises BadTicket."""
    try:
        token = base64.b64decode(text.strip(), validate=True)
    except (ValueError, binascii.Error):
        token = b""
    if not token:
        raise BadTicket("kerberos_malformed", f"{len(text)} characters")
    if NTLM in token:
        raise BadTicket("kerberos_ntlm", "NTLMSSP")
    return token
