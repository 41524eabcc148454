"""The groups that a person of a directory is in, groups in groups too.

It must not decide what a group means. Either all groups are found or none are named: a deny rule must not miss one.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from qproxy.auth.ldap_connection import Connection
from qproxy.ldap.filters import EXTENSIBLE, PRESENCE, Match, any_of, encoded_node
from qproxy.ldap.messages import Entry, Scope, Search
from qproxy.ldap.names import text_form

IN_CHAIN: Final = "1.2.840.113556.1.4.1941"
"""LDAP_MATCHING_RULE_IN_CHAIN (MS-ADTS 3.1.1.3.4.4.3): the directory itself goes through groups in groups."""
AT_ONCE: Final = 20
"""So many names in one search."""


class How(StrEnum):
    IN_CHAIN = "in_chain"
    MEMBER = "member"
    MEMBER_OF = "member_of"


@dataclass(frozen=True, slots=True)
class Groups:
    """`attribute` is that of the groups with IN_CHAIN and MEMBER, that of the person with MEMBER_OF. `depth` 1 means
    no groups in groups. `name`: the attribute that names a group, "dn" for its distinguished name."""

    how: How
    subtree: str
    attribute: str
    name: str
    depth: int
    most: int

    @property
    def read_from_person(self) -> tuple[str, ...]:
        return (self.attribute,) if self.how is How.MEMBER_OF else ()


async def groups_of(connection: Connection, groups: Groups, person: Entry, seconds: int) -> tuple[str, ...] | None:
    """Their names in alphabetical order; None for more than `most`. Raises Refused, Lost."""
    walk = _Walk(connection, groups, seconds)
    if groups.how is How.IN_CHAIN:
        match = Match(EXTENSIBLE, groups.attribute, (("dn",),), IN_CHAIN)
        whole = walk.note(await walk.search(encoded_node(match, {"dn": person.dn.encode()})))
    elif groups.how is How.MEMBER:
        whole = await walk.upwards(person)
    else:
        whole = await walk.along(person)
    return tuple(sorted(set(walk.found.values()))) if whole else None


class _Walk:
    def __init__(self, connection: Connection, groups: Groups, seconds: int) -> None:
        self._connection = connection
        self._groups = groups
        self._seconds = seconds
        self.found: dict[str, str] = {}
        """Distinguished name, casefolded -> what the group is called."""

    async def search(self, encoded: bytes) -> list[Entry]:
        groups = self._groups
        wanted = Search(groups.subtree, encoded, self._attributes, Scope.SUBTREE, groups.most, self._seconds)
        return await self._connection.search(wanted)

    def note(self, entries: list[Entry]) -> bool:
        """False for too many."""
        for entry in entries:
            self.found[entry.dn.casefold()] = self._called(entry)
        return len(self.found) <= self._groups.most

    async def upwards(self, person: Entry) -> bool:
        """Groups that name the person, then groups that name these groups, and so on."""
        frontier = [person.dn]
        for _ in range(self._groups.depth):
            above = [
                one for part in _parts(frontier) for one in await self.search(any_of(self._groups.attribute, part))
            ]
            new = [one for one in above if one.dn.casefold() not in self.found]
            if not self.note(new):
                return False
            frontier = list(dict.fromkeys(one.dn for one in new))
            if not frontier:
                break
        return True

    async def along(self, person: Entry) -> bool:
        """Groups that the person names, then groups that these groups name, and so on."""
        frontier, partial = _named(person, self._groups.attribute)
        for _ in range(self._groups.depth):
            new = list(dict.fromkeys(dn for dn in frontier if dn.casefold() not in self.found))
            if partial or len(self.found) + len(new) > self._groups.most:
                return False
            frontier = []
            for dn in new:
                group = await self._read(dn)
                self.note([group])
                further, cut = _named(group, self._groups.attribute)
                frontier += further
                partial = partial or cut
        return not partial

    async def _read(self, dn: str) -> Entry:
        """A group that cannot be read still counts, under its distinguished name."""
        wanted = Search(dn, PRESENCE, self._attributes, Scope.ENTRY, 1, self._seconds)
        entries = await self._connection.search(wanted)
        return Entry(dn, entries[0].attributes, entries[0].partial) if entries else Entry(dn, {})

    @property
    def _attributes(self) -> tuple[str, ...]:
        named = () if self._groups.name == "dn" else (self._groups.name,)
        return named + self._groups.read_from_person

    def _called(self, group: Entry) -> str:
        values = group.values(self._groups.name)
        return text_form(self._groups.name, values[0]) if values else group.dn


def _named(entry: Entry, attribute: str) -> tuple[list[str], bool]:
    """And whether the directory gave only a part of them."""
    names = [value.decode(errors="replace") for value in entry.values(attribute)]
    return names, attribute.casefold() in {one.casefold() for one in entry.partial}


def _parts(names: list[str]) -> list[tuple[str, ...]]:
    return [tuple(names[at : at + AT_ONCE]) for at in range(0, len(names), AT_ONCE)]
