"""Logging in with the name and password of a directory: LDAP, Active Directory.

It must not tell a stranger whether a name exists: whatever the directory says before the password is known to be right
goes to the log only. An empty password never reaches a directory, which would call it a success. What cannot be asked
or is not clear is no login.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from qproxy.auth.ldap_connection import Connection, Refused, Server
from qproxy.auth.ldap_people import Account, Asked, People, Person, ServiceRefused, Unfit
from qproxy.auth.ldap_servers import Busy, Dialling, NobodyAnswers, Servers
from qproxy.auth.method import Accept, Answer, Ask, Field, LoginRequest, Method, Reason, Refuse, Unavailable
from qproxy.ldap.names import Typed, read_name
from qproxy.ldap.verdicts import Outcome, Verdict
from qproxy.model import NO_TIE, Session, Tie

log = logging.getLogger("qproxy.auth")
T = TypeVar("T")

FIELDS: Final = (
    Field("name", "name", autocomplete="username"),
    Field("password", "password", autocomplete="current-password", secret=True),
)
LONGEST_PASSWORD: Final = 1024
BUSY_SECONDS: Final = 5
TIMES: Final = 3
"""A whole step takes at most so many times what one exchange may take."""


@dataclass(frozen=True, slots=True)
class Directory:
    """What the configuration says. `limit`: seconds for one exchange; `domains` casefolded."""

    servers: tuple[Server, ...]
    tls: ssl.SSLContext | None
    limit: float
    asked: Asked
    service: Account
    domains: frozenset[str] = frozenset()
    recheck: float = 0.0
    """Seconds after which it is asked whether an account still stands; 0 for never."""


class Ldap(Method):
    """Connects when the first person logs in."""

    def __init__(
        self,
        directory: Directory,
        *,
        name: str = "ldap",
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._now = now
        self._directory = directory
        self._servers = Servers(Dialling(directory.servers, directory.tls, directory.limit, clock))
        self._people = People(directory.asked, directory.service, clock)
        self._complaint = ""

    @property
    def scope(self) -> str:
        """All that ask the same servers judge the same people."""
        return "ldap " + " ".join(sorted(map(str, self._directory.servers)))

    async def step(self, request: LoginRequest) -> Answer:
        if not request.form:
            return Ask(FIELDS)
        typed = read_name(request.form.get("name", ""), self._directory.domains)
        password = request.form.get("password", "")
        if typed is None or not _sendable(password):
            return Refuse(Reason.WRONG)
        try:
            async with asyncio.timeout(TIMES * self._directory.limit):
                return await self._judge(typed, password)
        except Busy:
            return Refuse(Reason.BUSY, retry_after=BUSY_SECONDS)
        except Unfit as error:
            log.warning("ldap: %r is not let in: %s", typed.name, error)
            return Refuse(Reason.DENIED, word=error.word)
        except (NobodyAnswers, ServiceRefused, Refused, TimeoutError) as error:
            return self._unavailable(error)

    async def find(self, name: str) -> Accept | None:
        """Who that would be, without a password. Raises Unavailable."""
        typed = read_name(name, self._directory.domains)
        if typed is None:
            return None
        if not self._directory.service.dn:
            raise Unavailable("the directory tells about people only with `bind_as`, and there is none")

        async def question(connection: Connection) -> Person | None:
            return await self._people.find(connection, typed)

        person = await self._asked(question)
        return None if person is None else self._accepted(person)

    async def recheck(self, session: Session) -> Tie | None:
        dn, user_id = session.tie.kept.get("dn", ""), session.tie.kept.get("user_id", "")
        if not dn or not self._directory.recheck:
            return replace(session.tie, check_at=0.0)

        async def question(connection: Connection) -> bool:
            return await self._people.stands(connection, dn, user_id)

        return self._tie(dn, user_id) if await self._asked(question) else None

    def counted_as(self, name: str) -> str:
        r"""`ACME\ann`, `ann@acme.example` and ann may be one account; where they are two, these wait together."""
        return name.strip().casefold().rpartition("\\")[2].partition("@")[0]

    async def close(self) -> None:
        await self._servers.close()

    async def _asked(self, question: Callable[[Connection], Awaitable[T]]) -> T:
        """Raises Unavailable."""
        try:
            async with asyncio.timeout(TIMES * self._directory.limit):
                return await self._servers.ask(question, self._directory.service.dn)
        except (Busy, Unfit, NobodyAnswers, ServiceRefused, Refused, TimeoutError) as error:
            raise Unavailable(_complaint(error)) from error

    def _accepted(self, person: Person) -> Accept:
        tie = self._tie(person.dn, person.user_id) if self._directory.recheck else NO_TIE
        return Accept(person.user_id, claims=person.claims, tie=tie)

    def _tie(self, dn: str, user_id: str) -> Tie:
        return Tie(kept={"dn": dn, "user_id": user_id}, check_at=self._now() + self._directory.recheck)

    async def _judge(self, typed: Typed, password: str) -> Answer:
        async def question(connection: Connection) -> tuple[Verdict, Person | None]:
            return await self._people.judge(connection, typed, password)

        found, person = await self._servers.ask(question, self._directory.service.dn)
        if found.outcome is Outcome.BROKEN:
            return self._unavailable(NobodyAnswers(f"the bind of {typed.name!r} got {found.why}"))
        self._complaint = ""
        if person is not None:
            return self._accepted(person)
        log.info("ldap: %r is not let in: %s", typed.name, found.why)
        if found.outcome is Outcome.DENIED:
            return Refuse(Reason.DENIED, text=found.word, word=found.word)
        return Refuse(Reason.WRONG)

    def _unavailable(self, error: Exception) -> Refuse:
        """Said once until it is mended, not at every login."""
        word, complaint = WORDS.get(type(error), "ldap_unavailable"), _complaint(error)
        if complaint != self._complaint:
            log.error("ldap: nobody can log in with %s: %s", self.name, complaint)
            self._complaint = complaint
        return Refuse(Reason.UNAVAILABLE, word=word)


WORDS: Final = {ServiceRefused: "ldap_service_refused", Refused: "ldap_search_refused"}


def _complaint(error: Exception) -> str:
    match error:
        case ServiceRefused():
            return f"the directory refuses `bind_as` with what is in `password_file`: {error}"
        case Refused():
            return f"the directory refuses the search, look at `subtree`, `filter` and the rights of `bind_as`: {error}"
        case Busy():
            return "too many people are logging in"
        case TimeoutError():
            return "the directory did not answer in time: look at its load, and at `timeout`"
        case _:
            return str(error)


def _sendable(password: str) -> bool:
    """Not empty (RFC 4513 section 5.1.2), and UTF-8 of a decent size without NUL."""
    try:
        return "\0" not in password and 0 < len(password.encode()) <= LONGEST_PASSWORD
    except UnicodeEncodeError:
        return False
