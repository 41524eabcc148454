"""Every store, each on real servers that are started once for a file of tests."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis_servers import ClusterOfThree, Fleet, Node, SentinelSet
from redis_stores import redis_store
from some_sessions import Clock, a_key

from qproxy.sessions.memory import MemoryStore
from qproxy.sessions.sqlite import SqliteStore
from qproxy.sessions.store import Store


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(tmp_path_factory.mktemp("redis")).start()
    yield node
    node.kill()


@pytest.fixture(scope="module")
def sentinel_set(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with SentinelSet(tmp_path_factory.mktemp("sentinels")) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with ClusterOfThree(tmp_path_factory.mktemp("cluster")) as fleet:
        yield fleet


@pytest.fixture(params=["memory", "sqlite", "redis_server", "sentinel_set", "cluster"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store
    if request.param == "memory":
        made = MemoryStore()
    elif request.param == "sqlite":
        made = SqliteStore(tmp_path / "sessions.db", [a_key()])
    else:
        made = redis_store(request.getfixturevalue(request.param))
    yield made
    await made.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()
