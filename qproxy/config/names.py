"""What Qlik lets things be called: prefixes, session cookies, user directories, session attributes.

Each check returns the value or raises ValueError with words that continue "this value ...". Pure: judges text only, and
one text at a time; whether two files chose the same name is a rule in `rules`.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from qproxy.config.fields import is_loopback
from qproxy.headers import REQUEST_RULES, Rule
from qproxy.model import User

_FIELD = re.compile(r"[A-Za-z0-9-]{1,64}")
_SERVICE = re.compile(r"HTTP/[a-z0-9.-]{1,253}@[A-Za-z0-9.-]{1,255}")
_TAKEN = {"keep-alive", "te", "trailer", "http2-settings", "forwarded", "via", "range", "date", "pragma"}
_TAKEN |= {"cache-control", "priority", "x-real-ip"}
_TAKEN_FAMILIES = ("x-qproxy-", "x-qlik-", "qlik-", "accept", "content-", "if-", "sec-", "proxy-", "x-forwarded-for")
_BREAK_URLS = set(' \\"<>^`{|}')
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")

RESERVED_PREFIXES = frozenset(
    {"api", "app", "appcontent", "client", "content", "dev-hub", "engine", "extensions", "hub", "oidc", "qlik-embed"}
    | {"internal_forms_authentication", "internal_windows_authentication", "windows_authentication", "samlauthn"}
    | {"qmc", "qps", "qrs", "resources", "sense", "single", "tempcontent", "qproxy"}
)
"""First words of a path that QPS (or, for the last one, qproxy) keeps for itself: no prefix may be called so."""

QLIK_DIRECTORIES = frozenset({"internal", "none"})
"""User directories of Qlik's own service accounts and of anonymous users: nobody may log in under them."""


def check_prefix(value: str) -> str:
    if value.strip("/") != value:
        raise ValueError("must be written without a slash at its ends")
    if value != value.lower():
        raise ValueError("must be in lower case, in the QMC too")
    if not all(character.isascii() and (character.isalnum() or character in "-._~") for character in value):
        raise ValueError("may hold only a-z, 0-9 and - . _ ~")
    if value in RESERVED_PREFIXES or (value and not value.strip(".")):
        raise ValueError("is a word that Qlik or qproxy uses for its own paths: choose another prefix")
    return value


def check_cookie(value: str) -> str:
    check_token(value)
    if value.lower().endswith("-http"):
        raise ValueError("must be the name as in the QMC: Qlik and qproxy add -HTTP themselves when it is due")
    if value.lower().removeprefix("__host-") == "qproxy-login":
        raise ValueError("is the name of qproxy's own cookie: choose another one, in the QMC too")
    return value


def check_user_directory(value: str) -> str:
    check_line(value)
    User(value, "anybody")
    if value.strip().lower() in QLIK_DIRECTORIES:
        raise ValueError("is a user directory of Qlik's own accounts: nobody may log in under it")
    return value


def check_attributes(value: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    for name, values in value.items():
        if not check_line(name).isascii() or any(character in "=;" for character in name):
            raise ValueError("must have names in ASCII without = and ;")
        for one in values:
            if not one.isprintable() or ";" in one:
                raise ValueError("must have values of one line without ;")
    return value


def check_token(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError("must be letters, digits and -._~!#$%&'*+^`| only, at most 128 of them")
    return value


def check_vouching(value: str) -> str:
    """A header that has no other meaning, to qproxy, to Qlik or to a proxy on the way."""
    if not _FIELD.fullmatch(value):
        raise ValueError("must be letters, digits and - only, at most 64: a name with _ or . is refused on the wire")
    name = value.lower()
    rule = REQUEST_RULES.get(name.encode(), Rule.PASS)
    if rule in (Rule.READ, Rule.TAKE) or name in _TAKEN or name.startswith(_TAKEN_FAMILIES):
        raise ValueError("has another meaning: choose a name such as X-Login-User")
    return value


def check_service(value: str) -> str:
    """The Kerberos principal of a web server."""
    if not _SERVICE.fullmatch(value):
        raise ValueError("must be HTTP/host@REALM, the host as people open it, in lower case")
    return value


def check_page(value: str) -> str:
    """The address of another site's page, to which browsers are sent."""
    check_line(value)
    parts = urlsplit(value)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ValueError("must begin with https:// (http:// only on this machine)")
    if not parts.hostname or "@" in parts.netloc or parts.fragment or not value.isascii() or set(value) & _BREAK_URLS:
        raise ValueError("must be an address such as https://portal.example.com/qlik, without user name and fragment")
    return value


def check_line(value: str) -> str:
    """Text that may stand in a header or on a page: one line, not blank, no control characters."""
    if not value.strip():
        raise ValueError("must not be empty")
    if not value.isprintable():
        raise ValueError("must be one line of printable characters")
    return value
