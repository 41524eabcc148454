"""The connections to the nodes: stale ones, limits, failures to connect, and that nobody gets another's answer."""

import asyncio
import contextlib
import random
import socket
import ssl
from collections import Counter
from collections.abc import Iterator

import pytest
import trustme
from forwarding.paper import PaperNode
from forwarding.plane import Script, both_loops, echo, plane, times
from forwarding.wire import Wire, get, ok, post
from waiting import eventually

from qproxy.errors import Failure, Refused
from qproxy.forwarding.node import Node
from qproxy.forwarding.pool import Pool
from qproxy.forwarding.upstream import Upstream

pytestmark = pytest.mark.asyncio(**both_loops)


# --- stale connections ---


async def answer_and_close(wire: Wire) -> None:
    """As Qlik's proxy after its login redirect: nothing in the head announces the end."""
    message = await wire.request()
    wire.send(ok(message.target))
    wire.close()


async def answer_and_close_at_reuse(wire: Wire) -> None:
    message = await wire.request()
    wire.send(ok(message.target))
    await wire.exactly(1)
    wire.reset()


@pytest.mark.parametrize("script", [answer_and_close, answer_and_close_at_reuse])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_stale_connection_is_never_seen(script: Script, method: str) -> None:
    async with plane(script) as site:
        wire = await site.wire()
        for number in range(50):
            assert (await wire.ask(get(f"/{number}", method=method))).status == 200


async def test_a_stale_connection_is_replaced_once_only() -> None:
    async def script(wire: Wire) -> None:
        if len(site.node.wires) == 1:
            await answer_and_close_at_reuse(wire)
        else:
            wire.close()

    async with plane(script) as site:
        wire = await site.wire()
        await wire.ask(get())
        assert (await wire.ask(get())).named(b"x-failure") == b"upstream_gone"
        assert len(site.node.wires) == 2


async def test_a_failed_request_on_a_new_connection_is_not_sent_again() -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.close()

    async with plane(script) as site:
        assert (await (await site.wire()).ask(get())).status == 502
        assert len(site.node.wires) == 1


async def test_a_request_is_not_sent_again_once_an_answer_began() -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.send(ok())
        await wire.request()
        wire.send(b"HTTP/1.1 2")
        wire.close()

    async with plane(script) as site:
        wire = await site.wire()
        await wire.ask(get())
        assert (await wire.ask(get())).status == 502


async def test_a_post_is_never_sent_twice() -> None:
    posts: Counter[bytes] = Counter()

    async def script(wire: Wire) -> None:
        while True:
            message = await wire.request()
            posts[message.target] += 1
            wire.send(ok())
            if random.random() < 0.3:
                wire.close()
                return

    async with plane(script) as site:
        wire = await site.wire()
        for number in range(300):
            await wire.ask(post(b"x", f"/{number}"))
        assert set(posts.values()) == {1}


async def test_a_post_on_a_connection_that_ends_fails_and_is_not_sent_again() -> None:
    async with plane(answer_and_close_at_reuse) as site:
        wire = await site.wire()
        await wire.ask(get())
        assert (await wire.ask(post(b""))).named(b"x-failure") == b"upstream_gone"
        assert len(site.node.wires) == 1


async def test_a_post_leaves_a_connection_alone_that_has_ended() -> None:
    async with plane(answer_and_close) as site:
        wire = await site.wire()
        await wire.ask(get())
        upstream = site.pool._resting[-1] if site.pool._resting else None
        await eventually(site.node.wires[0].transport.is_closing)
        assert (await wire.ask(post(b"x"))).status == 200
        assert upstream is None or not upstream.ready


async def test_a_post_leaves_a_connection_alone_that_rested_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qproxy.forwarding.node_pool.UNSAFE_IDLE", -1.0)
    async with plane() as site:
        wire = await site.wire()
        await wire.ask(get())
        await wire.ask(post(b"x"))
        assert (site.pool.opened, site.pool.reused) == (2, 0)


async def test_a_connection_that_rested_long_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with plane(idle=0.05, timeouts=times(head=0.1)) as site:
        await (await site.wire()).ask(get())
        await eventually(lambda: not site.pool.open_count)
        assert site.pool.resting == 0


# --- an answer belongs to one request ---


@pytest.mark.parametrize("extra", [b"x", ok(b"another answer"), b"\r\n"])
async def test_a_connection_with_bytes_left_over_is_not_used_again(extra: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.send(ok(b"mine") + extra)

    async with plane(script) as site:
        wire = await site.wire()
        assert [(await wire.ask(get())).body for _ in range(3)] == [b"mine"] * 3
        assert site.pool.opened == 3


async def test_a_connection_that_speaks_unasked_is_closed() -> None:
    async with plane() as site:
        await (await site.wire()).ask(get())
        site.node.wires[0].send(ok(b"nobody asked"))
        await eventually(lambda: not site.pool.open_count)
        assert site.pool.resting == 0


async def test_a_connection_that_closes_after_its_answer_is_not_kept() -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.send(ok(b"ok", "Connection: close"))

    async with plane(script) as site:
        await (await site.wire()).ask(get())
        assert site.pool.resting == 0


# --- limits ---


async def slow(wire: Wire) -> None:
    while True:
        message = await wire.request()
        for _ in range(20):
            await asyncio.sleep(0)
        wire.send(ok(message.target))


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_more_requests_than_connections_wait_their_turn(method: str) -> None:
    async with plane(slow, connections=3) as site:
        wires = [await site.wire() for _ in range(40)]
        replies = await asyncio.gather(*(wire.ask(get(f"/{n}", method=method)) for n, wire in enumerate(wires)))
        assert [reply.body for reply in replies] == [b"/%d" % number for number in range(40)]
        assert max(site.pool.open_count, site.pool.opened) <= 3


async def test_who_waits_too_long_for_a_connection_is_told() -> None:
    async with plane(stuck, connections=1, connect=0.1) as site:
        first, second = await site.wire(), await site.wire()
        first.send(get())
        await eventually(lambda: site.pool.open_count)
        assert (await second.ask(get())).named(b"x-failure") == b"upstream_busy"


async def stuck(wire: Wire) -> None:
    await wire.request()


async def test_who_waits_gets_the_place_of_a_connection_that_broke() -> None:
    async with plane(stuck, connections=1) as site:
        first, second = await site.wire(), await site.wire()
        first.send(get())
        await eventually(lambda: site.node.wires)
        site.node.script = echo
        second.send(get("/second"))
        await eventually(lambda: site.pool._waiting)
        first.close()
        assert (await second.reply()).body == b"GET /second "


async def test_resting_connections_make_room_for_who_may_not_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qproxy.forwarding.node_pool.UNSAFE_IDLE", -1.0)
    async with plane(connections=1) as site:
        wire = await site.wire()
        await wire.ask(get())
        assert (await wire.ask(post(b"x"))).status == 200


async def test_who_gives_up_waiting_leaves_the_queue_as_it_was() -> None:
    async with plane(slow, connections=2) as site:
        dice = random.Random(4)
        for _ in range(30):
            wires = [await site.wire() for _ in range(8)]
            for wire in wires:
                wire.send(get("/x"))
            for _ in range(dice.randrange(30)):
                await asyncio.sleep(0)
            for wire in wires:
                wire.close()
        assert (await (await site.wire()).ask(get("/last"))).body == b"/last"
        assert 0 <= site.pool.open_count <= 2


def one_connection() -> PaperNode:
    pool = PaperNode()
    pool.bound(1, 60.0, 3.0)
    return pool


async def one_that_waits() -> tuple[PaperNode, Upstream, asyncio.Task[Upstream]]:
    pool = one_connection()
    upstream = await pool.open()
    waiting = asyncio.create_task(pool.open())
    await asyncio.sleep(0)
    return pool, upstream, waiting


@pytest.mark.parametrize("clean", [True, False])
async def test_who_gives_up_in_the_moment_of_its_turn_keeps_nothing(clean: bool) -> None:
    pool, upstream, waiting = await one_that_waits()
    upstream.release(clean=clean, now=1.0)
    if not clean:
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await eventually(lambda: pool.open_count == 0)
    assert (pool.resting, upstream.transport.is_closing()) == (0, True)


async def test_who_needs_a_new_connection_is_not_given_a_used_one() -> None:
    pool = one_connection()
    upstream = await pool.open()
    waiting = asyncio.create_task(pool.open(fresh=True))
    await asyncio.sleep(0)
    upstream.release(clean=True, now=1.0)
    assert not (await waiting).used
    assert (pool.open_count, pool.opened) == (1, 2)


async def test_a_connection_that_ends_on_its_way_to_who_waits_is_replaced() -> None:
    pool, upstream, waiting = await one_that_waits()
    upstream.release(clean=True, now=1.0)
    upstream.transport.abort()
    assert await waiting is not upstream
    assert pool.open_count == 1


# --- connecting ---


async def test_a_node_that_is_not_there_is_told_apart() -> None:
    async with plane() as site:
        await site.node.stop()
        reply = await (await site.wire()).ask(get())
        assert (reply.status, reply.named(b"x-failure")) == (503, b"upstream_refused")


async def test_the_next_node_is_asked_when_one_is_not_there() -> None:
    async with plane(others=(Node("127.0.0.1", unused_port()),)) as site:
        wire = await site.wire()
        assert (await wire.ask(get("/a"))).body == b"GET /a "
        assert (await site.last()).node == site.pool.name


@contextlib.contextmanager
def busy_line() -> Iterator[int]:
    """A port that takes no more calls and refuses none."""
    with contextlib.ExitStack() as closing:
        full = closing.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            caller = closing.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        yield full.getsockname()[1]


async def test_a_node_that_does_not_answer_the_call_is_given_up() -> None:
    with busy_line() as port:
        pool = Pool([Node("127.0.0.1", port)], connect=0.1)
        with pytest.raises(Refused) as refused:
            await pool.open()
    assert (refused.value.failure, pool.open_count) == (Failure.UPSTREAM_CONNECT_TIMEOUT, 0)


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def contexts(server_name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert(server_name).configure_cert(server)
    authority.configure_trust(client)
    return server, client


@pytest.mark.parametrize(("name", "status"), [("node.example", 200), ("other.example", 502)])
async def test_a_node_must_carry_its_name(name: str, status: int) -> None:
    server, client = contexts(name)
    async with plane(tls=(server, client)) as site:
        reply = await (await site.wire()).ask(get("/a"))
        assert (reply.status, reply.named(b"x-failure")) == (status, None if status == 200 else b"upstream_tls")


async def test_a_node_of_another_authority_is_not_believed() -> None:
    async with plane(tls=(contexts("node.example")[0], contexts("node.example")[1])) as site:
        assert (await (await site.wire()).ask(get("/a"))).named(b"x-failure") == b"upstream_tls"
