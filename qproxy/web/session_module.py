"""The session module: what Qlik's proxy service asks of us, on the internal listener only.

`GET session/{id}` answers who a session is; the other calls tell of sessions that Qlik made or ended. A session posted
here is Qlik's own and never becomes a login. An unknown session and an unavailable store must never look alike: Qlik
logs a person out on 404, so a store that cannot be asked is a 503. Nothing here calls Qlik back.
"""

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from qproxy.errors import Refused
from qproxy.model import Attributes, End, Session, User, short_hash
from qproxy.observe import Observer
from qproxy.sessions.store import IdTaken, StoreUnavailable
from qproxy.shared_memory import ASKED_BYTES, Section, Table
from qproxy.told_sessions import Adopted
from qproxy.web.module_wire import METHODS, BadCall, Call, Posted, read_call, read_posted, session_object

log = logging.getLogger("qproxy.session_module")

LARGEST_BODY = 256 * 1024
REMEMBERED = 20_000
ANSWER = "Hd"
COMPLAIN_AFTER = 10.0
"""Seconds between two log lines about an unavailable store: Qlik asks thousands of times a second."""
JSON_TYPE = "application/json; charset=utf-8"
UNKNOWN = b'{"error":"unknown session"}'
NOTHING_HERE = b'{"error":"there is nothing at this address"}'
EMPTY = b"{}"


class ModuleDesk(Protocol):
    """What the session module needs of a virtual proxy.

    Every method may raise StoreUnavailable (or Refused with the same meaning): both are answered with 503.
    """

    @property
    def attribute_cap(self) -> int:
        """Bytes that the attributes of one session may take in the header in which Qlik passes them on."""
        ...

    async def find(self, session_id: str) -> Session | None:
        """The living session of this virtual proxy, or None when it is unknown, over or revoked. Counts as use."""
        ...

    async def adopt(self, user: User, attributes: Attributes, session_id: str) -> Adopted:
        """Keep a session that Qlik made, and say whether the user had no other. IdTaken when it is another user's."""
        ...

    async def ended_by_qlik(self, session_id: str) -> object:
        """End it if it is there and the policy wants it, and write the audit line. QPS is not told: it told us."""
        ...

    async def of_user(self, user: User) -> Sequence[Session]:
        """Living sessions of the user, names compared without regard to case."""
        ...

    async def end_user(self, user: User, why: End) -> object: ...


@dataclass(frozen=True, slots=True)
class ModuleAnswer:
    """What Qlik was answered about one session, and when: seconds since the epoch."""

    status: int
    last: float


class Asked:
    """Remembers, for diagnostics, which sessions Qlik asked about, whichever worker; bounded, the longest unasked are
    forgotten."""

    def __init__(self, section: Section | None = None, cap: int = REMEMBERED) -> None:
        self._table = Table(section or Section.private(ASKED_BYTES), ANSWER, cap)

    def note(self, vp: str, session_id: str, status: int, now: float) -> None:
        with self._table.alone():
            self._table.put(self._table.key(vp, session_id), (status, now), lambda other: other[1])

    def asked(self, vp: str, session_id: str) -> ModuleAnswer | None:
        """The latest answer; None means that Qlik never asked, or too long ago."""
        with self._table.alone():
            found = self._table.get(self._table.key(vp, session_id))
        return None if found is None else ModuleAnswer(*found)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    allow: str = ""


Handler = Callable[[ModuleDesk, Call, web.Request], Awaitable[Reply]]


class SessionModule:
    """All virtual proxies' modules; `desks` is looked at on each call, so a reload may change it in place.

    `posted` is the status for a session that was taken over: what Qlik expects there is not documented. `asked`: the
    memory of what Qlik asked, where other workers have it too.
    """

    def __init__(
        self,
        desks: Mapping[str, ModuleDesk],
        observer: Observer,
        clock: Callable[[], float],
        posted: int = 201,
        asked: Asked | None = None,
    ) -> None:
        self._desks = desks
        self._observer = observer
        self._clock = clock
        self._posted = posted
        self._complained = float("-inf")
        self.memory = asked or Asked()
        self._handlers: dict[str, Handler] = {
            "get_session": self._get_session,
            "post_session": self._post_session,
            "delete_session": self._delete_session,
            "get_user": self._get_user,
            "delete_user": self._delete_user,
        }

    async def handle(self, request: web.Request) -> web.Response:
        """The answer to any request whose path is not another page's; also counts and times it."""
        started = time.perf_counter()
        vp = endpoint = "other"
        status = 500
        try:
            call = read_call(request.raw_path)
            if call is not None and call.vp in self._desks:
                vp, endpoint = call.vp, f"{request.method.lower()}_{call.kind.removesuffix('s')}"
            reply = await self._reply(call, endpoint, request)
            status = reply.status
        except BadCall as error:
            status, reply = 400, _refusal(400, str(error))
        except web.HTTPRequestEntityTooLarge:
            status, reply = 413, _refusal(413, "the body is too large")
        except (StoreUnavailable, Refused) as error:
            status, reply = 503, _refusal(503, "sessions cannot be looked up at the moment")
            self._store_failed(vp, error)
        finally:
            self._observer.metrics.module_call(vp, endpoint, status, time.perf_counter() - started)
        return _response(reply)

    async def _reply(self, call: Call | None, endpoint: str, request: web.Request) -> Reply:
        desk = None if call is None else self._desks.get(call.vp)
        if call is None or desk is None:
            return Reply(404, NOTHING_HERE)
        if request.method not in METHODS[call.kind]:
            return Reply(405, b'{"error":"method not allowed"}', ", ".join(METHODS[call.kind]))
        return await self._handlers[endpoint](desk, call, request)

    async def _get_session(self, desk: ModuleDesk, call: Call, _: web.Request) -> Reply:
        session_id = call.parts[0]
        try:
            session = await desk.find(session_id)
        except (StoreUnavailable, Refused):
            self.memory.note(call.vp, session_id, 503, self._clock())
            raise
        status = 404 if session is None else 200
        self.memory.note(call.vp, session_id, status, self._clock())
        return Reply(status, UNKNOWN if session is None else _json(session_object(session)))

    async def _post_session(self, desk: ModuleDesk, call: Call, request: web.Request) -> Reply:
        posted = read_posted(await request.read())
        kept, cut = posted.attributes.trimmed(desk.attribute_cap)
        if cut:
            self._say_cut(call.vp, posted, cut)
        try:
            adopted = await desk.adopt(posted.user, kept, posted.id)
        except IdTaken:
            self._audit("session_takeover_refused", call.vp, request, session=short_hash(posted.id), user=posted.user)
            return _refusal(409, "this session id belongs to another user")
        session = adopted.session
        if adopted.kept:
            self._audit("session_told", call.vp, request, session=session.short, user=session.user)
        return Reply(self._posted, _json(session_object(session) | {"NewUser": adopted.new_user}))

    async def _delete_session(self, desk: ModuleDesk, call: Call, _: web.Request) -> Reply:
        await desk.ended_by_qlik(call.parts[0])
        return Reply(200, EMPTY)

    async def _get_user(self, desk: ModuleDesk, call: Call, _: web.Request) -> Reply:
        user = _user(call)
        sessions = await desk.of_user(user) if user else ()
        return Reply(200, _json([session_object(session) for session in sessions]))

    async def _delete_user(self, desk: ModuleDesk, call: Call, request: web.Request) -> Reply:
        user = _user(call)
        if user:
            await desk.end_user(user, End.HUB_LOGOUT)
            self._audit("user_end_told", call.vp, request, user=user)
        return Reply(200, EMPTY)

    def _store_failed(self, vp: str, error: Exception) -> None:
        self._observer.metrics.store_error(vp)
        now = self._clock()
        if now - self._complained > COMPLAIN_AFTER:
            self._complained = now
            log.error("session module of %s: answering 503, the store is unavailable: %s", vp, error)

    def _say_cut(self, vp: str, posted: Posted, cut: tuple[str, ...]) -> None:
        log.warning(
            "session module of %s: the attributes of session %s take %d bytes, more than attributes may take here; "
            "cut off: %s. Let fewer groups through, or raise the cap and Qlik's header limits together.",
            vp, short_hash(posted.id), posted.attributes.size, ", ".join(dict.fromkeys(cut)),
        )  # fmt: skip

    def _audit(self, event: str, vp: str, request: web.Request, **fields: Any) -> None:
        self._observer.audit(event, vp=vp, client=peer_of(request), **fields)


def peer_of(request: web.Request) -> str:
    """The address at the other end of the TCP connection, whatever headers claim; empty when there is none."""
    peer = request.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""


def _user(call: Call) -> User | None:
    """None for a name that Qlik could not have: nobody has sessions under it."""
    try:
        return User(call.parts[0].strip(), call.parts[1].strip())
    except ValueError:
        return None


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _refusal(status: int, text: str) -> Reply:
    return Reply(status, _json({"error": text}))


def _response(reply: Reply) -> web.Response:
    headers = {"Content-Type": JSON_TYPE, "Cache-Control": "no-store"}
    if reply.allow:
        headers["Allow"] = reply.allow
    return web.Response(status=reply.status, body=reply.body, headers=headers)
