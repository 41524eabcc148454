"""The Redis store: what is in the server, what a new master means, and what it says when the server cannot be used."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from redis_servers import PROMPT, Node
from redis_stores import address, redis_store
from site_plan import Certificates
from some_sessions import JOHN, LIFETIME, MARY, START, Clock, a_key, a_session, made_by_qlik
from waiting import eventually
from watched_store import Told, a_worker, opened

from qproxy.config import RedisConfig, RedisTlsConfig
from qproxy.model import Attributes, End, Session, User
from qproxy.sessions import redis_opening
from qproxy.sessions.redis import UNSURE, Keeping, RedisStore
from qproxy.sessions.redis_link import Link, Work
from qproxy.sessions.redis_places import Access, Address, ByCluster, BySentinels, OneServer, Places
from qproxy.sessions.store import IdTaken, StoreUnavailable, store_key

T = TypeVar("T")
KEY = a_key()
PREFIX = "test"
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


def at(places: Places, access: Access | None = None, link: type[Link] = Link) -> RedisStore:
    return RedisStore(link(places, access or Access(), 0.3), [KEY], Keeping(PREFIX, replicas=1, confirm=1.0))


async def trouble(store: RedisStore) -> str:
    with pytest.raises(StoreUnavailable) as raised:
        await store.put(a_session())
    await store.close()
    return str(raised.value)


def keys(server: Node) -> list[str]:
    return sorted(server.ask("KEYS", "*"))


# --- what is in the server ---


async def test_neither_ids_nor_names_nor_attributes_are_in_the_server(open_store: Open, server: Node) -> None:
    user = User("SECRETDIRECTORY", "secretname")
    store = open_store()
    await store.put(Session("s" * 43, "sales", user, Attributes((("secretgroup", "secretvalue"),)), START, START))
    await store.put(a_session("other"))
    await store.delete("sales", "s" * 43, End.LOGOUT, START)
    server.ask("SAVE")
    written = next(server.directory.glob("*.rdb")).read_bytes()
    assert store_key("sales", "other") in written
    assert b"secret" not in written.lower()
    assert b"s" * 43 not in written


async def test_all_keys_are_in_one_slot_and_all_but_one_expire_by_themselves(open_store: Open, server: Node) -> None:
    store = open_store(keep=600)
    for session in (a_session("one"), a_session("two"), made_by_qlik("three")):
        await store.put(session)
    await store.delete("sales", "two", End.LOGOUT, START)
    assert {key.split(":")[0] for key in keys(server)} == {"{test}"}
    lasting = [key for key in keys(server) if server.ask("PTTL", key) < 0]
    assert lasting == ["{test}:meta"]


async def test_after_a_session_nothing_of_it_is_left_but_its_tombstone(open_store: Open, server: Node) -> None:
    store = open_store()
    await store.put(a_session("one"))
    await store.delete("sales", "one", End.LOGOUT, START)
    await store.forget_ended(START + 1)
    gone = f"{{test}}:gone:{store_key('sales', 'one').hex()}"
    assert keys(server) == [gone, "{test}:meta", "{test}:vps"]


async def test_what_redis_forgot_by_itself_is_gone_from_every_index(open_store: Open, server: Node) -> None:
    store = open_store()
    await store.put(a_session("one"))
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
    await eventually(lambda: "state=online" in server.facts("replication").get("slave0", ""))
    store = at(OneServer(address(server)), Access(timeout=2))
    await store.put(a_session())
    replica.stop()
    with pytest.raises(StoreUnavailable, match="not written to 1 replica"):
        await store.put(a_session())
    replica.go_on()
    await eventually(replica.answers)
    await store.put(a_session())
    await store.close()


async def test_a_replica_is_not_taken_for_the_master(replica: Node) -> None:
    assert "it is a replica, not the master" in await trouble(at(OneServer(address(replica))))


async def test_a_master_that_wants_replicas_and_has_none_is_unavailable(open_store: Open, server: Node) -> None:
    server.ask("CONFIG", "SET", "min-replicas-to-write", 1)
    with pytest.raises(StoreUnavailable, match="NOREPLICAS"):
        await open_store(patience=0.2).mark()


# --- troubles ---


async def test_a_server_that_does_not_run_is_named(server: Node) -> None:
    server.kill()
    said = await trouble(at(OneServer(address(server))))
    assert f"Redis at 127.0.0.1:{server.port}, cannot be used: it cannot be reached" in said
    assert "does it run" in said


async def test_a_server_that_hangs_is_given_up_in_time(server: Node) -> None:
    store = at(OneServer(address(server)), Access(timeout=0.2))
    await store.check()
    server.stop()
    assert "it does not answer in time" in await trouble(store)
    server.go_on()


async def test_a_wrong_password_is_said_but_not_shown(server: Node, caplog: pytest.LogCaptureFixture) -> None:
    server.ask("ACL", "SETUSER", "qproxy", "on", ">right", "~*", "+@all")
    said = await trouble(at(OneServer(address(server)), Access(username="qproxy", password="wrongsecret")))
    assert "refuses the user or the password" in said
    assert "wrongsecret" not in said + caplog.text + repr(Access(password="wrongsecret"))


async def test_the_documented_access_list_is_enough(server: Node) -> None:
    text = (Path(__file__).parent.parent / "docs/deployment.md").read_text()
    rules = text.partition("`user qproxy on >PASSWORD ")[2].partition("`")[0].replace("{qproxy}", "{test}").split()
    server.ask("ACL", "SETUSER", "qproxy", "on", ">right", *rules)
    store = at(OneServer(address(server)), Access(username="qproxy", password="right"))
    session = await store.put(a_session("one"))
    await store.seen({("sales", "one"): START})
    assert [await store.of_user("sales", JOHN), await store.expired("sales", False, LIFETIME, START + 60, 9)] == [
        [session],
        [session],
    ]
    assert await store.delete("sales", "one", End.LOGOUT, START) == session
    await store.forget_ended(START)
    assert (await store.mark(), await store.count("sales", False)) == (1, 0)
    await store.close()


async def test_a_user_who_may_not_write_is_told_what_is_missing(server: Node) -> None:
    server.ask("ACL", "SETUSER", "qproxy", "on", ">right", "~*", "+@all", "-evalsha")
    said = await trouble(at(OneServer(address(server)), Access(username="qproxy", password="right")))
    assert "may not do what qproxy needs" in said
    assert "evalsha" in said


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


async def test_sentinels_that_do_not_know_the_master_are_told_apart(server: Node, tmp_path: Path) -> None:
    sentinel = Node(tmp_path / "sentinel", sentinel=f"sentinel monitor other 127.0.0.1 {server.port} 1\n").start()
    said = await trouble(at(BySentinels([address(sentinel)], "sessions", Access())))
    sentinel.kill()
    assert "no Sentinel knows a master named 'sessions'" in said


async def test_a_cluster_that_is_none_is_said(server: Node) -> None:
    assert "cluster support disabled" in await trouble(at(ByCluster([address(server)], PREFIX, Access())))


async def test_a_unix_socket_is_taken_too(tmp_path: Path) -> None:
    path = tmp_path / "valkey.sock"
    node = Node(tmp_path / "redis", "--unixsocket", str(path)).start()
    store = at(OneServer(Address(str(path), 0)))
    assert await store.put(a_session("one")) == await store.get("sales", "one")
    await store.close()
    node.kill()


async def test_a_sentinel_that_hangs_is_not_waited_for(server: Node, tmp_path: Path) -> None:
    watch = f"sentinel monitor sessions 127.0.0.1 {server.port} 2\n"
    sentinels = [Node(tmp_path / "sentinels", sentinel=watch).start() for _ in range(3)]
    sentinels[0].stop()
    places = BySentinels([address(node) for node in sentinels], "sessions", Access(timeout=60))
    async with asyncio.timeout(5):
        assert await places.master() == address(server)
    for sentinel in sentinels:
        sentinel.kill()


# --- TLS ---


@pytest.fixture
async def behind_tls(server: Node, tmp_path: Path) -> AsyncIterator[tuple[int, Certificates]]:
    """Valkey as packaged for tests has no TLS: it stands behind a listener that wants certificates of clients."""
    certificates = Certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.root)
    context.load_cert_chain(certificates.certificate, certificates.key)
    context.verify_mode = ssl.CERT_REQUIRED
    pipes: list[asyncio.Task[None]] = []

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await asyncio.open_connection("127.0.0.1", server.port)
        pipes.extend(asyncio.create_task(pipe(*ends)) for ends in ((reader, inner[1]), (inner[0], writer)))

    listening = await asyncio.start_server(join, "0.0.0.0", 0, ssl=context)
    yield listening.sockets[0].getsockname()[1], certificates
    listening.close()
    await asyncio.gather(*pipes)


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def over_tls(certificates: Certificates, port: int, host: str = "localhost", **more: Any) -> RedisStore:
    files = {"client_certificate": certificates.certificate, "client_key": certificates.key}
    wanted = {"url": f"rediss://{host}:{port}", "timeout": 1, "tls": {"ca": certificates.root} | files} | more
    return redis_opening.redis_store(RedisConfig.model_validate(wanted), [KEY], 600)


async def test_tls_with_a_client_certificate(behind_tls: tuple[int, Certificates]) -> None:
    port, certificates = behind_tls
    store = over_tls(certificates, port)
    session = await store.put(a_session("one"))
    assert await store.get("sales", "one") == session
    await store.close()


async def test_a_server_with_another_name_or_of_another_authority_is_refused(
    behind_tls: tuple[int, Certificates],
) -> None:
    port, certificates = behind_tls
    assert "TLS was refused" in await trouble(over_tls(certificates, port, "127.0.0.2"))
    assert "TLS was refused" in await trouble(over_tls(certificates, port, tls=RedisTlsConfig()))


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
