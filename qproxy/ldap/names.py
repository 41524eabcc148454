"""Names as people type them and as directories know them: accounts with a domain, distinguished names, binary ids.

Pure. What a person typed goes into a distinguished name only escaped (RFC 4514 section 2.4), and into a Windows name
only when it is made of what Windows allows in one.
"""

import base64
import re
import uuid
from dataclasses import dataclass
from typing import Final

LONGEST_NAME: Final = 256
PLACE: Final = "{account}"
_NOT_IN_ACCOUNTS = frozenset('"/\\[]:;|=,+*?<>@')
"""What Windows refuses in sAMAccountName, and the @ of a user principal name."""
_DN_SPECIAL = frozenset(',+"\\<>;=')
_RDN = r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9.]+)=(?:\\.|[^,\\])+"
_DN = re.compile(rf"{_RDN}(?:, *{_RDN})*")


@dataclass(frozen=True, slots=True)
class Typed:
    """`name` is the whole, `account` without the domain that it names, "" in `domain` for none."""

    name: str
    account: str
    domain: str = ""


def read_name(text: str, domains: frozenset[str]) -> Typed | None:
    """anna, ACME\\anna and anna@acme.example; None for what cannot be a name, or names a domain that is not in
    `domains` (casefolded). Without any domains \\ and @ are letters like others."""
    name = text[: LONGEST_NAME + 64].strip(" ")
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        return None
    if not domains or not ("\\" in name or "@" in name):
        return Typed(name, name)
    if "\\" in name:
        domain, _, account = name.partition("\\")
    else:
        account, _, domain = name.rpartition("@")
    known = account.strip(" ") and domain.casefold() in domains
    return Typed(name, account.strip(" "), domain) if known else None


def is_dn_pattern(pattern: str) -> bool:
    return "=" in pattern


def is_dn(text: str) -> bool:
    """Whether it has the shape of a distinguished name that is not empty."""
    return _DN.fullmatch(text) is not None


def check_pattern(pattern: str) -> str:
    """Returns it, or raises ValueError with words that continue "this value ..."."""
    rest = pattern.replace(PLACE, "", 1)
    if PLACE not in pattern or "{" in rest or "}" in rest:
        raise ValueError(f"must hold {PLACE} once, where the typed name belongs")
    if is_dn_pattern(pattern):
        if not is_dn(pattern):
            raise ValueError("must be a distinguished name such as uid={account},ou=people,dc=acme,dc=example")
    elif not (pattern.startswith(f"{PLACE}@") or pattern.endswith(f"\\{PLACE}")):
        raise ValueError("must be {account}@domain, DOMAIN\\{account} or a distinguished name")
    return pattern


def filled(pattern: str, account: str) -> str | None:
    """The name to log in with; None for an account that does not fit into one."""
    if is_dn_pattern(pattern):
        return pattern.replace(PLACE, escape_dn(account))
    return pattern.replace(PLACE, account) if _NOT_IN_ACCOUNTS.isdisjoint(account) else None


def escape_dn(value: str) -> str:
    """A value of a distinguished name (RFC 4514 section 2.4)."""
    escaped = "".join(f"\\{one}" if one in _DN_SPECIAL else one for one in value).replace("\0", "\\00")
    if escaped.startswith(("#", " ")):
        escaped = f"\\{escaped}"
    return f"{escaped[:-1]}\\ " if value[1:].endswith(" ") else escaped


def text_form(attribute: str, value: bytes) -> str:
    """A value as text: identifiers of Active Directory as Windows writes them, other binary ones in base64."""
    name = attribute.casefold()
    if name == "objectguid" and len(value) == 16:
        return str(uuid.UUID(bytes_le=value))
    if name in ("objectsid", "sidhistory", "tokengroups"):
        return _sid(value)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return _binary(value)
    return text if text.isprintable() or text.replace("\n", " ").replace("\r", " ").isprintable() else _binary(value)


def _sid(value: bytes) -> str:
    """MS-DTYP section 2.4.2: revision, count, authority in six bytes, then so many numbers."""
    if len(value) < 8 or len(value) != 8 + 4 * value[1]:
        return _binary(value)
    numbers = [int.from_bytes(value[at : at + 4], "little") for at in range(8, len(value), 4)]
    return "-".join(map(str, ["S", value[0], int.from_bytes(value[2:8], "big"), *numbers]))


def _binary(value: bytes) -> str:
    return base64.b64encode(value).decode()
