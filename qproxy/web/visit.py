"""One request to a login page and all that it means: whose browser, which virtual proxy, which way, where to.

It must decide nothing and change nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote

from aiohttp import web

from qproxy import partings
from qproxy.auth.deep_link import LoginState
from qproxy.auth.method import Keep, LoginRequest
from qproxy.auth.way import Way
from qproxy.model import Session
from qproxy.routing import OWN
from qproxy.texts import Texts
from qproxy.web.desk import Caller, LoginDesk, LoginEvent, origin
from qproxy.web.form_guard import FormGuard, cookie_values
from qproxy.web.look import LOOK, Look
from qproxy.web.own_pages import CALLER

TARGET_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
LONGEST_SHOWN_NAME: Final = 128
MOST_COOKIES: Final = 4
"""Of one browser's cookies of one name, so many are looked at."""
LAST_WAY: Final = "qproxy-way"
_WAY = re.compile(r"[a-z0-9_-]{1,31}")


@dataclass(frozen=True, slots=True)
class Visit:
    """`way` None: the person has to choose one first."""

    desk: LoginDesk
    way: Way | None
    state: LoginState
    guard: FormGuard
    caller: Caller
    look: Look
    host: str
    sessions: tuple[str, ...] = field(repr=False)
    """The values of the Qlik cookie that the browser sent."""
    query: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, tuple[str, ...]] = field(repr=False)
    last_way: str = ""
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    kept: Mapping[str, str] = field(default_factory=dict, repr=False)
    verb: str = ""
    certificate: tuple[str, ...] = ()
    parted: str = ""
    """The mark of a logout in this browser, after which nobody has logged in yet."""

    @property
    def texts(self) -> Texts:
        return self.look.texts

    @property
    def typed(self) -> str:
        """The name that was typed, fit to be shown and logged; in a further step that of the first one."""
        name = (self.kept.get("name") or self.form.get("name", ""))[:LONGEST_SHOWN_NAME]
        return "".join(letter if letter.isprintable() else "?" for letter in name)

    @property
    def from_qlik(self) -> bool:
        """Whether QPS sent the browser here, or somebody who writes such an address."""
        return not self.query.get("state") and TARGET_ID.fullmatch(self.query.get("targetId", "")) is not None

    @property
    def origin(self) -> str:
        return origin(self.desk, self.host)

    @property
    def here(self) -> str:
        """The address of the way on the public host."""
        return f"{self.origin}{login_path(self.desk)}/{self.way.name if self.way else ''}"

    @property
    def bound(self) -> str:
        """What ties a step to this browser, this virtual proxy and this way."""
        return "\0".join(("login step", self.desk.name, self.way.name if self.way else "", self.guard.binding))

    def by(self, way: Way) -> "Visit":
        return replace(self, way=way)

    def event(self, outcome: str, user: str = "", session: str = "") -> LoginEvent:
        method = self.way.name if self.way else ""
        caller = self.caller
        return LoginEvent(
            outcome, self.desk.name, method, user or self.typed, caller.address, caller.request_id, session
        )

    def opening(self) -> LoginRequest:
        """The step of who has said nothing yet."""
        return LoginRequest(self.desk.name, self.caller.address, here=self.here)

    def step(self, keep: Keep) -> LoginRequest:
        return LoginRequest(
            self.desk.name,
            self.caller.address,
            self.form,
            self.query,
            self.verb,
            self.kept,
            self.here,
            self.caller.peer,
            self.headers,
            keep,
            self.certificate,
        )


def login_path(desk: LoginDesk) -> str:
    return f"/{OWN}/login/{quote(desk.name, safe='')}"


def sessions_sent(request: web.Request, desk: LoginDesk) -> tuple[str, ...]:
    return tuple(cookie_values(request, desk.cookie_name)[:MOST_COOKIES])


async def living(desk: LoginDesk, ids: Sequence[str]) -> list[Session]:
    found = [await desk.find(one) for one in ids]
    return [session for session in found if session is not None]


async def logged_in(visit: Visit) -> Session | None:
    """By one cookie of ours; a session that Qlik made (an anonymous one) is no login, and two cookies are none."""
    found = await living(visit.desk, visit.sessions) if len(visit.sessions) == 1 else []
    return next((session for session in found if not session.by_qlik), None)


def visit_of(request: web.Request, desk: LoginDesk, state: LoginState, guard: FormGuard) -> Visit:
    """As it stands in the request; the way is still open."""
    values = request.headers
    marks = [value for value in cookie_values(request, partings.COOKIE) if partings.MARK.fullmatch(value)]
    return Visit(
        desk,
        None,
        state,
        guard,
        replace(request[CALLER], peer=request.remote or ""),
        request[LOOK],
        request.host,
        sessions_sent(request, desk),
        request.query,
        {name.lower(): tuple(values.getall(name)) for name in values},
        last_way_of(request),
        certificate=_certificate_names(request),
        parted=marks[0] if marks else "",
    )


def _certificate_names(request: web.Request) -> tuple[str, ...]:
    """The host names in the certificate that the connection showed, "" in none; whoever it is that it names, an
    authority of the configuration made it, or the handshake had failed."""
    shown = request.get_extra_info("peercert") or {}
    return tuple(value.lower() for kind, value in shown.get("subjectAltName", ()) if kind == "DNS")


def last_way_of(request: web.Request) -> str:
    last = [value for value in cookie_values(request, LAST_WAY) if _WAY.fullmatch(value)]
    return last[0] if last else ""
