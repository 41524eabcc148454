"""The API of Qlik's proxy service (QPS) on port 4243, and how a ticket is turned into a session there.

The client certificate would let its holder become any Qlik user: it is shown to the configured nodes only, so redirects
are not followed and no address of an answer is ever called. Every answer can be wrong; each way ends in a QpsError that
says what, where and what to do. A session id, a ticket or a body never stands in one.
"""

import asyncio
import json
import re
import secrets
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
from yarl import URL

from qproxy.model import Attributes, User

LARGEST_ANSWER = 1 << 18
PAUSES = (0.5, 2.0, 8.0)
"""Seconds before each further attempt of a call that may be repeated."""

_TICKET = re.compile(r"[\x21-\x7e]{1,256}")
_COOKIE_VALUE = re.compile(rb"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,256}")

T = TypeVar("T")


class QpsError(Exception):
    """`word`, for the metric: "unreachable" (may pass by itself), "refused" or "unclear" (somebody has to look)."""

    def __init__(self, word: str, text: str) -> None:
        super().__init__(text)
        self.word = word


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node answers: `origin` is https://host:port, `server_name` the name expected in its certificate. `tls`
    is None for plain http."""

    origin: str
    tls: ssl.SSLContext | None
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """Good for one use within a minute. `target`: the address that belongs to the TargetId asked with, or ""."""

    value: str
    target: str


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: bytes
    cookies: Sequence[str]


class Caller:
    """One HTTP client for all calls: bounded in time and size, without cookies, redirects and proxies."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self, method: str, place: Place, target: str, headers: dict[str, str], body: bytes | None = None
    ) -> _Reply:
        """Raises QpsError."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._call(method, place, target, headers, body)
        except TimeoutError:
            raise QpsError("unreachable", f"{place.origin}: no answer within {self._timeout:g} s") from None
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise QpsError("refused", f"{place.origin}: TLS failed ({_reason(error)}): {CHECK_TLS}") from None
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise QpsError("unreachable", f"{place.origin}: {_reason(error)}: is port and firewall right?") from None
        except (aiohttp.ClientError, ValueError) as error:
            text = f"{place.origin}: no proper HTTP answer ({type(error).__name__}): is it Qlik's proxy service?"
            raise QpsError("unclear", text) from None

    async def _call(
        self, method: str, place: Place, target: str, headers: dict[str, str], body: bytes | None
    ) -> _Reply:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
        async with self._session.request(
            method,
            URL(place.origin + target, encoded=True),
            data=body,
            headers={"User-Agent": "qproxy", "Connection": "close", "Accept-Encoding": "identity", **headers},
            ssl=place.tls if place.tls is not None else True,
            server_hostname=place.server_name if place.tls is not None else None,
            allow_redirects=False,
        ) as answer:
            content = await _bounded(answer.content)
            return _Reply(answer.status, content, answer.headers.getall("Set-Cookie", []))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


CHECK_TLS = "check the certificates: ca, server_name and the client certificate from the QMC's export"


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """At most one byte more than an answer may have."""
    read = bytearray()
    while len(read) <= LARGEST_ANSWER and (piece := await content.read(LARGEST_ANSWER + 1 - len(read))):
        read += piece
    return bytes(read)


def _reason(error: BaseException) -> str:
    """What failed, without the peer's words."""
    found = getattr(error, "os_error", error)
    text = getattr(found, "reason", None) or getattr(found, "strerror", None)
    return text if isinstance(text, str) else type(error).__name__


class QpsApi:
    """The API of one node, for one virtual proxy. `prefix` is the virtual proxy's, "" for the default one."""

    def __init__(self, caller: Caller, place: Place, prefix: str) -> None:
        self._caller = caller
        self._place = place
        self._root = f"/qps/{quote(prefix)}/" if prefix else "/qps/"

    @property
    def origin(self) -> str:
        return self._place.origin

    async def add_session(self, session_id: str, user: User, attributes: Attributes) -> None:
        """Harmless when QPS knows it already. Raises QpsError."""
        wanted = {**_person(user, attributes), "SessionId": session_id}
        reply = await self._ask("POST", "session", wanted)
        if reply.status >= 400 and b"already exists" in reply.body:
            return
        self._require_success("telling of a session", reply)
        if self._object("telling of a session", reply).get("sessionid") != session_id:
            raise self._unclear("telling of a session", "the answer names another session")

    async def knows(self, session_id: str) -> bool:
        """Raises QpsError."""
        what = "asking for a session"
        reply = await self._ask("GET", f"session/{quote(session_id, safe='')}")
        if reply.status == 404:
            return False
        self._require_success(what, reply)
        return self._json(what, reply) is not None

    async def end_session(self, session_id: str) -> None:
        """Harmless when QPS does not know it. Raises QpsError."""
        reply = await self._ask("DELETE", f"session/{quote(session_id, safe='')}")
        if reply.status != 404:
            self._require_success("ending a session", reply)

    async def ticket(self, user: User, attributes: Attributes, target_id: str = "") -> Ticket:
        """Raises QpsError, also when QPS does not know the TargetId."""
        what = "asking for a ticket"
        wanted: dict[str, Any] = _person(user, attributes)
        reply = await self._ask("POST", "ticket", {**wanted, "TargetId": target_id} if target_id else wanted)
        self._require_success(what, reply)
        answer = self._object(what, reply)
        value, target = answer.get("ticket"), answer.get("targeturi")
        if not isinstance(value, str) or not _TICKET.fullmatch(value):
            raise self._unclear(what, "the answer holds no ticket")
        return Ticket(value, target if isinstance(target, str) else "")

    async def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> _Reply:
        """With the key against cross-site requests, 16 letters and digits, twice (QP section 2.1)."""
        key = secrets.token_hex(8)
        headers = {"X-Qlik-Xrfkey": key, "Content-Type": "application/json"}
        body = None if content is None else json.dumps(content).encode()
        return await self._caller.call(method, self._place, f"{self._root}{path}?xrfkey={key}", headers, body)

    def _require_success(self, what: str, reply: _Reply) -> None:
        status = reply.status
        if 200 <= status < 300:
            return
        if status in (401, 403):
            text = f"status {status}: it does not accept the client certificate; export one from this site's QMC"
            raise QpsError("refused", f"{self.origin}: {what}: {text}")
        word = "unreachable" if status >= 500 else "refused"
        hint = "is the prefix one of this site's, and is that Qlik's API port?" if status < 500 else "it is in trouble"
        raise QpsError(word, f"{self.origin}: {what}: status {status}: {hint}")

    def _json(self, what: str, reply: _Reply) -> Any:
        if len(reply.body) > LARGEST_ANSWER:
            raise self._unclear(what, f"the answer is longer than {LARGEST_ANSWER} bytes")
        try:
            return json.loads(reply.body)
        except (ValueError, RecursionError):
            raise self._unclear(what, "the answer is not JSON") from None

    def _object(self, what: str, reply: _Reply) -> dict[str, Any]:
        """With its keys in lower case: their spelling differs (QP section 1.2)."""
        content = self._json(what, reply)
        if not isinstance(content, dict):
            raise self._unclear(what, "the answer is no JSON object")
        return {key.lower(): value for key, value in content.items()}

    def _unclear(self, what: str, why: str) -> QpsError:
        return QpsError("unclear", f"{self.origin}: {what}: {why}: is it the API of Qlik's proxy service?")


def _person(user: User, attributes: Attributes) -> dict[str, Any]:
    pairs = [{name: value} for name, value in attributes.pairs]
    return {"UserDirectory": user.directory, "UserId": user.id, "Attributes": pairs}


class Door:
    """Where browsers' requests enter one node: a ticket is redeemed there, as a browser would do it.

    `host` is the public name that QPS has in its host allow list, `path` the virtual proxy's, `cookie` the session
    cookie's name.
    """

    def __init__(self, caller: Caller, place: Place, host: str, path: str, cookie: str) -> None:
        self._caller = caller
        self._place = place
        self._host = host
        self._target = f"{path}/hub/?qlikTicket="
        self._cookie = cookie.encode()

    async def redeem(self, ticket: Ticket) -> str:
        """The id of the session that QPS made for it. Raises QpsError."""
        target = self._target + quote(ticket.value, safe="")
        reply = await self._caller.call("GET", self._place, target, {"Host": self._host, "Accept": "text/html"})
        for line in reply.cookies:
            name, _, value = line.encode("latin-1", "replace").partition(b";")[0].partition(b"=")
            if name.strip() == self._cookie and _COOKIE_VALUE.fullmatch(value.strip()):
                return value.strip().decode()
        text = (
            f"status {reply.status} and no cookie {self._cookie.decode()}: do cookie, prefix and host allow list fit?"
        )
        raise QpsError("refused", f"{self._place.origin}: redeeming a ticket: {text}")


async def counted(count: Callable[[str, str], None], call: str, work: Awaitable[T]) -> T:
    """Does the work and counts it under `call`, by how it went: "ok" or a QpsError's word."""
    try:
        done = await work
    except QpsError as error:
        count(call, error.word)
        raise
    count(call, "ok")
    return done


async def repeated(call: Callable[[], Awaitable[T]], pauses: Sequence[float] = PAUSES) -> T:
    """The call, again after each pause while QPS cannot be reached: for calls that may happen twice."""
    for pause in pauses:
        try:
            return await call()
        except QpsError as error:
            if error.word != "unreachable":
                raise
        await asyncio.sleep(pause)
    return await call()
