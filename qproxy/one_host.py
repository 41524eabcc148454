"""One host: no address of a Qlik machine may reach the browser, and no refusal of QPS may look like a login page.

Pure. QPS writes absolute redirects with its own name and ports; here they become addresses of the public host, and the
four shapes in which QPS says "I do not accept this session" are recognised.
"""

import re
from dataclasses import dataclass

QLIK_PORTS = frozenset({b"", b"443", b"444", b"80", b"4244", b"4248"})
LOGIN_PORTS = frozenset({b"4244", b"4248"})
OWN_LOGIN = b"/qproxy/login/"

_ABSOLUTE = re.compile(
    rb"(?:https?:[/\\]*|[/\\]{2,})(?:[^/?#\\]*@)?(?P<authority>[^/?#\\]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL
)
"""Also what browsers read as such: backslashes, too few or too many slashes, a user in front of the host (WHATWG URL
section 4.4)."""
_LOGIN_PATH = re.compile(
    rb"(?:^|/)(?:internal_windows|internal_forms|windows|form)_?authentication(?:[/?]|$)", re.IGNORECASE
)
_TARGET_ID = re.compile(rb"[?&]targetid=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """A Location value, taken apart: `ours` is false for an address of somebody else."""

    ours: bool
    port: bytes
    rest: bytes


@dataclass(frozen=True, slots=True)
class OneHost:
    """The public origin, and the lower-case host names (without port) under which Qlik's machines are known."""

    origin: bytes
    names: frozenset[bytes]
    ports: frozenset[bytes] = QLIK_PORTS

    def place(self, location: bytes) -> Place:
        location = location.translate(None, b"\t")  # browsers do
        match = _ABSOLUTE.fullmatch(location)
        if match is None:
            return Place(True, b"", location)
        host, port = _host_port(match["authority"])
        return Place(host in self.names and port in self.ports, port, match["rest"])

    def location(self, location: bytes) -> bytes:
        """The Location for the browser: Qlik's own addresses on the public origin, all others as they came."""
        place = self.place(location)
        if not place.ours or _ABSOLUTE.fullmatch(location.translate(None, b"\t")) is None:
            return location
        rest = place.rest if place.rest.startswith(b"/") else b"/" + place.rest
        return self.origin + rest

    def refuses_session(self, status: int, location: bytes) -> bool:
        """Whether a redirect of QPS means "this session is not accepted".

        The shapes: internal_windows_authentication or internal_forms_authentication, windows_authentication, ports
        4244 and 4248 (of any host: the node may call itself by a name that nobody configured), and our own login
        address with a targetId.
        """
        if not 300 <= status < 400 or not location:
            return False
        place = self.place(location)
        if not place.ours:
            return place.port in LOGIN_PORTS
        path = place.rest.partition(b"?")[0]
        return (
            place.port in LOGIN_PORTS
            or _LOGIN_PATH.search(path) is not None
            or (path.startswith(OWN_LOGIN) and _TARGET_ID.search(place.rest) is not None)
        )


def _host_port(authority: bytes) -> tuple[bytes, bytes]:
    host, colon, port = authority.rpartition(b":")
    if colon and (port.isdigit() or not port):
        return host.lower().removesuffix(b"."), port
    return authority.lower().removesuffix(b"."), b""
