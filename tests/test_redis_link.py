"""The way to Redis: what is said when it cannot be used, who is asked for the master, unix sockets, TLS."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis_servers import Node
from redis_stores import KEY, PREFIX, address, at, trouble
from site_plan import Certificates
from some_sessions import JOHN, LIFETIME, START, a_session
from waiting import eventually

from qproxy.config import RedisConfig, RedisTlsConfig
from qproxy.model import End
from qproxy.sessions import redis_opening
from qproxy.sessions.redis import RedisStore
from qproxy.sessions.redis_places import Access, Address, ByCluster, BySentinels, OneServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path / "redis").start()
    yield node
    node.kill()


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


async def test_who_still_waits_when_the_store_is_closed_is_told(server: Node) -> None:
    server.stop()
    store = at(OneServer(address(server)), Access(timeout=5), patience=5)
    asking = [asyncio.create_task(store.get("sales", "one")) for _ in range(3)]
    await eventually(lambda: any(task.get_name() == "sessions: to the Redis master" for task in asyncio.all_tasks()))
    await store.close()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [str(answer).rpartition(" ")[2] for answer in answers] == ["closed"] * 3
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
