"""The Redis store: what is in the server, what is repeated, and what a new master or a full memory means."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from redis_servers import PROMPT, Node
from redis_stores import KEY, PREFIX, address, at, redis_store, trouble
from some_sessions import JOHN, LIFETIME, MARY, START, Clock, a_key, a_session, made_by_qlik, tied_to
from waiting import eventually
from watched_store import Told, a_worker, opened

from qproxy.model import Attributes, End, Session, Tie, User
from qproxy.sessions.redis import UNSURE, RedisStore
from qproxy.sessions.redis_link import Link, Work
from qproxy.sessions.redis_places import Access, OneServer
from qproxy.sessions.store import IdTaken, StoreUnavailable, store_key
from qproxy.tries import Label, Limits

T = TypeVar("T")
Open = Callable[..., RedisStore]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path / "redis", "--rdbcompression", "no", *PROMPT).start()
    yield node
    node.kill()


@pytest.fixture
async def open_store(server: Node) -> AsyncIterator[Open]:
    stores: list[RedisStore] = []

    def opened(key: bytes = KEY, **more: Any) -> RedisStore:
        stores.append(redis_store(server, key, PREFIX, **more))
        return stores[-1]

    yield opened
    for store in stores:
        await store.close()


def keys(server: Node) -> list[str]:
    return sorted(server.ask("KEYS", "*"))


# --- what is in the server ---


async def test_neither_ids_nor_names_nor_attributes_are_in_the_server(open_store: Open, server: Node) -> None:
    user = User("SECRETDIRECTORY", "secretname")
    store = open_store()
    session = Session("s" * 43, "sales", user, Attributes((("secretgroup", "secretvalue"),)), START, START)
    await store.put(replace(session, tie=Tie(("secretkey",), {"token": "secrettoken"})))
    await store.put(a_session("other"))
    await store.delete("sales", "s" * 43, End.LOGOUT, START)
    server.ask("SAVE")
    written = next(server.directory.glob("*.rdb")).read_bytes()
    assert store_key("sales", "other") in written
    assert b"secret" not in written.lower()
    assert b"s" * 43 not in written


async def test_all_keys_are_in_one_slot_and_all_but_one_expire_by_themselves(open_store: Open, server: Node) -> None:
    store = open_store(keep=600)
    for session in (a_session("one"), a_session("two"), made_by_qlik("three"), tied_to("sid 7")):
        await store.put(session)
    await store.delete("sales", "two", End.LOGOUT, START)
    assert {key.split(":")[0] for key in keys(server)} == {"{test}"}
    lasting = [key for key in keys(server) if server.ask("PTTL", key) < 0]
    assert lasting == ["{test}:meta"]


async def test_after_a_session_nothing_of_it_is_left_but_its_tombstone(open_store: Open, server: Node) -> None:
    store = open_store()
    await store.put(tied_to("sid 7", "sub ann", session_id="one"))
    await store.delete("sales", "one", End.LOGOUT, START)
    await store.forget_ended(START + 1)
    gone = f"{{test}}:gone:{store_key('sales', 'one').hex()}"
    assert keys(server) == [gone, "{test}:meta", "{test}:vps"]


async def test_what_redis_forgot_by_itself_is_gone_from_every_index(open_store: Open, server: Node) -> None:
    store = open_store()
    await store.put(tied_to("sid 7", session_id="one"))
    server.ask("DEL", f"{{test}}:session:{store_key('sales', 'one').hex()}")
    assert await store.of_user("sales", JOHN) == []
    assert keys(server) == ["{test}:meta", "{test}:vps"]


async def test_with_a_wrong_key_nothing_is_there(open_store: Open) -> None:
    await open_store().put(a_session("one"))
    other = open_store(a_key())
    assert await other.get("sales", "one") is None
    assert await other.of_user("sales", JOHN) == []
    assert other.refused > 0


async def test_records_of_a_lost_key_are_removed_when_their_time_is_over(open_store: Open) -> None:
    await open_store().put(a_session("one"))
    store = open_store(a_key())
    assert await store.expired("sales", False, LIFETIME, START + 60, 10) == []
    assert await store.count("sales", False) == 0
    assert [left.why for left in await store.ended_since(0)] == [End.ABSOLUTE]


async def test_an_id_whose_record_cannot_be_opened_may_be_put_anew(open_store: Open) -> None:
    await open_store().put(made_by_qlik("one", JOHN))
    store = open_store(a_key())
    session = await store.put(made_by_qlik("one", MARY))
    assert await store.get("sales", "one") == session
    assert await store.count("sales", by_qlik=True) == 1
    with pytest.raises(IdTaken):
        await store.put(made_by_qlik("one", JOHN))


async def test_a_form_of_a_later_qproxy_is_left_alone(open_store: Open, server: Node) -> None:
    server.ask("HSET", "{test}:meta", "form", 2)
    with pytest.raises(StoreUnavailable, match="update qproxy"):
        await open_store().check()


async def test_more_sessions_than_one_answer_holds_are_all_found(open_store: Open) -> None:
    store = open_store()
    put = [await store.put(a_session(f"s{number}")) for number in range(450)]
    assert await store.of_user("sales", JOHN) == put
    assert len(await store.expired("sales", False, LIFETIME, START + 60, 500)) == 450
    await store.seen({("sales", session.id): START + 60 for session in put})
    assert await store.expired("sales", False, LIFETIME, START + 60, 500) == []


async def test_each_session_is_given_once(open_store: Open) -> None:
    store = open_store()
    ours = [await store.put(a_session(f"s{number}")) for number in range(250)]
    others = [await store.put(made_by_qlik("theirs")), await store.put(a_session("elsewhere", vp=""))]
    found = [session async for session in store.each()]
    assert sorted(session.id for session in found) == sorted(session.id for session in [*ours, *others])
    assert [session.id async for session in store.each("")] == ["elsewhere"]


# --- what is repeated ---


class Forgetful(Link):
    """Loses each answer once, as a network does."""

    async def do(self, work: Work[T]) -> T:
        await super().do(work)
        return await super().do(work)


async def test_a_deletion_whose_answer_was_lost_is_told_once(server: Node) -> None:
    store = at(OneServer(address(server)), link=Forgetful)
    session = await store.put(a_session("one"))
    assert await store.delete("sales", "one", End.LOGOUT, START) == session
    assert await store.delete("sales", "one", End.LOGOUT, START) is None
    assert len(await store.ended_since(0)) == 1
    await store.close()


async def test_a_server_that_was_restarted_is_found_again(open_store: Open, server: Node) -> None:
    store = open_store()
    await store.check()
    server.kill()
    asking = asyncio.create_task(store.put(a_session("one")))
    await asyncio.to_thread(server.start)
    await asking
    assert await store.get("sales", "one") == a_session("one")


# --- another master ---


async def test_another_master_is_told_once(open_store: Open, server: Node) -> None:
    store = open_store()
    assert await store.mark() == 0
    server.kill()
    server.start()
    assert [await store.mark(), await store.mark()] == [UNSURE, 0]


async def test_a_worker_lets_go_of_what_a_new_master_has_never_heard_of(open_store: Open, server: Node) -> None:
    """As many deletions as before: the marks alone would show nothing."""
    store, other = open_store(), open_store()
    worker = a_worker(store, Clock())
    told = Told(worker)
    await other.put(a_session("before"))
    await other.delete("sales", "before", End.LOGOUT, START)
    lost = await opened(worker)
    await worker.follow()
    server.kill()
    server.start()
    await other.put(a_session("after"))
    await other.delete("sales", "after", End.LOGOUT, START)
    await worker.follow()
    assert worker.peek("sales", lost.id) is None
    assert told.gone == [(lost.id, End.LOGOUT)]


# --- replicas ---


@pytest.fixture
def replica(server: Node, tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path / "replica", "--replicaof", "127.0.0.1", str(server.port)).start()
    yield node
    node.kill()


async def test_a_login_that_a_replica_does_not_confirm_does_not_count(server: Node, replica: Node) -> None:
    await eventually(lambda: replica.facts("replication").get("master_link_status") == "up")
    await eventually(lambda: "state=online" in server.facts("replication").get("slave0", ""))
    patient = at(OneServer(address(server)), Access(timeout=20), patience=20, confirm=15)
    await patient.put(a_session())
    store = at(OneServer(address(server)), Access(timeout=2), patience=5)
    replica.stop()
    with pytest.raises(StoreUnavailable, match="not written to 1 replica"):
        await store.put(a_session())
    replica.go_on()
    await eventually(replica.answers)
    await patient.put(a_session())
    for one in (patient, store):
        await one.close()


async def test_a_replica_is_not_taken_for_the_master(replica: Node) -> None:
    assert "it is a replica, not the master" in await trouble(at(OneServer(address(replica))))


async def test_a_master_that_wants_replicas_and_has_none_is_unavailable(open_store: Open, server: Node) -> None:
    server.ask("CONFIG", "SET", "min-replicas-to-write", 1)
    with pytest.raises(StoreUnavailable, match="NOREPLICAS"):
        await open_store(patience=0.2).mark()


# --- a full memory ---


async def test_a_full_memory_refuses_logins_and_lets_people_out(open_store: Open, server: Node) -> None:
    store = open_store()
    session = await store.put(a_session("one"))
    server.ask("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(StoreUnavailable, match="memory is full"):
        await store.put(a_session("two"))
    await store.seen({("sales", "one"): START + 1})
    assert await store.mark() == 0
    assert await store.delete("sales", "one", End.LOGOUT, START) == session.seen(START + 1)


async def test_a_policy_that_drops_sessions_is_warned_of(
    open_store: Open, server: Node, caplog: pytest.LogCaptureFixture
) -> None:
    server.ask("CONFIG", "SET", "maxmemory", "100mb")
    server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    await open_store().check()
    assert "make it noeviction" in caplog.text


# --- who waits ---


async def test_who_stops_waiting_takes_no_other_with_him(open_store: Open) -> None:
    store = open_store()
    asking = [asyncio.create_task(store.put(a_session())) for _ in range(50)]
    await asyncio.sleep(0)
    for task in asking[::2]:
        task.cancel()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(result, Session) for result in results[1::2])
    await store.check()


# --- what was tried, where somebody else wrote ---


ODD = [b"", b"junk", b"1 2", b"x 1.000 2.000 ", b"9 1.000 9999999999.000 junk", b"\xff" * 40]


@pytest.mark.parametrize("value", ODD, ids=repr)
async def test_a_count_that_qproxy_did_not_write_breaks_nothing(open_store: Open, value: bytes) -> None:
    store = open_store()
    tries = store.tries(lambda: START)
    ann: dict[Label, Limits] = {("name", "s", "ann"): Limits(5, 900.0)}
    assert await tries.take(ann) == 0
    place = f"{{{PREFIX}}}:tries"
    for mark in [*await store._command("HKEYS", place), b"another"]:
        await store._command("HSET", place, mark, value)
    assert [one async for one in tries.each()] == []
    assert await tries.take(ann) == 0
    assert [one.count async for one in tries.each()] == [1]
    await tries.settle([], list(ann))
