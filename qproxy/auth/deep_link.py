"""Where a person wanted to go before the login came in between: carried, sealed, by the login URL itself.

No server memory, no expiry, one per tab. The link holds a path on the same host and no authority, so an old one is
harmless and a damaged one means the hub. It must never lead to another origin, whoever made the URL.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from qproxy.auth.login_keys import LoginKeys
from qproxy.errors import Refused
from qproxy.routing import OWN, check_target

LONGEST_LOCATION: Final = 8000
"""Bytes of the login URL: what common parsers of a request line take (8 KB) with room for the rest of the line."""

_BREAKS_URL = re.compile(r"[\x00-\x20\x7f\\#]")


@dataclass(frozen=True, slots=True)
class LoginState:
    """What a login URL says: the target after the login, and whether QPS had not accepted the session before."""

    next: str
    relogin: bool = False
    renew: bool = False
    """QPS forgot the session: it is to be told again, and the person to go on."""


class DeepLinks:
    def __init__(self, keys: LoginKeys) -> None:
        self._keys = keys

    def login_location(self, vp: str, path: str, target: bytes, relogin: bool = False) -> str:
        """The login URL (a path on the public host) that leads back to `target`, the raw target of the request.

        `path` is the virtual proxy's, "/sales" or "". A target that is unsafe or too long is forgotten: hub.
        """
        page = f"/{OWN}/login/{quote(vp, safe='')}"
        wanted = target if safe_next(target.decode("latin-1"), path) else b""
        if not wanted and not relogin:
            return page
        location = f"{page}?state={self._keys.seal((b'r' if relogin else b'-') + wanted, vp)}"
        return location if len(location) <= LONGEST_LOCATION else self.login_location(vp, path, b"", relogin)

    def renewal(self, vp: str, path: str, target: bytes) -> str:
        """The login URL at which QPS is told of a session again, on the way back to `target`; "" where that cannot be
        carried."""
        if not safe_next(target.decode("latin-1"), path):
            return ""
        location = f"/{OWN}/login/{quote(vp, safe='')}?state={self._keys.seal(b'n' + target, vp)}"
        return location if len(location) <= LONGEST_LOCATION else ""

    def read(self, vp: str, path: str, state: str) -> LoginState:
        """Never fails: whatever is not ours means the hub."""
        plain = self._keys.unseal(state, vp) if state else None
        if not plain:
            return LoginState(hub(path))
        wanted = plain[1:].decode("latin-1")
        return LoginState(wanted if safe_next(wanted, path) else hub(path), plain[:1] == b"r", plain[:1] == b"n")


def hub(path: str) -> str:
    return f"{path}/hub/"


def safe_next(target: str, path: str) -> bool:
    """Whether a browser may be sent to `target`: a path, and perhaps a query, of this virtual proxy on this host.

    True only for what begins with one slash, lies under `path`, and means the same to every parser (no '//' in its
    path, backslash, control character, white space, fragment or dot segment), and is not one of qproxy's own pages.
    """
    if not target.startswith("/") or _BREAKS_URL.search(target):
        return False
    own_path = target.partition("?")[0]
    if "//" in own_path or not f"{own_path}/".startswith(f"{path}/") or _is_own_page(own_path):
        return False
    try:
        raw = target.encode("latin-1")
        check_target(raw, raw.partition(b"?")[0])
    except (Refused, UnicodeEncodeError):
        return False
    return True


def _is_own_page(path: str) -> bool:
    return unquote(path).split("/")[1].partition(";")[0].casefold() == OWN


def as_location(target: str) -> str:
    """The target for a Location field: bytes above ASCII as a browser would have escaped them, the rest untouched."""
    return "".join(letter if letter < "\x80" else f"%{ord(letter):02X}" for letter in target)
