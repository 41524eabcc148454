"""People of a directory: who is meant, whether the password is theirs, and what the directory says of them.

It must not know servers or forms. Whoever is accepted was proved by a bind under the distinguished name of the very
entry that is read: a Windows name alone is not trusted to mean the same account to a bind and to a search.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from qproxy.auth.ldap_connection import Connection, Refused
from qproxy.auth.ldap_groups import Groups, groups_of
from qproxy.ldap.filters import PRESENCE, Filter
from qproxy.ldap.messages import Code, Entry, Result, Scope, Search
from qproxy.ldap.names import Typed, filled, is_dn_pattern, text_form
from qproxy.ldap.verdicts import Outcome, Verdict, explained, verdict

log = logging.getLogger("qproxy.auth")

ACCOUNT_CONTROL: Final = "userAccountControl"
ACCOUNT_DISABLED: Final = 0x2
MOST_VALUES: Final = 1000
LONGEST_VALUE: Final = 2048
HOLD_SECONDS: Final = 60.0
"""A service account that was refused is not tried again for so long: directories lock accounts that are tried often."""


class ServiceRefused(Exception):
    """The directory does not take the service account: what it said."""


class Unfit(Exception):
    """Found, but not usable: `word` for the audit log, the text for the administrator."""

    def __init__(self, word: str, why: str) -> None:
        super().__init__(why)
        self.word = word


@dataclass(frozen=True, slots=True)
class Account:
    """Who searches, where people log in by a name that has to be looked up first. Without a name: nobody does."""

    dn: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """`direct` is the pattern of a name to bind with at once; without it people are searched first."""

    subtree: str
    filter: Filter
    user_id: str
    attributes: tuple[str, ...]
    direct: str = ""
    groups: Groups | None = None
    seconds: int = 5


@dataclass(frozen=True, slots=True)
class Person:
    dn: str
    user_id: str
    claims: Mapping[str, tuple[str, ...]]


class People:
    def __init__(self, asked: Asked, service: Account, clock: Callable[[], float]) -> None:
        self._asked = asked
        self._service = service
        self._clock = clock
        self._hold: tuple[float, str] = (0.0, "")
        self._took: deque[float] = deque(maxlen=16)
        """Seconds that the last wrong passwords of known names took."""

    async def judge(self, connection: Connection, typed: Typed, password: str) -> tuple[Verdict, Person | None]:
        """The person only where the password is right. Raises Refused, Lost, ServiceRefused, Unfit."""
        if self._asked.direct:
            return await self._directly(connection, typed, password)
        entry = await self._search(connection, typed)
        if entry is None:
            return await self._nobody(connection, password)
        begun = self._clock()
        found = verdict(await _bind(connection, entry.dn, password))
        if found.outcome is not Outcome.RIGHT:
            self._took.append(self._clock() - begun)
            return found, None
        return found, await self._person(connection, entry)

    async def find(self, connection: Connection, typed: Typed) -> Person | None:
        entry = await self._search(connection, typed)
        return None if entry is None else await self._person(connection, entry)

    async def stands(self, connection: Connection, dn: str, user_id: str) -> bool:
        """Whether the entry is still there, still that user's, and not disabled (MS-ADTS 2.2.16)."""
        await self._as_service(connection)
        wanted = (self._asked.user_id, ACCOUNT_CONTROL)
        entries = await connection.search(Search(dn, PRESENCE, wanted, Scope.ENTRY, 1, self._asked.seconds))
        found = entries[0].values(self._asked.user_id) if entries else ()
        if tuple(text_form(self._asked.user_id, value) for value in found) != (user_id,):
            return False
        flags = b"".join(entries[0].values(ACCOUNT_CONTROL))
        return not (flags.isdigit() and int(flags) & ACCOUNT_DISABLED)

    async def _directly(self, connection: Connection, typed: Typed, password: str) -> tuple[Verdict, Person | None]:
        name = filled(self._asked.direct, typed.account)
        if name is None:
            return Verdict(Outcome.WRONG, "not a Windows account name"), None
        found = verdict(await _bind(connection, name, password))
        if found.outcome is not Outcome.RIGHT:
            return found, None
        if is_dn_pattern(self._asked.direct):
            entry = await self._read(connection, name)
        else:
            entry = await self._search(connection, typed)
        if entry is None:
            raise Unfit("ldap_not_found", "the password is right, but the entry cannot be found or read")
        if not is_dn_pattern(self._asked.direct):
            same = verdict(await _bind(connection, entry.dn, password))
            if same.outcome is not Outcome.RIGHT:
                return Verdict(same.outcome, f"{entry.dn} was found, but is not who logged in", same.word), None
        return found, await self._person(connection, entry)

    async def _nobody(self, connection: Connection, password: str) -> tuple[Verdict, None]:
        """Takes as long as one of the last wrong passwords did: some directories spend a tenth of a second on hashing a
        password, but none for a name that does not exist."""
        begun = self._clock()
        await _bind(connection, f"cn={secrets.token_hex(8)},{self._asked.subtree}", password)
        if self._took:
            await asyncio.sleep(max(0.0, secrets.choice(self._took) - (self._clock() - begun)))
        return Verdict(Outcome.WRONG, "no such account"), None

    async def _search(self, connection: Connection, typed: Typed) -> Entry | None:
        """Exactly one, or nobody."""
        await self._as_service(connection)
        places = {"name": typed.name, "account": typed.account, "domain": typed.domain}
        wanted = Search(
            self._asked.subtree, self._asked.filter.encoded(places), self._wanted, most=1, seconds=self._asked.seconds
        )
        entries = await connection.search(wanted)
        if len(entries) > 1:
            log.error("ldap: %r means several entries, %s among them: make `filter` exact", typed.name, entries[0].dn)
        return entries[0] if len(entries) == 1 and entries[0].dn else None

    async def _read(self, connection: Connection, dn: str) -> Entry | None:
        await self._as_service(connection)
        entries = await connection.search(Search(dn, PRESENCE, self._wanted, Scope.ENTRY, 1, self._asked.seconds))
        return entries[0] if entries else None

    @property
    def _wanted(self) -> tuple[str, ...]:
        of_groups = self._asked.groups.read_from_person if self._asked.groups else ()
        return tuple(dict.fromkeys((self._asked.user_id, *self._asked.attributes, *of_groups)))

    async def _as_service(self, connection: Connection) -> None:
        """Stays who it is where there is no service account."""
        if not self._service.dn or connection.bound_as == self._service.dn:
            return
        until, why = self._hold
        if self._clock() < until:
            raise ServiceRefused(why)
        result = await _bind(connection, self._service.dn, self._service.password)
        if result.code != Code.SUCCESS:
            why = verdict(result).why or explained(result)
            self._hold = (self._clock() + HOLD_SECONDS, why)
            raise ServiceRefused(why)

    async def _person(self, connection: Connection, entry: Entry) -> Person:
        asked = self._asked
        claims = {name: _texts(name, entry) for name in entry.attributes}
        user_id = next((values for name, values in claims.items() if name.casefold() == asked.user_id.casefold()), ())
        if len(user_id) != 1:
            raise Unfit("ldap_no_user_id", f"{entry.dn} has {len(user_id)} values of {asked.user_id} instead of one")
        if asked.groups is not None:
            await self._as_service(connection)
            names = await groups_of(connection, asked.groups, entry, asked.seconds)
            if names is None:
                most = asked.groups.most
                raise Unfit("ldap_too_many_groups", f"{entry.dn} is in more than {most} groups: raise groups.most")
            claims["groups"] = names
        return Person(entry.dn, user_id[0], claims | {"dn": (entry.dn,)})


async def _bind(connection: Connection, name: str, password: str) -> Result:
    """Raises Refused where the server serves nobody now, so that another one is asked."""
    result = await connection.bind(name, password)
    if result.code in (Code.BUSY, Code.UNAVAILABLE):
        raise Refused(result)
    return result


def _texts(name: str, entry: Entry) -> tuple[str, ...]:
    values = tuple(text_form(name, value) for value in entry.attributes[name][:MOST_VALUES])
    kept = tuple(value for value in values if len(value) <= LONGEST_VALUE)
    if len(kept) < len(entry.attributes[name]):
        log.warning("ldap: %s has too many or too long values of %s: %d are kept", entry.dn, name, len(kept))
    return kept
