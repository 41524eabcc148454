"""The Redis master dies while people work: nobody loses a session, nobody who left comes back, and it is told."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from a_site import Site, farewell, greeting, site
from redis_servers import MASTER, Node, SentinelSet
from redis_stores import redis_store
from waiting import eventually

from qproxy.model import End
from qproxy.sessions.redis import RedisStore

REQUESTS = 1000
PREFIX = "qlik"
KEY = secrets.token_bytes(32)


def sessions_in(directory: Path, where: dict[str, object]) -> str:
    """The part of server.yaml, and the key file that it names."""
    key = directory / "session.key"
    key.write_text(KEY.hex())
    key.chmod(0o600)
    redis = {"prefix": PREFIX, "timeout": "10s"} | where
    return json.dumps({"sessions": {"store": "redis", "key_file": str(key), "redis": redis}})


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[SentinelSet]:
    with SentinelSet(tmp_path / "redis") as fleet:
        yield fleet


@pytest.fixture
async def qlik(servers: SentinelSet, tmp_path: Path) -> AsyncIterator[Site]:
    sentinels = [node.address for node in servers.sentinels]
    async with site(tmp_path, server=sessions_in(tmp_path, {"sentinels": sentinels, "master": MASTER})) as built:
        yield built


@pytest.fixture
async def other_machine(servers: SentinelSet) -> AsyncIterator[RedisStore]:
    """A qproxy elsewhere, as far as the store can tell."""
    store = redis_store(servers, KEY, PREFIX)
    yield store
    await store.close()


async def person_in(qlik: Site, name: str = "ann") -> aiohttp.ClientSession:
    person = qlik.browser()
    await qlik.log_in(person, name=name)
    return person


async def test_people_work_log_in_and_log_out_while_the_redis_master_dies(
    qlik: Site, servers: SentinelSet, other_machine: RedisStore
) -> None:
    ann, bob = await person_in(qlik), await person_in(qlik, "bob")
    bobs = qlik.cookie(bob)
    async with qlik.engine(ann) as ws:
        await greeting(ws)
        servers.master.kill()
        assert {await qlik.status(ann, "/sales/hub/") for _ in range(50)} == {200}
        late, _ = await asyncio.gather(person_in(qlik), qlik.log_out(bob))
        assert [await qlik.status(person, "/sales/hub/") for person in (ann, late)] == [200, 200]
        assert await other_machine.get("sales", qlik.cookie(ann)) is not None
        assert await other_machine.get("sales", qlik.cookie(late)) is not None
        assert await other_machine.get("sales", bobs) is None
        await other_machine.delete("sales", qlik.cookie(ann), End.LOGOUT, qlik.clock.now)
        said, code, _ = await farewell(ws)
    assert (said, code) == (["OnSessionLoggedOut"], 1001)
    assert await qlik.status(ann, "/sales/hub/") == 302
    returning = qlik.browser(Cookie=f"X-Qlik-Session-sales-HTTP={bobs}")
    assert await qlik.status(returning, "/sales/hub/") == 302


# --- all servers are gone ---


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always").start()
    yield node
    node.kill()


@pytest.fixture
async def simple(alone: Node, tmp_path: Path) -> AsyncIterator[Site]:
    where: dict[str, object] = {"url": f"redis://{alone.address}", "timeout": "0.5s"}
    async with site(tmp_path, server=sessions_in(tmp_path, where)) as built:
        yield built


async def told(qlik: Site, page: str) -> str:
    async with aiohttp.ClientSession() as caller, caller.get(f"{qlik.internal}/{page}") as answer:
        return await answer.text()


async def test_without_redis_people_are_served_for_the_grace_then_get_a_page_and_go_on_when_it_is_back(
    simple: Site, alone: Node
) -> None:
    ann, stranger = await person_in(simple), simple.browser(Cookie=f"X-Qlik-Session-sales-HTTP={'A' * 43}")
    alone.kill()
    await eventually(lambda: simple.server.sessions.troubles)
    assert await simple.status(stranger, "/sales/hub/") == 503
    assert await simple.status(ann, "/sales/hub/") == 200
    assert f"Redis at {alone.address}, cannot be used: it cannot be reached" in await told(simple, "readyz")
    assert "qproxy_store_up 0.0" in await told(simple, "metrics")
    simple.clock.now += simple.server.config.server.sessions.grace + 1
    async with ann.get("/sales/hub/", allow_redirects=False) as page:
        assert (page.status, page.headers.getall("Set-Cookie", [])) == (503, [])
    alone.start()
    await eventually(lambda: not simple.server.sessions.troubles)
    assert await simple.status(ann, "/sales/hub/") == 200
    assert "qproxy_store_up 1.0" in await told(simple, "metrics")


# --- and while all is well ---


def calls(node: Node) -> dict[str, int]:
    """How often each command was run, those of scripts included."""
    stats = node.facts("commandstats").items()
    return {name.removeprefix("cmdstat_"): int(text.split(",")[0].removeprefix("calls=")) for name, text in stats}


async def test_a_thousand_requests_do_not_read_redis_once(simple: Site, alone: Node) -> None:
    ann = await person_in(simple)
    await simple.status(ann, "/sales/hub/")
    before = calls(alone)
    statuses = {await simple.status(ann, f"/sales/api/hub/v1/streams?n={number}") for number in range(REQUESTS)}
    after = calls(alone)
    assert statuses == {200}
    assert after["get"] == before["get"]
    assert sum(after.values()) - sum(before.values()) < REQUESTS / 10
