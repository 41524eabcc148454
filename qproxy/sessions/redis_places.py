"""Where the master is that keeps the sessions: a server, one that Sentinels watch, or one of a Cluster.

Sentinels and cluster nodes are all asked, and what most of them say counts: one that was cut off from the others would
name a master that is none any more. Must not know what is kept there.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from redis.asyncio.connection import AbstractConnection, Connection, ConnectionPool, UnixDomainSocketConnection
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

Read = Callable[["Address", Any], "Address | None"]
"""From whom was asked, and the answer, to the master that it names."""
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
        named = await _most_say(self._sentinels, self._access, words, _named)
        if named is None:
            raise RedisConnectionError(f"no Sentinel knows a master named {self._name!r}: check sessions.redis.master")
        return named


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
        named = await _most_say(self._known[:MOST_ASKED], self._access, ("CLUSTER", "SLOTS"), self._holder)
        if named is None:
            raise RedisConnectionError(f"no node knows who holds slot {self._slot}: the cluster is not complete")
        return named

    def _holder(self, asked: Address, slots: Any) -> Address | None:
        """Also learns of nodes, as those that are configured may all be replaced one day."""
        told = {_node(asked, node) for _, _, *nodes in slots for node in nodes}
        self._known = (*self._nodes, *sorted(told - set(self._nodes), key=str))
        for first, last, master, *_ in slots:
            if first <= self._slot <= last:
                return _node(asked, master)
        return None


async def ask(connection: AbstractConnection, *words: Any) -> Any:
    """One command, word by word, and the answer as it came. redis-py's clients reshape answers, each release in
    another way, and lose connections when they are cancelled."""
    await connection.send_command(*words)
    return await connection.read_response()


def _named(_: Address, answer: Any) -> Address | None:
    return Address(_text(answer[0]), int(answer[1])) if answer else None


def _node(asked: Address, told: Any) -> Address:
    """A node that does not know its own address is the one that was asked."""
    return Address(_text(told[0]) if told[0] else asked.host, int(told[1]))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


async def _most_say(places: Sequence[Address], access: Access, words: tuple[str, ...], read: Read) -> Address | None:
    """What more than half of them say, as soon as they do, so that a machine that is gone is not waited for; or else
    what most of those say that answer, None if they know nothing. Raises an error of one when none answers."""
    asking = [asyncio.create_task(_ask_one(place, access, words, read)) for place in places]
    votes: Counter[Address | None] = Counter()
    trouble: Exception = RedisConnectionError("nobody is there to be asked")
    try:
        for done in asyncio.as_completed(asking):
            try:
                named = await done
            except (RedisError, OSError) as error:
                trouble = error
                continue
            votes[named] += 1
            if named is not None and 2 * votes[named] > len(places):
                return named
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    if not votes:
        raise trouble
    del votes[None]
    return votes.most_common(1)[0][0] if votes else None


async def _ask_one(place: Address, access: Access, words: tuple[str, ...], read: Read) -> Address | None:
    connection = access.connection(place)
    try:
        async with asyncio.timeout(access.timeout):
            await connection.connect()  # type: ignore[no-untyped-call]
            return read(place, await ask(connection, *words))
    finally:
        await connection.disconnect()
