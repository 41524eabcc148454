"""Redis stores for tests, on servers of redis_servers.py: each with a key prefix of its own unless it shares one."""

import secrets

import pytest
from redis_servers import MASTER, ClusterOfThree, Node, SentinelSet
from some_sessions import a_key, a_session

from qproxy.sessions.redis import Keeping, RedisStore
from qproxy.sessions.redis_link import Link
from qproxy.sessions.redis_places import Access, Address, ByCluster, BySentinels, OneServer, Places
from qproxy.sessions.store import StoreUnavailable

KEY = a_key()
PREFIX = "test"
PATIENCE = 25.0
"""Seconds: longer than a failover takes with the settings of redis_servers.py."""


def address(node: Node) -> Address:
    return Address("127.0.0.1", node.port)


def places(servers: Node | SentinelSet | ClusterOfThree, prefix: str) -> Places:
    if isinstance(servers, SentinelSet):
        return BySentinels([address(node) for node in servers.sentinels], MASTER, Access())
    if isinstance(servers, ClusterOfThree):
        return ByCluster([address(node) for node in servers.nodes[:3]], prefix, Access())
    return OneServer(address(servers))


def redis_store(
    servers: Node | SentinelSet | ClusterOfThree,
    key: bytes | None = None,
    prefix: str = "",
    patience: float = PATIENCE,
    keep: float = 86400.0,
) -> RedisStore:
    prefix = prefix or secrets.token_hex(8)
    link = Link(places(servers, prefix), Access(timeout=2.0), patience)
    return RedisStore(link, [key or a_key()], Keeping(prefix, keep))


def at(
    places: Places,
    access: Access | None = None,
    link: type[Link] = Link,
    patience: float = 0.3,
    confirm: float = 1.0,
) -> RedisStore:
    """Gives up soon."""
    return RedisStore(link(places, access or Access(), patience), [KEY], Keeping(PREFIX, replicas=1, confirm=confirm))


async def trouble(store: RedisStore) -> str:
    """What it says when a login cannot be kept; closed afterwards."""
    with pytest.raises(StoreUnavailable) as raised:
        await store.put(a_session())
    await store.close()
    return str(raised.value)
