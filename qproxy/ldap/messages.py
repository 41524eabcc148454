"""The messages of LDAP that a login needs (RFC 4511): bind, search, StartTLS, unbind, and what comes back.

Pure. Nothing that a directory sends makes more than a value or BadBer. It must not judge what a result means.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from qproxy.ldap.ber import (
    ENUMERATED,
    OCTETS,
    SEQUENCE,
    SET,
    BadBer,
    Reader,
    boolean,
    integer,
    octets,
    tlv,
)

START_TLS: Final = "1.3.6.1.4.1.1466.20037"
PASSWORD_POLICY: Final = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 - the control of draft-behera-ldap-password-policy
BIND_REQUEST, BIND_RESPONSE = 0x60, 0x61
UNBIND_REQUEST: Final = 0x42
SEARCH_REQUEST, SEARCH_ENTRY, SEARCH_DONE, SEARCH_REFERENCE = 0x63, 0x64, 0x65, 0x73
EXTENDED_REQUEST, EXTENDED_RESPONSE = 0x77, 0x78
REFERRAL: Final = 0xA3
CONTROLS: Final = 0xA0
VERSION: Final = 3
NEVER_DEREFERENCE: Final = 0


class Scope(IntEnum):
    ENTRY = 0
    SUBTREE = 2


class Code(IntEnum):
    """Result codes of RFC 4511 appendix A that are treated each in its own way."""

    SUCCESS = 0
    TIME_LIMIT = 3
    SIZE_LIMIT = 4
    STRONGER_AUTH = 8
    REFERRAL = 10
    ADMIN_LIMIT = 11
    CONFIDENTIALITY = 13
    CONSTRAINT = 19
    NO_SUCH_OBJECT = 32
    INVALID_DN = 34
    INAPPROPRIATE_AUTH = 48
    INVALID_CREDENTIALS = 49
    INSUFFICIENT_ACCESS = 50
    BUSY = 51
    UNAVAILABLE = 52
    UNWILLING = 53


@dataclass(frozen=True, slots=True)
class Result:
    """`said` is the directory's own explanation; `controls` are OID -> value."""

    code: int
    said: str = ""
    controls: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """`attributes`: the names as the directory spells them, without options such as ";range=0-1499"."""

    dn: str
    attributes: Mapping[str, tuple[bytes, ...]]
    partial: tuple[str, ...] = ()
    """Attributes of which the directory gave a part only."""

    def values(self, name: str) -> tuple[bytes, ...]:
        wanted = name.casefold()
        return next((values for known, values in self.attributes.items() if known.casefold() == wanted), ())


@dataclass(frozen=True, slots=True)
class Reference:
    """Elsewhere there may be more. Never followed."""


@dataclass(frozen=True, slots=True)
class Message:
    """`tag` is that of the operation; `body` is None for those that nobody here asks for."""

    number: int
    tag: int
    body: Result | Entry | Reference | None


@dataclass(frozen=True, slots=True)
class Search:
    """`filter` is encoded already (filters). `most` entries are wanted, and one more is asked for, so that it is seen
    when there are more; within `seconds`."""

    subtree: str
    filter: bytes = field(repr=False)
    attributes: tuple[str, ...] = ()
    scope: Scope = Scope.SUBTREE
    most: int = 1
    seconds: int = 5


def bind(number: int, name: str, password: str) -> bytes:
    """Asks for the password policy's word too, where the directory has one."""
    body = tlv(BIND_REQUEST, integer(VERSION), octets(name), octets(password, 0x80))
    control = tlv(SEQUENCE, octets(PASSWORD_POLICY), boolean(False))
    return tlv(SEQUENCE, integer(number), body, tlv(CONTROLS, control))


def search(number: int, wanted: Search) -> bytes:
    body = tlv(
        SEARCH_REQUEST,
        octets(wanted.subtree),
        integer(wanted.scope, ENUMERATED),
        integer(NEVER_DEREFERENCE, ENUMERATED),
        integer(wanted.most + 1),
        integer(wanted.seconds),
        boolean(False),
        wanted.filter,
        tlv(SEQUENCE, *map(octets, wanted.attributes or ("1.1",))),  # 1.1: no attributes (RFC 4511 section 4.5.1.8)
    )
    return tlv(SEQUENCE, integer(number), body)


def start_tls(number: int) -> bytes:
    return tlv(SEQUENCE, integer(number), tlv(EXTENDED_REQUEST, octets(START_TLS, 0x80)))


def unbind(number: int) -> bytes:
    return tlv(SEQUENCE, integer(number), tlv(UNBIND_REQUEST))


def message(data: bytes) -> Message:
    """One whole message. Raises BadBer."""
    outer = Reader(data).inside(SEQUENCE)
    number = outer.integer()
    tag, value = outer.any()
    controls = _controls(outer.inside(CONTROLS)) if outer.next_is(CONTROLS) else {}
    if tag in (BIND_RESPONSE, SEARCH_DONE, EXTENDED_RESPONSE):
        return Message(number, tag, _result(Reader(value), controls))
    if tag == SEARCH_ENTRY:
        return Message(number, tag, _entry(Reader(value)))
    return Message(number, tag, Reference() if tag == SEARCH_REFERENCE else None)


def _result(body: Reader, controls: Mapping[str, bytes]) -> Result:
    code = body.integer(ENUMERATED)
    body.value(OCTETS)
    return Result(code, body.text(), controls)


def _controls(body: Reader) -> dict[str, bytes]:
    found = {}
    while body.more:
        control = body.inside(SEQUENCE)
        oid = control.text()
        if control.next_is(0x01):
            control.any()
        found[oid] = control.value(OCTETS) if control.more else b""
    return found


def _entry(body: Reader) -> Entry:
    try:
        dn = body.value(OCTETS).decode()
    except UnicodeDecodeError:
        raise BadBer("a distinguished name that is not UTF-8") from None
    attributes: dict[str, tuple[bytes, ...]] = {}
    partial = []
    for one in body.inside(SEQUENCE).each(SEQUENCE):
        pair = Reader(one)
        name, _, options = pair.text().partition(";")
        values = tuple(pair.inside(SET).each(OCTETS))
        if options.casefold().startswith("range="):
            partial.append(name)
        attributes[name] = attributes.get(name, ()) + values
    return Entry(dn, attributes, tuple(partial))
