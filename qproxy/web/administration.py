"""Administration for programs, on the internal listener: who is logged in, and out with them; who has to wait.

Every request must be signed with the session key, whatever its address or certificate; without a key nothing is
answered. What may be many sessions comes as a stream, one JSON object a line, whose last line says that it is
complete: a million of them are never in memory. Ids leave as hashes only, attributes only where they are asked for.
Nothing here knows how a session ends: `VirtualProxy.end_session` does.
"""

import asyncio
import ipaddress
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final, Protocol

from aiohttp import web

from qproxy.auth.guesses import Guesses
from qproxy.auth.way import Way
from qproxy.model import End, Session, User, long_hash
from qproxy.observe import Observer
from qproxy.sessions.front import Sessions
from qproxy.sessions.store import StoreUnavailable
from qproxy.web.administration_wire import LONGER, BadWish, Wish, read_wish, shown, with_attributes
from qproxy.web.json_lines import STORE_AWAY, answer, refusal, stream
from qproxy.web.session_module import peer_of
from qproxy.web.signature import SCHEME, Signatures
from qproxy.web.throttled import Throttled

log = logging.getLogger("qproxy.administration")

MOUNT: Final = "administration"
AT_ONCE: Final = 100
"""Sessions that are ended or written together; between two such steps everybody else has a turn."""
MOST_ALIKE: Final = 20

Chosen = tuple["Desk", Session]
Refused = Callable[[str, str], None]
"""To note, by address and reason, that a request was refused."""


class Desk(Protocol):
    """What administration needs of a virtual proxy. Whatever asks the store may raise StoreUnavailable."""

    @property
    def sessions(self) -> Sessions: ...

    async def of_user(self, user: User) -> list[Session]: ...

    async def end_session(self, session_id: str, why: End) -> object: ...

    def sockets_of(self, session_id: str) -> int: ...

    @property
    def ways(self) -> Sequence[Way]: ...


class Administration:
    """`desks` by name; looked at on each call, so a reload may change it in place."""

    def __init__(
        self,
        desks: Mapping[str, Desk],
        signatures: Signatures,
        observer: Observer,
        clock: Callable[[], float],
        guesses: Guesses,
    ) -> None:
        self._desks = desks
        self._throttled = Throttled(desks, guesses, observer)
        self._signatures = signatures
        self._observer = observer
        self._clock = clock
        self._refused: Refused = lambda _, __: None

    def add_to(self, app: web.Application, refused: Refused) -> None:
        """Everything below the mount comes here, what does not exist as well: strangers learn nothing of it."""
        self._refused = refused
        app.router.add_route("*", rf"/{MOUNT}/{{rest:[\s\S]*}}", self.handle)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        reason = self._reason(request)
        if reason is not None:
            self._refused(peer_of(request), reason)
            return refusal(401, reason, {"WWW-Authenticate": SCHEME})
        try:
            return await self._answer(request)
        except BadWish as error:
            return refusal(400, str(error))
        except StoreUnavailable as error:
            log.error("administration: answering 503, the store is unavailable: %s", error)
            return refusal(503, STORE_AWAY)

    def _reason(self, request: web.Request) -> str | None:
        """Why this request is refused, in one word. What is not encrypted may not come from another machine."""
        if request.get_extra_info("sslcontext") is None and not _is_here(request):
            return "plain"
        authorization = request.headers.get("Authorization", "")
        return self._signatures.refuses(authorization, request.method, request.raw_path)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        first, _, digits = request.match_info["rest"].partition("/")
        if (first, digits) == ("throttle", ""):
            return await self._throttled.answer(request)
        if first != "sessions":
            return refusal(404, "there is nothing at this address")
        wish = read_wish(digits, request.query.items())
        if wish.vp is not None and wish.vp not in self._desks:
            raise BadWish(f"there is no virtual proxy {wish.vp!r}: there are {', '.join(self._desks)}")
        match request.method, digits:
            case "GET", "":
                return await self._many(request, "list", wish)
            case "GET", _:
                return await self._one(request, "show", wish)
            case "DELETE", "" if (wish.user is None) is not wish.everybody:
                raise BadWish("say which sessions shall end: user=DIRECTORY\\id, or all=true")
            case "DELETE", "":
                return await self._many(request, "end", wish)
            case "DELETE", _:
                return await self._one(request, "end", wish)
        return refusal(405, "method not allowed", {"Allow": "GET, DELETE"})

    # One session by its hash

    async def _one(self, request: web.Request, action: str, wish: Wish) -> web.Response:
        chosen: list[Chosen] = []
        async with aclosing(self._chosen(wish)) as every:
            async for one in every:
                chosen.append(one)
                if len(chosen) == MOST_ALIKE:
                    break
        if len(chosen) == 1 and action == "end":
            await self._end(chosen)
        self._audit(request, action, wish, len(chosen) if len(chosen) == 1 else 0)
        if not chosen:
            return refusal(404, "there is no such session; it may have ended")
        if len(chosen) > 1:
            alike = sorted(long_hash(session.id)[:LONGER] for _, session in chosen)
            return answer(409, {"error": "several sessions begin like this: give more digits", "sessions": alike})
        return answer(200, self._shown(chosen[0], attributes=action == "show"))

    # Many

    async def _many(self, request: web.Request, action: str, wish: Wish) -> web.StreamResponse:
        """Begins to answer with the first sessions: a store that is away is a 503."""

        async def lines() -> AsyncGenerator[Sequence[Mapping[str, Any]], None]:
            async with aclosing(self._steps(wish, end=action == "end")) as steps:
                async for step in steps:
                    yield [self._shown(one, wish.attributes) for one in step]

        def finished(count: int, complete: bool) -> None:
            self._audit(request, action, wish, count, complete=complete)

        return await stream(request, "sessions", lines(), finished)

    async def _steps(self, wish: Wish, end: bool) -> AsyncGenerator[Sequence[Chosen], None]:
        """Those that are meant, some at a time; with `end` they have ended when they come."""
        step: list[Chosen] = []
        async with aclosing(self._chosen(wish)) as every:
            async for one in every:
                step.append(one)
                if len(step) == AT_ONCE:
                    yield await self._end(step) if end else step
                    step = []
        if step:
            yield await self._end(step) if end else step

    async def _chosen(self, wish: Wish) -> AsyncGenerator[Chosen, None]:
        for name, desk in list(self._desks.items()):
            if wish.vp not in (None, name):
                continue
            if wish.user is not None:
                for session in await desk.of_user(wish.user):
                    if wish.fits(session):
                        yield desk, session
                continue
            async with aclosing(desk.sessions.each(name)) as every:
                async for session in every:
                    if wish.fits(session):
                        yield desk, session

    async def _end(self, step: Sequence[Chosen]) -> Sequence[Chosen]:
        """All at once, which the store writes together. When one fails, the others have ended nevertheless."""
        ends = (desk.end_session(session.id, End.ADMINISTRATOR) for desk, session in step)
        for result in await asyncio.gather(*ends, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        return step

    # What is said of them

    def _shown(self, chosen: Chosen, attributes: bool) -> dict[str, Any]:
        desk, session = chosen
        lifetime = desk.sessions.lifetime_of(session)
        assert lifetime is not None, "living sessions have one"
        fields = shown(session, lifetime, desk.sockets_of(session.id), self._clock())
        return fields | {"attributes": with_attributes(session)} if attributes else fields

    def _audit(self, request: web.Request, action: str, wish: Wish, count: int, complete: bool = True) -> None:
        """One line for each request that was allowed: lists show who works when."""
        said = {"vp": wish.vp, "user": wish.user and str(wish.user), "session": wish.digits[:8]}
        filters = {name: value for name, value in said.items() if value}
        self._observer.audit(
            "administration", action=action, client=peer_of(request), count=count, complete=complete, **filters
        )


def _is_here(request: web.Request) -> bool:
    try:
        return ipaddress.ip_address(peer_of(request)).is_loopback
    except ValueError:
        return False
