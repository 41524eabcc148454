"""The master dies under load: what was acknowledged is kept, what has ended stays ended, and every worker notices."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis.crc import key_slot
from redis_servers import ClusterOfThree, Node, SentinelSet
from redis_stores import redis_store
from some_sessions import START, a_key, a_session
from waiting import eventually

from qproxy.model import End, Session
from qproxy.sessions.redis import RedisStore
from qproxy.sessions.store import StoreUnavailable

PREFIX = "failover"


@pytest.fixture(params=["sentinels", "cluster"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SentinelSet | ClusterOfThree]:
    made = SentinelSet(tmp_path) if request.param == "sentinels" else ClusterOfThree(tmp_path)
    with made as fleet:
        yield fleet


@pytest.fixture
async def store(servers: SentinelSet | ClusterOfThree) -> AsyncIterator[RedisStore]:
    made = redis_store(servers, KEY, PREFIX)
    yield made
    await made.close()


KEY = a_key()


def master_of(servers: SentinelSet | ClusterOfThree) -> Node:
    return servers.master if isinstance(servers, SentinelSet) else servers.holder(key_slot(PREFIX.encode()))


@dataclass
class Load:
    """People who log in and out as fast as they can; notes what was acknowledged."""

    store: RedisStore
    living: list[Session] = field(default_factory=list)
    ended: list[Session] = field(default_factory=list)
    refused: int = 0

    async def person(self) -> None:
        while True:
            with suppress(StoreUnavailable):
                session = await self.store.put(a_session())
                self.living.append(session)
                await self.log_out(await self.store.put(a_session()))

    async def log_out(self, session: Session) -> None:
        while True:
            try:
                assert await self.store.delete("sales", session.id, End.LOGOUT, START) == session
            except StoreUnavailable:
                self.refused += 1
            else:
                self.ended.append(session)
                return


@contextlib.asynccontextmanager
async def under_load(store: RedisStore) -> AsyncIterator[Load]:
    load = Load(store)
    people = [asyncio.create_task(load.person()) for _ in range(8)]
    try:
        yield load
    finally:
        for person in people:
            person.cancel()
        await asyncio.gather(*people, return_exceptions=True)


async def test_a_killed_master_loses_no_session_and_brings_none_back(
    servers: SentinelSet | ClusterOfThree, store: RedisStore
) -> None:
    async with under_load(store) as load:
        await eventually(lambda: len(load.ended) > 100)
        master_of(servers).kill()
        before = len(load.ended)
        await eventually(lambda: len(load.ended) > before + 100, within=30)
    assert [await store.get("sales", session.id) for session in load.living] == load.living
    assert [await store.get("sales", session.id) for session in load.ended] == [None] * len(load.ended)
