"""The servers of one directory: which of them is asked, who is down, and connections that are kept for the next login.

It must not know what is asked. A server that failed is left alone for a while, unless all are down; a connection that
had been idle and turns out to be dead is replaced once, without anybody noticing.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

from qproxy.auth.ldap_connection import Connection, Lost, Refused, Server, dial
from qproxy.ldap.messages import Code

log = logging.getLogger("qproxy.auth")
T = TypeVar("T")

DOWN_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 60.0
"""Firewalls forget connections silently after minutes; directories close them after some, too."""
_SERVES_NOBODY: Final = (Code.BUSY, Code.UNAVAILABLE)


class Busy(Exception):
    """So many wait for a connection that one more would wait too long."""


class NobodyAnswers(Exception):
    """No server of the directory can be asked: each with what happened."""


@dataclass(frozen=True, slots=True)
class Dialling:
    """`clock` is monotonic."""

    servers: Sequence[Server]
    tls: ssl.SSLContext | None
    limit: float
    clock: Callable[[], float]
    at_once: int = 8
    waiting: int = 64


@dataclass(slots=True)
class _Idle:
    connection: Connection
    since: float = field(default=0.0)


class Servers:
    def __init__(self, dialling: Dialling) -> None:
        self._dialling = dialling
        self._places = asyncio.Semaphore(dialling.at_once)
        self._inside = 0
        self._idle: list[_Idle] = []
        self._down: dict[Server, float] = {}
        self._closed = False

    async def ask(self, question: Callable[[Connection], Awaitable[T]], bound_as: str = "") -> T:
        """What the question makes of a connection, if possible one that is bound so already. It may be asked twice:
        of a connection that had been idle, and of a new one. Raises Busy, NobodyAnswers, and what the question raises.
        """
        async with self._place():
            kept = self._take_idle(bound_as)
            if kept is not None:
                try:
                    return await self._use(kept, question)
                except Lost as error:
                    log.debug("an idle connection to %s was dead: %s", kept.server, error)
                except Refused as error:
                    if error.result.code not in _SERVES_NOBODY:
                        raise
            return await self._ask_afresh(question)

    async def close(self) -> None:
        self._closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*(one.connection.closed() for one in idle))

    async def _ask_afresh(self, question: Callable[[Connection], Awaitable[T]]) -> T:
        failures = []
        for server in self._in_order():
            try:
                connection = await dial(server, self._dialling.tls, self._dialling.limit)
                answer = await self._use(connection, question)
            except Lost as error:
                self._note_down(server, str(error))
                failures.append(f"{server}: {error}")
            except Refused as error:
                if error.result.code not in _SERVES_NOBODY:
                    raise
                self._note_down(server, str(error))
                failures.append(f"{server}: {error}")
            else:
                self._note_up(server)
                return answer
        raise NobodyAnswers("; ".join(failures))

    async def _use(self, connection: Connection, question: Callable[[Connection], Awaitable[T]]) -> T:
        try:
            answer = await question(connection)
        except Refused:
            self._keep(connection)
            raise
        except BaseException:
            connection.abort()
            raise
        self._keep(connection)
        return answer

    def _keep(self, connection: Connection) -> None:
        if self._closed or not connection.usable:
            connection.close()
        else:
            self._idle.append(_Idle(connection, self._dialling.clock()))

    def _take_idle(self, bound_as: str) -> Connection | None:
        oldest = self._dialling.clock() - IDLE_SECONDS
        fresh, self._idle = self._idle, []
        for one in fresh:
            if one.connection.usable and one.since >= oldest:
                self._idle.append(one)
            else:
                one.connection.close()
        alike = [one for one in self._idle if one.connection.bound_as == bound_as]
        if not self._idle:
            return None
        chosen = (alike or self._idle)[-1]
        self._idle.remove(chosen)
        return chosen.connection

    def _in_order(self) -> list[Server]:
        """As configured, those that are down last: somebody has to find out that they are back."""
        now = self._dialling.clock()
        return sorted(self._dialling.servers, key=lambda server: self._down.get(server, 0.0) > now)

    def _note_down(self, server: Server, why: str) -> None:
        now = self._dialling.clock()
        if self._down.get(server, 0.0) <= now:
            log.warning("ldap: %s cannot be asked and is left alone for %d s: %s", server, DOWN_SECONDS, why)
        self._down[server] = now + DOWN_SECONDS

    def _note_up(self, server: Server) -> None:
        if self._down.pop(server, None) is not None:
            log.info("ldap: %s answers again", server)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._inside >= self._dialling.at_once + self._dialling.waiting:
            raise Busy
        self._inside += 1
        try:
            async with self._places:
                yield
        finally:
            self._inside -= 1
