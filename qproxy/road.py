"""The road of a request, on one screen: what the data plane is given, and the one place where both halves meet.

decide: host -> routing -> gate -> headers -> Forward, Answer or HandOver
rewrite: one host, cookies, and what QPS says of the session
"""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol
from urllib.parse import unquote_to_bytes

from qproxy import cookies, headers
from qproxy.auth.deep_link import DeepLinks
from qproxy.clients import Clients
from qproxy.errors import Failure, Refused
from qproxy.forwarding.conduct import Answer, Decision, Forward, HandOver
from qproxy.gate import Admitted, Gate, TurnedAway, Verdict, go_again, is_navigation, socket_to_login, to_login
from qproxy.headers import RequestHead, ResponseHead
from qproxy.model import End, Session
from qproxy.modes import Refusal
from qproxy.not_accepted import NotAccepted
from qproxy.partings import set_mark
from qproxy.records import Record
from qproxy.routing import OWN, Routes
from qproxy.virtual_proxy import VirtualProxy

Headers = Sequence[tuple[str, str]]


class FailurePage(Protocol):
    """qproxy.web.pages.failure_page."""

    def __call__(
        self,
        failure: Failure,
        request_id: str,
        *,
        html: bool,
        login_url: str | None = None,
        frame_ancestors: Sequence[str] = (),
    ) -> tuple[Headers, bytes]: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the road needs besides the virtual proxies."""

    hosts: frozenset[bytes]
    origin: str
    clients: Clients
    links: DeepLinks
    gate: Gate
    not_accepted: NotAccepted
    failure_page: Callable[[str, str], FailurePage]
    """Of a virtual proxy, or "", and for that Accept-Language."""
    own_pages: Callable[[], asyncio.Protocol]
    finished: Callable[[Record], None]
    vouching: frozenset[bytes] = frozenset()
    """Headers (lower case) in which a proxy in front says who somebody is: the login pages judge whether it may."""


class Road:
    """Satisfies qproxy.forwarding.conduct.Conduct."""

    def __init__(self, vps: Mapping[str, VirtualProxy], surroundings: Surroundings) -> None:
        self._vps = vps
        self._routes = Routes({vp.config.prefix: vp.name for vp in vps.values()})
        self._areas = self._routes.known
        self._guarded = {name.lower() for name in (*cookies.OWN_COOKIES, *(vp.cookie for vp in vps.values()))}
        self._around = surroundings
        self._scheme, _, self._host = surroundings.origin.partition("://")
        self._ids = itertools.count(1)
        self._run = secrets.token_hex(4)
        self._forwarded = lru_cache(maxsize=1024)(self._forwarded_lines)
        self._hosts = surroundings.hosts
        self._client_of = surroundings.clients.of if surroundings.clients.any else None
        self._admit = surroundings.gate.admit
        self.own_pages = surroundings.own_pages
        self.finished = surroundings.finished

    def decide(self, head: RequestHead, record: Record) -> Decision | Awaitable[Decision]:
        record.request_id = f"{self._run}-{next(self._ids)}"
        client_of = self._client_of
        record.client = client_of(record.peer, head) if client_of is not None else record.peer
        if head.host not in self._hosts:
            raise Refused(Failure.MISDIRECTED, "Host is not a public name of qproxy")
        area = self._areas.get(head.path) or self._routes.match(head.path)
        if area == OWN:
            return self._hand_over(head, record)
        vp = self._vps[area]
        record.vp = area
        verdict = self._admit(vp, head)
        if isinstance(verdict, Admitted):
            return self._pass_on(vp, head, record, verdict)
        if isinstance(verdict, TurnedAway):
            return self._turn_away(vp, head, record)
        return self._decide_later(vp, head, record, verdict)

    async def _decide_later(
        self, vp: VirtualProxy, head: RequestHead, record: Record, verdict: Awaitable[Verdict]
    ) -> Decision:
        known = await verdict
        if isinstance(known, TurnedAway):
            return self._turn_away(vp, head, record)
        return self._pass_on(vp, head, record, known)

    def _pass_on(self, vp: VirtualProxy, head: RequestHead, record: Record, admitted: Admitted) -> Forward:
        session = admitted.session
        if session is not None:
            record.user = session.who
            record.session = session.short
        return Forward(
            vp.pool,
            headers.to_upstream(head, admitted.cookie, self._forwarded(record.client), vp.strip),
            lambda answer: self._rewrite(vp, record, session, answer),
            vp.tunnels_of(session.id if session is not None else "") if head.websocket else None,
            session.id if session is not None else admitted.visitor,
            head.method == b"DELETE",  # the hub's logout is one; of other answers a plain one needs no change
        )

    def _forwarded_lines(self, client: str) -> bytes:
        return headers.forwarded_lines(client, self._scheme, self._host)

    # ways to turn away

    def _turn_away(self, vp: VirtualProxy, head: RequestHead, record: Record, relogin: bool = False) -> Answer:
        if head.websocket:
            return socket_to_login(head, self._login_url(vp))
        if is_navigation(head) and vp.ways:
            return to_login(self._around.links.login_location(vp.name, vp.path, head.target, relogin))
        return self._page(Failure.NOT_LOGGED_IN, head, record.request_id, vp, self._login_url(vp))

    def _login_url(self, vp: VirtualProxy) -> str:
        return self._around.origin + self._around.links.login_location(vp.name, vp.path, b"")

    def refuse(self, failure: Failure, record: Record) -> Answer:
        record.request_id = record.request_id or f"{self._run}-{next(self._ids)}"
        record.client = record.client or record.peer
        vp = self._vps.get(record.vp)
        answer = self._page(failure, record.head, record.request_id, vp)
        if failure is Failure.COOKIE_CONFLICT and vp is not None:
            answer.lines.append(b"Set-Cookie: " + _gone(vp))
        if failure is Failure.METHOD_REFUSED:
            answer.lines.append(b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
        return answer

    def _page(
        self,
        failure: Failure,
        head: RequestHead | None,
        request_id: str,
        vp: VirtualProxy | None,
        login: str | None = None,
    ) -> Answer:
        html = head is not None and is_navigation(head)  # programs are not spoken to in a person's language
        accepted = headers.accepted_languages(head.crossing) if html and head is not None else ""
        lines, body = self._around.failure_page(vp.name if vp is not None else "", accepted)(
            failure,
            request_id,
            html=html,
            login_url=login,
            frame_ancestors=vp.frame_ancestors if vp is not None else (),
        )
        return Answer(failure.status, [f"{name}: {value}".encode() for name, value in lines], body, failure)

    def _hand_over(self, head: RequestHead, record: Record) -> HandOver:
        """The head as aiohttp's handler reads it, with what only the data plane knows of the caller."""
        framing = b"" if head.websocket else head.framing
        vouching = self._around.vouching
        if not vouching.isdisjoint(headers.tokens(head.named.get(b"connection", b""))):
            raise Refused(Failure.BAD_REQUEST, "Connection names a header that a proxy in front answers for")
        told = headers.whole(
            [
                *headers.lines_named(head.dropped, vouching),
                b"X-Qproxy-Client: " + record.client.encode(),
                b"X-Qproxy-Request: " + record.request_id.encode(),
                *([b"Cookie: " + head.cookie] if head.cookie else []),
            ]
        )
        return HandOver(b"%b %b HTTP/1.1\r\n%b%b%b\r\n" % (head.method, head.target, head.crossing, told, framing))

    # what QPS answers

    def _rewrite(
        self, vp: VirtualProxy, record: Record, session: Session | None, answer: ResponseHead
    ) -> Answer | None:
        """One host, and one owner of the session. An Answer takes the place of a refusal of the session."""
        head = record.head
        assert head is not None
        location = answer.named.get(b"location")
        if location is not None:
            if vp.one_host.refuses_session(answer.status, location):
                return self._refused_by_qps(vp, head, record, session)
            answer.named[b"location"] = vp.one_host.location(location)
        if b"content-location" in answer.named:
            answer.named[b"content-location"] = vp.one_host.location(answer.named[b"content-location"])
        if answer.cookies:
            answer.cookies = self._their_cookies(vp, session, answer.cookies)
        logs_out = head.method == b"DELETE" and answer.status < 300 and is_hub_logout(head.path[len(vp.path) :])
        if logs_out and session is not None:
            vp.logged_out_in_hub(session)
            answer.cookies += [_gone(vp), set_mark(vp.name, session.id, secure=vp.secure).encode()]
        return None

    def _their_cookies(self, vp: VirtualProxy, session: Session | None, values: list[bytes]) -> list[bytes]:
        """QPS's cookies, for the public host only; none of qproxy's or of another virtual proxy, and none of the
        session cookie's name while a session of ours lives, which it would overwrite."""
        theirs = vp.cookie if session is None and vp.anonymous else None
        named = ((value, cookies.set_cookie_name(value)) for value in values)
        return [
            cookies.host_only(value) for value, name in named if name == theirs or _bare(value) not in self._guarded
        ]

    def _refused_by_qps(self, vp: VirtualProxy, head: RequestHead, record: Record, session: Session | None) -> Answer:
        if session is None:
            return self._turn_away(vp, head, record)
        refusal = vp.mode.refused(session, record.started, record.node)
        if refusal is not Refusal.FINAL:
            return self._again(vp, head, record, session, refusal)
        if self._around.not_accepted.final(vp.name, session, vp.cookie_name, vp.mode.cause(session)):
            again = self._around.origin + self._around.links.login_location(vp.name, vp.path, head.target, True)
            return self._page(Failure.SESSION_NOT_ACCEPTED, head, record.request_id, vp, again)
        vp.end_soon(session.id, End.NOT_ACCEPTED)
        answer = self._turn_away(vp, head, record, relogin=True)
        if is_navigation(head):  # what comes late to a script's request must not take away the cookie of a new login
            answer.lines.append(b"Set-Cookie: " + _gone(vp))
        return answer

    def _again(self, vp: VirtualProxy, head: RequestHead, record: Record, session: Session, refusal: Refusal) -> Answer:
        """QPS forgot the session: it is told again, and the request comes once more, by way of the login page. One that
        may not, or that is a socket, is told to try later: never a redirect on an upgrade."""
        if refusal is Refusal.LATER:
            return self._page(Failure.QPS_API, head, record.request_id, vp)
        location = self._around.links.renewal(vp.name, vp.path, head.target)
        if refusal is Refusal.RENEW:
            vp.renew_soon(session)
        elif location:
            location = head.target.decode("latin-1")
        if head.method in (b"GET", b"HEAD") and not head.websocket and location:
            return go_again(location)
        answer = self._page(Failure.SESSION_FORGOTTEN, head, record.request_id, vp)
        answer.lines.append(b"Retry-After: 1")
        return answer


def is_hub_logout(path: bytes) -> bool:
    """Whether a path within a virtual proxy is that of Qlik's logout, in any spelling: one more that Qlik understands
    must not leave our session behind."""
    return [part for part in unquote_to_bytes(path).lower().split(b"/") if part] == [b"qps", b"user"]


def _bare(value: bytes) -> bytes:
    """The name under which a Set-Cookie value comes back, in lower case; where it has none, its value begins with it
    (RFC 6265bis section 5.7)."""
    return value.partition(b";")[0].lstrip(b" \t=").partition(b"=")[0].strip(b' \t"').lower()


def _gone(vp: VirtualProxy) -> bytes:
    return cookies.expired(vp.cookie_name, secure=vp.secure, same_site=vp.same_site).encode()
