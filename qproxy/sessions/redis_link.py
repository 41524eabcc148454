"""The way to the Redis master: finds it, finds it again when it has moved, repeats, gives up in time.

Every trouble becomes a StoreUnavailable that says what failed, where, and what to do. What is repeated must be harmless
to do twice. Must not know what is kept.
"""

import asyncio
import contextlib
import logging
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from qproxy.sessions.redis_places import Access, Places, ask
from qproxy.sessions.store import StoreUnavailable

logger = logging.getLogger("qproxy.sessions")

T = TypeVar("T")
Work = Callable[[AbstractConnection], Awaitable[T]]
"""What is done over one connection, in one attempt."""

TROUBLES = (RedisError, OSError)
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.2
AT_ONCE = 32
"""Connections to the master; what comes beyond waits, as long as its own time allows."""

ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (ssl.SSLError, "TLS was refused ({}): check sessions.redis.tls, and the names in the server's certificate"),
    (AuthenticationError, "it refuses the user or the password: check username and password_file of sessions.redis"),
    (AuthorizationError, "it refuses the user or the password: check username and password_file of sessions.redis"),
    (NoPermissionError, "the user may not do what qproxy needs ({}): see its access list in the documentation"),
    (OutOfMemoryError, "its memory is full: give it more (maxmemory)"),
    (ReadOnlyError, "it is a replica, not the master: name the master, or its Sentinels"),
    (BusyLoadingError, "it is loading its data: wait"),
    (MovedError, "it is a node of a Cluster: name the nodes in sessions.redis.cluster"),
    (ClusterDownError, "the Cluster is down: check that a majority of its masters runs"),
    (TimeoutError, "it does not answer in time: is it overloaded, or the network slow?"),
    (RedisTimeoutError, "it does not answer in time: is it overloaded, or the network slow?"),
    (RedisConnectionError, "it cannot be reached ({}): does it run, and does the network let qproxy through?"),
)
LASTING = (AuthenticationError, AuthorizationError, NoPermissionError, OutOfMemoryError)
"""Not worth a second attempt. (For redis-py some of them are connection errors.)"""


@dataclass(slots=True)
class _Line:
    """Connections to one master; closed when nobody uses them any more."""

    pool: ConnectionPool
    users: int = 0
    retired: bool = False


class Link:
    """`patience`: seconds until an operation is given up, all its attempts together."""

    def __init__(self, places: Places, access: Access, patience: float) -> None:
        self._places = places
        self._access = access
        self._patience = patience
        self._line: _Line | None = None
        self._connecting: asyncio.Task[_Line] | None = None
        self._free = asyncio.Semaphore(AT_ONCE)
        self._closed = False

    async def do(self, work: Work[T]) -> T:
        """What `work` returns, after as many attempts as there is time for. Raises StoreUnavailable."""
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self._patience, FIRST_PAUSE
        while True:
            try:
                return await self._attempt(work, end)
            except TROUBLES as error:
                if _lasting(error) or loop.time() + pause > end:
                    raise StoreUnavailable(
                        f"the session store, {self._places}, cannot be used: {explain(error)}"
                    ) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def close(self) -> None:
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if (line := self._line) is not None:
            await self._retire(line)

    async def _attempt(self, work: Work[T], end: float) -> T:
        async with contextlib.AsyncExitStack() as held:
            async with asyncio.timeout_at(end):
                await held.enter_async_context(self._free)
                line = await self._current()
            async with self._in_use(line, end) as connection:
                return await work(connection)

    @contextlib.asynccontextmanager
    async def _in_use(self, line: _Line, end: float = math.inf) -> AsyncIterator[AbstractConnection]:
        line.users += 1
        try:
            async with (
                asyncio.timeout_at(min(end, asyncio.get_running_loop().time() + self._access.timeout)),
                _lent(line.pool) as connection,
            ):
                yield connection
        except TROUBLES:
            line.retired = True
            raise
        finally:
            line.users -= 1
            if line.retired:
                await self._retire(line)

    async def _retire(self, line: _Line) -> None:
        """The next one looks anew for the master; who is still waiting for an answer on this line may get it."""
        line.retired = True
        if self._line is line:
            self._line = None
        if not line.users:
            await line.pool.aclose()

    async def _current(self) -> _Line:
        """The line to the master, made by one for all who wait for it."""
        if self._closed:
            raise StoreUnavailable(f"the session store, {self._places}, is closed")
        if self._line is not None:
            return self._line
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect(), name="sessions: to the Redis master")
            self._connecting.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            return await asyncio.shield(self._connecting)
        except asyncio.CancelledError:
            if self._connecting.cancelled():  # by `close`, and not who waits here
                raise StoreUnavailable(f"the session store, {self._places}, is closed") from None
            raise

    async def _connect(self) -> _Line:
        line = _Line(self._access.pool(await self._places.master()))
        try:
            async with self._in_use(line) as connection:
                about = facts(await ask(connection, "INFO"))
                if about["role"] != "master":
                    raise ReadOnlyError("a replica answers")
        except BaseException:
            await self._retire(line)
            raise
        _warn_of_eviction(about)
        self._line = line
        return line


@contextlib.asynccontextmanager
async def _lent(pool: ConnectionPool) -> AsyncIterator[AbstractConnection]:
    connection = await pool.get_connection()  # type: ignore[no-untyped-call]
    try:
        yield connection
    finally:
        await pool.release(connection)


def explain(error: Exception) -> str:
    """What to do about it. redis-py hides what TLS says in the context of its own error."""
    hidden = error.__context__
    cause = hidden if isinstance(hidden, ssl.SSLError) else error
    for kind, text in ADVICE:
        if isinstance(cause, kind):
            return text.format(getattr(cause, "reason", None) or cause)
    return str(cause) or type(cause).__name__


def _lasting(error: Exception) -> bool:
    return isinstance(error, LASTING) or isinstance(error.__context__, ssl.SSLCertVerificationError)


def facts(told: bytes) -> dict[str, str]:
    """What an answer to INFO says."""
    return dict(line.split(":", 1) for line in told.decode("utf-8", "replace").splitlines() if ":" in line)


def _warn_of_eviction(about: Mapping[str, str]) -> None:
    if int(about.get("maxmemory", "0")) and about.get("maxmemory_policy") != "noeviction":
        logger.warning(
            "sessions: Redis drops sessions when its memory is full (maxmemory-policy %s): make it noeviction",
            about.get("maxmemory_policy"),
        )
