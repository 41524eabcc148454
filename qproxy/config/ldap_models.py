"""What a virtual proxy's file may say of a directory that people log in with. Only shapes; what must fit together is in
`ldap_rules`.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from qproxy.config.fields import (
    Count,
    Duration,
    FilePath,
    Flag,
    Texts,
    bracketed,
    is_loopback,
    one_or_many,
    split_host_port,
)
from qproxy.config.login_models import Line, LoginPart
from qproxy.config.parts import Part
from qproxy.ldap.filters import Filter, parse_filter
from qproxy.ldap.names import check_pattern

PLACES = frozenset({"name", "account", "domain"})
ACTIVE_DIRECTORY = "(&(objectCategory=person)(objectClass=user)(sAMAccountName={account}))"
PORTS = {"ldaps": 636, "ldap": 389}
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")


@dataclass(frozen=True, slots=True)
class LdapUrl:
    scheme: str
    host: str
    port: int

    @property
    def loopback(self) -> bool:
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}"


def parse_ldap_url(value: object) -> LdapUrl:
    if isinstance(value, LdapUrl):
        return value
    scheme, separator, rest = value.partition("://") if isinstance(value, str) else ("", "", "")
    if not separator or scheme.lower() not in PORTS:
        raise ValueError("must begin with ldaps:// or ldap://")
    if any(one in rest for one in "/?#@"):
        raise ValueError("must end after the host or port: `base` and `filter` are keys of their own")
    host, port = split_host_port(rest)
    if port == 0:
        raise ValueError("must have a port from 1 to 65535")
    return LdapUrl(scheme.lower(), host, port or PORTS[scheme.lower()])


def parse_ldap_filter(value: object) -> Filter:
    if isinstance(value, Filter):
        return value
    if not isinstance(value, str):
        raise ValueError("must be an LDAP filter such as (uid={account})")
    return parse_filter(value.strip(), PLACES)


def parse_direct(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a name such as {account}@acme.example")
    return check_pattern(value)


def parse_attribute(value: object) -> str:
    if not isinstance(value, str) or not _ATTRIBUTE.fullmatch(value):
        raise ValueError("must be the name of an attribute, such as sAMAccountName")
    return value


def parse_attributes(value: object) -> tuple[str, ...]:
    many = one_or_many(value)
    return tuple(map(parse_attribute, many)) if isinstance(many, list | tuple) else (parse_attribute(value),)


_TEXT = {"type": "string"}
_AS_TEXT = PlainSerializer(str, return_type=str)
Url = Annotated[LdapUrl, _AS_TEXT, PlainValidator(parse_ldap_url), WithJsonSchema({**_TEXT, "pattern": "^ldaps?://"})]
Urls = Annotated[tuple[Url, ...], Field(min_length=1), PlainValidator(lambda value: _urls(value))]
FilterText = Annotated[Filter, _AS_TEXT, PlainValidator(parse_ldap_filter), WithJsonSchema(_TEXT)]
Direct = Annotated[str, PlainValidator(parse_direct), WithJsonSchema(_TEXT)]
Attribute = Annotated[str, PlainValidator(parse_attribute), WithJsonSchema(_TEXT)]
