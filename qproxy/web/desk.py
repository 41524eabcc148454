"""What the login flow needs of a virtual proxy, and what it tells the audit log.

A seam, so that the flow can be tried without Qlik and cannot reach further into a virtual proxy than a login needs. It
must decide nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from qproxy.auth.mapping import Denied, Identity
from qproxy.auth.method import Accept
from qproxy.auth.way import Way
from qproxy.model import NO_TIE, Attributes, End, Session, Tie, User


@dataclass(frozen=True, slots=True)
class LoginEvent:
    """One line of the audit log. `outcome`: accepted, logout, token, cross_site, or a Reason's word. `kind`: "login",
    "logout", or "provider_call" for what an identity provider asks by itself.

    `user` is what was typed or, once accepted, directory and id; free of control characters and capped. `session` is a
    short hash or "".
    """

    outcome: str
    vp: str
    method: str
    user: str
    address: str
    request_id: str
    session: str = ""
    kind: str = "login"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the browser's address as far as it can be trusted, and the request's id in every log."""

    address: str
    request_id: str
    peer: str = ""
    """The address of the connection itself, whoever stands behind it."""


class LoginDesk(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def path(self) -> str:
        """ "/sales", or "" for the default virtual proxy."""
        ...

    @property
    def directory(self) -> str:
        """The user directory of people whose login method names none."""
        ...

    @property
    def cookie_name(self) -> str: ...

    @property
    def same_site(self) -> str:
        """ "lax", "strict" or "none", in any case."""
        ...

    @property
    def secure(self) -> bool:
        """Whether the public URL is https."""
        ...

    @property
    def public_origins(self) -> Sequence[str]:
        """The main one first, as browsers write them: "https://bi.example.com", without a default port."""
        ...

    @property
    def frame_ancestors(self) -> Sequence[str]:
        """Origins that may embed the pages; empty: none."""
        ...

    @property
    def ways(self) -> Sequence[Way]:
        """To log in, in the order of the configuration; their names are unique."""
        ...

    def identify(self, method: str, accept: Accept, address: str) -> Identity | Denied:
        """Who somebody is for Qlik whom that method accepted, or that the rules do not let in."""
        ...

    async def open_session(
        self,
        user: User,
        attributes: Attributes,
        relogin: bool,
        instead_of: Collection[str] = (),
        method: str = "",
        tie: Tie = NO_TIE,
    ) -> Session:
        """A session with a new id, which takes the place of those. May raise Refused."""
        ...

    async def end_session(self, session_id: str, why: End) -> None: ...

    async def end_tied(self, keys: Collection[str], why: End) -> int:
        """All sessions with one of these keys in their tie; how many there were."""
        ...

    async def find(self, session_id: str) -> Session | None:
        """The living session of this virtual proxy with that id. May raise Refused."""
        ...

    async def parted(self, mark: str) -> Session | None:
        """The session that ended by a logout in Qlik's hub and left that mark in the browser, as far as its login is
        concerned; once. May raise StoreUnavailable."""
        ...

    async def renew(self, session: Session, sure: bool) -> None:
        """QPS is told of the session again: surely forgotten, or (not `sure`) somebody says so. May raise Refused."""
        ...

    async def target(self, session: Session, query: Mapping[str, str]) -> str:
        """The address for which QPS sent somebody to the login with this query, or "". It may be any text."""
        ...

    def audit(self, event: LoginEvent) -> None: ...


def origin(desk: LoginDesk, host: str) -> str:
    """The public origin that the browser is at, by its Host header; the main one when that is none of them."""
    scheme = "https" if desk.secure else "http"
    here = f"{scheme}://{host.lower()}"
    return here if here in desk.public_origins else desk.public_origins[0]
