"""Where the master is that keeps the sessions: a server, one that Sentinels watch, or one of a Cluster.

Sentinels and cluster nodes are all asked, and what most of them say counts: one that was cut off from the others would
name a master that is none any more. Must not know what is kept there.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from redis.asyncio.connection import AbstractConnection, Connection, ConnectionPool, UnixDomainSocketConnection
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

MOST_ASKED = 12
"""Nodes of a cluster that are asked at one time."""


@dataclass(frozen=True, slots=True)
class Address:
    """Host and port; port 0 says that `host` is the path of a unix socket."""

    host: str
    port: int

    def __str__(self) -> str:
        if not self.port:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """How a server is spoken to. `timeout`: seconds that an attempt may take, from the connect to the last answer;
    who uses a connection has to keep to it."""

    username: str | None = None
    password: str | None = None
    database: int = 0
    tls: ssl.SSLContext | None = None
    timeout: float = 1.0

    def pool(self, address: Address) -> ConnectionPool:
        """Connections that repeat nothing by themselves."""
        return ConnectionPool(connection_class=self._kind(address), **self._settings(address))

    def connection(self, address: Address) -> AbstractConnection:
        connection: AbstractConnection = self._kind(address)(**self._settings(address))
        return connection

    def _kind(self, address: Address) -> type[Any]:
        if not address.port:
            return UnixDomainSocketConnection
        return Connection if self.tls is None else TlsConnection

    def _settings(self, address: Address) -> dict[str, Any]:
        where = {"host": address.host, "port": address.port} if address.port else {"path": address.host}
        secure = {"context": self.tls} if address.port and self.tls is not None else {}
        return {
            "username": self.username,
            "password": self.password,
            "db": self.database,
            # With a timeout redis-py sends through asyncio.wait_for, which in Python 3.11 may lose a cancellation.
            "socket_timeout": None,
            "socket_connect_timeout": self.timeout,
            "protocol": 2,
            **where,
            **secure,
        }


class TlsConnection(Connection):
    """TLS with a context of ours, made once, instead of one for each connection from names of files."""

    def __init__(self, context: ssl.SSLContext, **settings: Any) -> None:
        super().__init__(**settings)
        self._context = context

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "ssl": self._context}


class Places(Protocol):
    """As text: what people know the place by."""

    async def master(self) -> Address:
        """Raises RedisError when nobody can tell."""
        ...


class OneServer:
    def __init__(self, address: Address) -> None:
        self._address = address

    def __str__(self) -> str:
        return f"Redis at {self._address}"

    async def master(self) -> Address:
        return self._address


class BySentinels:
    """`access` is how Sentinels are spoken to; they have users of their own."""

    def __init__(self, sentinels: Sequence[Address], name: str, access: Access) -> None:
        self._sentinels = sentinels
        self._name = name
        self._access = access

    def __str__(self) -> str:
        return f"Redis master {self._name!r} of the Sentinels {', '.join(map(str, self._sentinels))}"

    async def master(self) -> Address:
        words = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)
        answers = await _ask_all(self._sentinels, self._access, *words)
        named = [Address(_text(answer[0]), int(answer[1])) for _, answer in answers if answer]
        if not named:
            raise RedisConnectionError(f"no Sentinel knows a master named {self._name!r}: check sessions.redis.master")
        return Counter(named).most_common(1)[0][0]


class ByCluster:
    """The master of the one slot in which all keys are, by their prefix. Further nodes are learnt from those given."""

    def __init__(self, nodes: Sequence[Address], prefix: str, access: Access) -> None:
        self._nodes = tuple(nodes)
        self._known: tuple[Address, ...] = self._nodes
        self._slot = key_slot(prefix.encode())
        self._access = access

    def __str__(self) -> str:
        return f"Redis Cluster {', '.join(map(str, self._nodes))}"

    async def master(self) -> Address:
        answers = await _ask_all(self._known[:MOST_ASKED], self._access, "CLUSTER", "SLOTS")
        named = [holder for asked, slots in answers if (holder := self._holder(asked, slots)) is not None]
        if not named:
            raise RedisConnectionError(f"no node knows who holds slot {self._slot}: the cluster is not complete")
        told = {node for asked, slots in answers for node in _nodes(asked, slots)}
        self._known = (*self._nodes, *sorted(told - set(self._nodes), key=str))
        return Counter(named).most_common(1)[0][0]

    def _holder(self, asked: Address, slots: Any) -> Address | None:
        for first, last, master, *_ in slots:
            if first <= self._slot <= last:
                return _node(asked, master)
        return None


async def ask(connection: AbstractConnection, *words: Any) -> Any:
    """One command, word by word, and the answer as it came. redis-py's clients reshape answers, each release in
    another way, and lose connections when they are cancelled."""
    await connection.send_command(*words)
    return await connection.read_response()


def _nodes(asked: Address, slots: Any) -> list[Address]:
    return [_node(asked, node) for _, _, *nodes in slots for node in nodes]


def _node(asked: Address, told: Any) -> Address:
    """A node that does not know its own address is the one that was asked."""
    return Address(_text(told[0]) if told[0] else asked.host, int(told[1]))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


async def _ask_all(places: Sequence[Address], access: Access, *words: str) -> list[tuple[Address, Any]]:
    """What those said that could be asked. Raises the first one's error when none could."""
    found = await asyncio.gather(*(_ask(place, access, words) for place in places), return_exceptions=True)
    answers = [(place, answer) for place, answer in zip(places, found, strict=True) if not _failed(answer)]
    if not answers and isinstance(found[0], BaseException):
        raise found[0]
    return answers


def _failed(answer: object) -> bool:
    if isinstance(answer, BaseException) and not isinstance(answer, RedisError | OSError):
        raise answer
    return isinstance(answer, BaseException)


async def _ask(place: Address, access: Access, words: tuple[str, ...]) -> Any:
    connection = access.connection(place)
    try:
        async with asyncio.timeout(access.timeout):
            await connection.connect()  # type: ignore[no-untyped-call]
            return await ask(connection, *words)
    finally:
        await connection.disconnect()
