"""What may stand in the keys of an OpenID Connect login: issuers, scopes, parameters. Judges text only."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from qproxy.config.fields import is_loopback, parse_duration
from qproxy.config.names import check_line

OURS: Final = frozenset(
    {"client_id", "client_secret", "code_challenge", "code_challenge_method", "max_age", "nonce", "redirect_uri"}
    | {"request", "request_uri", "response_mode", "response_type", "scope", "state"}
)
"""Parameters of an authorization request that are not the configuration's to choose."""
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")


def check_issuer(value: str) -> str:
    """As the provider writes it, byte for byte: it is compared, never changed."""
    if not check_line(value).isascii() or " " in value:
        raise ValueError("must be an address in ASCII without blanks")
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("is no address") from None
    if "?" in value or "#" in value or "@" in parts.netloc or not host:
        raise ValueError("must be an address without user name, query and fragment")
    if "{" in value:
        raise ValueError("must name one tenant: put its id in place of the braces")
    if value.endswith("/.well-known/openid-configuration"):
        raise ValueError("must end before /.well-known/openid-configuration")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must begin with https:// (http:// is taken for this machine alone)")
    if parts.scheme not in ("http", "https"):
        raise ValueError("must begin with https://")
    return value


def check_scopes(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_SCOPE.fullmatch(scope) for scope in value):
        raise ValueError("must be scopes of printable ASCII without blanks and quotes")
    if "openid" not in value:
        raise ValueError("must hold openid: without it there is no ID token")
    return value


def check_parameters(value: Mapping[str, str]) -> Mapping[str, str]:
    for name, text in value.items():
        if name.lower() in OURS:
            raise ValueError(f"must leave {name} to qproxy")
        check_line(name)
        check_line(text)
    return value


def check_proxy(value: str) -> str:
    parts = urlsplit(check_line(value))
    whole = parts.scheme == "http" and parts.hostname and parts.port and parts.path in ("", "/")
    if not whole or "@" in parts.netloc:
        raise ValueError("must be http://host:port, without user name and password")
    return value


def parse_max_age(value: object) -> float:
    """Seconds; 0 means that the person logs in there every time."""
    return 0.0 if value in (0, "0", "0s") else parse_duration(value)
