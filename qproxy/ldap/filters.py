"""Search filters as text (RFC 4515), with places for what a person typed, and as LDAP sends them (RFC 4511 4.5.1.7).

Pure. A filter is read once, from the configuration; what is typed is put into finished values and never into text, so
that no name can change what is asked.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from qproxy.ldap.ber import SEQUENCE, boolean, octets, tlv

AND, OR, NOT = 0xA0, 0xA1, 0xA2
EQUAL, SUBSTRINGS, AT_LEAST, AT_MOST, PRESENT, APPROXIMATE, EXTENSIBLE = 0xA3, 0xA4, 0xA5, 0xA6, 0x87, 0xA8, 0xA9
DEEPEST: Final = 20
JUNCTIONS: Final = {"&": AND, "|": OR}
ORDERS: Final = {"=": EQUAL, ">=": AT_LEAST, "<=": AT_MOST, "~=": APPROXIMATE}

_NAME = r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)"
_ITEM = re.compile(rf"({_NAME}(?:;[A-Za-z0-9-]+)*)(=|>=|<=|~=)([^()]*)")
_EXTENSIBLE = re.compile(rf"({_NAME})?(:dn)?(?::({_NAME}))?:=([^()]*)", re.IGNORECASE)
_PIECE = re.compile(r"\{([a-z_]*)\}|\\([0-9A-Fa-f]{2})|([^\\{}*\0]+)|(\*)|(.)", re.DOTALL)

Value = tuple[bytes | str, ...]
"""What is sent: bytes as they are, and names of what is filled in."""


class BadFilter(ValueError):
    """Continues "this value ..."."""


@dataclass(frozen=True, slots=True)
class Junction:
    tag: int
    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Match:
    """One comparison. For SUBSTRINGS `values` are what stands between the stars, "" at the ends for none."""

    tag: int
    attribute: str
    values: tuple[Value, ...] = ()
    rule: str = ""
    of_dn: bool = False


Node = Junction | Match


@dataclass(frozen=True, slots=True)
class Filter:
    """`text` is what the configuration said."""

    text: str
    root: Node

    @property
    def places(self) -> frozenset[str]:
        return frozenset(_places(self.root))

    def encoded(self, filled: Mapping[str, str]) -> bytes:
        """With the places filled. KeyError for one that is missing."""
        return encoded_node(self.root, {name: value.encode() for name, value in filled.items()})

    def __str__(self) -> str:
        return self.text


def parse_filter(text: str, places: frozenset[str]) -> Filter:
    """Raises BadFilter, also for places that nobody would fill."""
    root, end = _node(text, 0, 0)
    if end != len(text):
        raise BadFilter(f"goes on after its last parenthesis, at character {end + 1}")
    found = Filter(text, root)
    unknown = sorted(found.places - places)
    if unknown:
        raise BadFilter(
            f"has {{{unknown[0]}}}, which nobody fills: " + ", ".join(f"{{{one}}}" for one in sorted(places))
        )
    return found


def any_of(attribute: str, values: tuple[str, ...]) -> bytes:
    """Encoded: the attribute has one of these values."""
    return tlv(OR, *(tlv(EQUAL, octets(attribute), octets(value)) for value in values))


PRESENCE: Final = octets("objectClass", PRESENT)
"""Encoded: true for every entry."""


def _node(text: str, at: int, depth: int) -> tuple[Node, int]:
    if depth > DEEPEST:
        raise BadFilter(f"is nested deeper than {DEEPEST} times")
    if text[at : at + 1] != "(":
        raise BadFilter(f"must have a parenthesis at character {at + 1}: (attribute=value), (&(...)(...))")
    sign = text[at + 1 : at + 2]
    if sign in JUNCTIONS or sign == "!":
        parts, end = _parts(text, at + 2, depth + 1)
        if sign == "!" and len(parts) != 1:
            raise BadFilter("must have one filter after each !")
        node: Node = Junction(JUNCTIONS.get(sign, NOT), parts)
    else:
        end = text.find(")", at)
        if end < 0:
            raise BadFilter("has a parenthesis that is not closed")
        node = _match(text[at + 1 : end])
    if text[end : end + 1] != ")":
        raise BadFilter("has a parenthesis that is not closed")
    return node, end + 1


def _parts(text: str, at: int, depth: int) -> tuple[tuple[Node, ...], int]:
    parts = []
    while text[at : at + 1] == "(":
        part, at = _node(text, at, depth)
        parts.append(part)
    if not parts:
        raise BadFilter("must have filters in parentheses after & and |")
    return tuple(parts), at


def _match(text: str) -> Match:
    extensible = _EXTENSIBLE.fullmatch(text)
    if extensible and (extensible[1] or extensible[3]):
        values = _values(extensible[4])
        if len(values) != 1:
            raise BadFilter("may have no * after := (write \\2a for a star)")
        return Match(EXTENSIBLE, extensible[1] or "", values, extensible[3] or "", bool(extensible[2]))
    item = _ITEM.fullmatch(text)
    if item is None:
        raise BadFilter("has a comparison that is none: (attribute=value) is one")
    attribute, tag, values = item[1], ORDERS[item[2]], _values(item[3])
    if len(values) == 1:
        return Match(tag, attribute, values)
    if tag != EQUAL:
        raise BadFilter("may have a * only after = (write \\2a for a star)")
    if item[3] == "*":
        return Match(PRESENT, attribute)
    if not all(values[1:-1]):
        raise BadFilter("has two stars side by side")
    return Match(SUBSTRINGS, attribute, values)


def _values(text: str) -> tuple[Value, ...]:
    """What stands between the stars."""
    values: list[list[bytes | str]] = [[]]
    for place, code, plain, star, odd in _PIECE.findall(text):
        if odd:
            raise BadFilter(f"must write {odd!r} as \\{ord(odd):02x}")
        if star:
            values.append([])
        elif plain or code:
            values[-1].append(plain.encode() if plain else bytes.fromhex(code))
        else:
            values[-1].append(place)
    return tuple(map(tuple, values))


def _places(node: Node) -> list[str]:
    if isinstance(node, Junction):
        return [place for part in node.parts for place in _places(part)]
    return [piece for value in node.values for piece in value if isinstance(piece, str)]


def encoded_node(node: Node, filled: Mapping[str, bytes]) -> bytes:
    if isinstance(node, Junction):
        return tlv(node.tag, *(encoded_node(part, filled) for part in node.parts))
    values = [b"".join(filled[one] if isinstance(one, str) else one for one in value) for value in node.values]
    match node.tag:
        case 0x87:
            return octets(node.attribute, PRESENT)
        case 0xA4:
            return tlv(SUBSTRINGS, octets(node.attribute), tlv(SEQUENCE, *_substrings(values)))
        case 0xA9:
            rule, attribute = octets(node.rule, 0x81) if node.rule else b"", b""
            if node.attribute:
                attribute = octets(node.attribute, 0x82)
            return tlv(EXTENSIBLE, rule, attribute, octets(values[0], 0x83), boolean(node.of_dn, 0x84))
        case _:
            return tlv(node.tag, octets(node.attribute), octets(values[0]))


def _substrings(values: list[bytes]) -> list[bytes]:
    tags = [0x80, *(0x81 for _ in values[1:-1]), 0x82]
    return [octets(value, tag) for tag, value in zip(tags, values, strict=True) if value]
