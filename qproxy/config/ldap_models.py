"""What a virtual proxy's file may say of a directory that people log in with. Only shapes; what must fit together is in
`login_rules`.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from qproxy.config.fields import (
    Count,
    Duration,
    DurationOrNever,
    FilePath,
    Flag,
    bracketed,
    is_loopback,
    one_or_many,
    parse_whole,
    split_host_port,
)
from qproxy.config.login_parts import LoginPart
from qproxy.config.parts import Part
from qproxy.ldap.filters import Filter, parse_filter
from qproxy.ldap.names import check_pattern, is_dn

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
        raise ValueError("must end after the host or port: `subtree` and `filter` are keys of their own")
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


def parse_dn(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not is_dn(value):
        raise ValueError("must be a distinguished name such as dc=acme,dc=example")
    return value


def parse_bind_name(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError(
            "must be the name of an account: CN=qproxy,OU=Services,DC=acme,DC=example or qproxy@acme.example"
        )
    return value


_TEXT = {"type": "string"}
_AS_TEXT = PlainSerializer(str, return_type=str)
Url = Annotated[LdapUrl, _AS_TEXT, PlainValidator(parse_ldap_url), WithJsonSchema({**_TEXT, "pattern": "^ldaps?://"})]
FilterText = Annotated[Filter, _AS_TEXT, PlainValidator(parse_ldap_filter), WithJsonSchema(_TEXT)]
Direct = Annotated[str, PlainValidator(parse_direct), WithJsonSchema(_TEXT)]
Attribute = Annotated[str, PlainValidator(parse_attribute), WithJsonSchema(_TEXT)]
Dn = Annotated[str, PlainValidator(parse_dn), WithJsonSchema(_TEXT)]
BindName = Annotated[str, PlainValidator(parse_bind_name), WithJsonSchema(_TEXT)]
Depth = Annotated[int, Field(ge=1, le=50), BeforeValidator(parse_whole)]
Urls = Annotated[
    tuple[Url, ...], Field(min_length=1), BeforeValidator(one_or_many, json_schema_input_type=Url | tuple[Url, ...])
]
Attributes = Annotated[
    tuple[Attribute, ...], BeforeValidator(one_or_many, json_schema_input_type=Attribute | tuple[Attribute, ...])
]
Words = Annotated[tuple[str, ...], BeforeValidator(one_or_many, json_schema_input_type=str | tuple[str, ...])]


class LdapGroupsConfig(Part):
    how: Literal["in_chain", "member", "member_of"] = Field(
        default="member",
        description="in_chain: Active Directory goes through groups in groups by itself; member: groups are searched "
        "that name the person; member_of: the person's entry names its groups.",
    )
    subtree: Dn | None = Field(default=None, description="Below it the groups are; by default the `subtree` of people.")
    attribute: Attribute | None = Field(
        default=None, description="Which attribute holds the names; by default member, and memberOf for member_of."
    )
    name: Attribute = Field(default="cn", description="What a group is called; dn: by its distinguished name.")
    depth: Depth = Field(default=10, description="So deep are groups in groups looked for; 1: not at all.")
    most: Count = Field(default=500, description="Who is in more groups is not let in.")


class LdapLogin(LoginPart):
    method: Literal["ldap"] = Field(description="Names and passwords of a directory, such as Active Directory.")
    servers: Urls = Field(description="Its servers: ldaps://HOST, or ldap://HOST with `start_tls`; in this order.")
    subtree: Dn = Field(description="Below it people are searched.")
    start_tls: Flag = Field(default=False, description="Encrypt connections to ldap:// before anything is said.")
    ca: FilePath | None = Field(default=None, description="Certificates of who vouches for the servers, as PEM.")
    timeout: Duration = Field(default=5.0, description="For one answer of a server; a login takes three of it at most.")
    bind_as: BindName | None = Field(default=None, description="The account that searches for people.")
    password_file: FilePath | None = Field(default=None, description="File with the password of that account.")
    filter: FilterText = Field(
        default=parse_filter(ACTIVE_DIRECTORY, PLACES),
        description="Whom a typed name means: {name} is all of it, {account} without its domain, {domain} that.",
        validate_default=False,
    )
    direct: Direct | None = Field(
        default=None, description="Log in under this name at once: {account}@acme.example, ACME\\{account}, or a DN."
    )
    domains: Words = Field(default=(), description="Domains that may be typed with a name: ACME, acme.example.")
    user_id: Attribute = Field(default="sAMAccountName", description="The attribute that is the user id.")
    attributes: Attributes = Field(default=("mail", "displayName"), description="What else is read, for the rules.")
    recheck: DurationOrNever = Field(default=None, description="So often it is asked whether an account still stands.")
    groups: LdapGroupsConfig | None = Field(default=None, description="How groups are found; without it none are read.")
