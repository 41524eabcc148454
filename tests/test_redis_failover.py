"""The master dies under load: what was acknowledged is kept, what has ended stays ended, and every worker notices."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis.crc import key_slot
from redis_servers import ClusterOfThree, Node, SentinelSet
from redis_stores import redis_store
from some_sessions import LIFETIME, START, a_key, a_session
from waiting import eventually
from watched_store import opened

from qproxy.model import End, Session
from qproxy.sessions.front import Sessions
from qproxy.sessions.redis import RedisStore
from qproxy.sessions.store import StoreUnavailable

PREFIX = "failover"
LIFETIMES = {"sales": LIFETIME}


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


async def test_after_a_failover_every_worker_lets_go_of_what_ended_and_soon_within_a_second_again(
    servers: SentinelSet | ClusterOfThree, store: RedisStore, record_property: Callable[[str, object], None]
) -> None:
    """Two workers at the pace of production; every end is timed until the other worker lets go of the session."""
    other = redis_store(servers, KEY, PREFIX)
    here, there = Sessions(store, LIFETIMES, time.time), Sessions(other, LIFETIMES, time.time)
    gone: dict[str, float] = {}
    there.on_gone(lambda session, why: gone.update({session.id: time.monotonic()}))
    await asyncio.gather(here.start(), there.start())
    people = [await opened(here) for _ in range(300)]
    assert all([await there.find("sales", session.id) for session in people])
    master_of(servers).kill()
    at_once = {session.id: await ended_at(here, session.id) for session in people[:100]}
    await eventually(lambda: gone.keys() == at_once.keys(), within=10)
    later = {session.id: await ended_at(here, session.id) for session in people[100:]}
    await eventually(lambda: len(gone) == len(people))
    assert [await there.find("sales", session.id) for session in people] == [None] * len(people)
    record_property("seconds from an end to gone elsewhere", worst := max(gone[one] - later[one] for one in later))
    assert worst < 1
    await asyncio.gather(here.stop(), there.stop())
    await other.close()


async def ended_at(worker: Sessions, session_id: str) -> float:
    """When that was acknowledged."""
    assert await worker.end("sales", session_id) is not None
    return time.monotonic()
