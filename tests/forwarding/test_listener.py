"""The public port: own pages handed over, connections counted and bounded, and a stop that loses nothing."""

import asyncio
from typing import cast

import pytest
from forwarding.plane import Plane, both_loops, plane, times
from forwarding.test_tunnel import accept, masked
from forwarding.wire import Wire, get, ok, post, post_chunked, upgrade
from waiting import eventually

from qproxy.errors import Failure
from qproxy.forwarding.conduct import Answer, HandOver, Limits
from qproxy.forwarding.frames import close_frame

pytestmark = pytest.mark.asyncio(**both_loops)


# --- own pages ---


class Page(asyncio.Protocol):
    """Stands for aiohttp's handler: keeps what it is given, and answers once that is `want` bytes."""

    got = b""
    want = 0
    paused = 0
    lost: list[Exception | None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.lost = []

    def data_received(self, data: bytes) -> None:
        self.got += data
        if len(self.got) >= self.want:
            self.transport.write(ok(b"page", "Connection: close"))
            self.transport.close()

    def pause_writing(self) -> None:
        self.paused += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


HEAD = b"POST /qproxy/login HTTP/1.1\r\n\r\n"


def handing_over(site: Plane, want: int = 1) -> Page:
    page = Page()
    page.want = want
    site.road.page = lambda: page
    site.road.decision = lambda head, record: HandOver(HEAD)
    return page


async def test_an_own_page_is_given_its_head_and_body() -> None:
    async with plane() as site:
        page = handing_over(site, len(HEAD) + 4)
        reply = await (await site.wire()).ask(post(b"body", "/qproxy/login"))
        assert (page.got, reply.body) == (HEAD + b"body", b"page")


async def test_an_own_page_is_given_what_comes_later() -> None:
    async with plane() as site:
        page = handing_over(site, len(HEAD) + 4)
        wire = await site.wire()
        wire.send(post(b"body", "/qproxy/login")[:-2])
        await eventually(lambda: page.got)
        wire.send(b"dy")
        assert ((await wire.reply()).body, page.got) == (b"page", HEAD + b"body")


@pytest.mark.parametrize("request_bytes", [post(b"body"), post_chunked(b"bo", b"dy")])
async def test_a_hand_over_that_was_decided_later_loses_nothing(request_bytes: bytes) -> None:
    async with plane() as site:
        body = request_bytes.partition(b"\r\n\r\n")[2]
        page = handing_over(site, len(HEAD) + 4)
        gate = asyncio.Event()

        async def later() -> HandOver:
            await gate.wait()
            return HandOver(HEAD)

        site.road.decision = lambda head, record: later()
        wire = await site.wire()
        wire.send(request_bytes)
        await eventually(lambda: site.road.asked and site.road.asked[0].bytes_in == 4)
        site.road.handed.append(site.road.asked[0])
        gate.set()
        assert (await wire.reply()).body == b"page"
        assert page.got.replace(b"4\r\nbody", b"2\r\nbo\r\n2\r\ndy") == HEAD + body


async def test_an_own_page_sees_its_browser_go() -> None:
    async with plane() as site:
        page = handing_over(site, 10**6)
        wire = await site.wire()
        wire.send(get("/qproxy/login"))
        await eventually(lambda: page.got)
        wire.close()
        await eventually(lambda: page.lost)
        assert site.listener.connections == 0


async def test_a_page_behind_another_request_is_handed_over_too() -> None:
    async with plane() as site:
        handing_over(site)
        site.road.decision = lambda head, record: (
            HandOver(HEAD) if head.target == b"/qproxy/" else site.road.forward(head, record)
        )
        wire = await site.wire()
        wire.send(get("/a") + get("/qproxy/"))
        assert [(await wire.reply()).body for _ in range(2)] == [b"GET /a ", b"page"]


# --- limits ---


async def test_one_connection_too_many_gets_a_page() -> None:
    async with plane(limits=Limits(connections=2)) as site:
        first, second = await site.wire(), await site.wire()
        await first.ask(get())
        await second.ask(get())
        third = await site.wire()
        reply = await third.reply()
        assert (reply.status, reply.named(b"x-failure")) == (503, b"overloaded")
        assert (await first.ask(get())).status == 200


async def test_one_connection_too_many_from_an_address_gets_a_page() -> None:
    async with plane(limits=Limits(connections_per_address=2)) as site:
        for _ in range(2):
            assert (await (await site.wire()).ask(get())).status == 200
        assert (await (await site.wire()).reply()).named(b"x-failure") == b"too_many_connections"
        assert (await (await site.wire("127.0.0.2")).ask(get())).status == 200


async def test_an_exempt_address_may_have_as_many_as_it_wants() -> None:
    async with plane(limits=Limits(connections_per_address=1), exempt=True) as site:
        assert [(await (await site.wire()).ask(get())).status for _ in range(5)] == [200] * 5


async def test_a_place_that_was_left_is_free_again() -> None:
    async with plane(limits=Limits(connections_per_address=1)) as site:
        for _ in range(5):
            wire = await site.wire()
            assert (await wire.ask(get())).status == 200
            wire.reset()
            await eventually(lambda: not site.listener.connections)


async def test_who_was_refused_takes_no_place() -> None:
    async with plane(limits=Limits(connections=1), timeouts=times(linger=60)) as site:
        first = await site.wire()
        await first.ask(get())
        for _ in range(3):
            assert (await (await site.wire()).reply()).status == 503
        first.reset()
        await eventually(lambda: site.listener.connections == 3)
        assert (await (await site.wire()).ask(get())).status == 200


async def test_a_crowd_of_refused_is_cut_without_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qproxy.forwarding.listener.MOST_REFUSED", 3)
    async with plane(limits=Limits(connections=0), timeouts=times(linger=60)) as site:
        for _ in range(10):
            await (await site.wire()).was_reset()
        await eventually(lambda: site.listener.connections == 3)


async def test_sockets_count_as_connections() -> None:
    async with plane(accept, limits=Limits(connections=2, connections_per_address=2)) as site:
        for _ in range(2):
            assert (await (await site.wire()).ask(upgrade())).status == 101
        assert (await (await site.wire()).reply()).status == 503
        site.wires[0].reset()
        await eventually(lambda: site.listener.tunnels == 1)
        assert (await (await site.wire()).ask(upgrade())).status == 101


# --- a stop ---


async def slow(wire: Wire) -> None:
    await wire.request()
    await slow_gate.wait()
    wire.send(ok(b"done"))


slow_gate = asyncio.Event()


@pytest.fixture
def gate() -> asyncio.Event:
    global slow_gate
    slow_gate = asyncio.Event()
    return slow_gate


async def test_a_request_that_runs_is_finished(gate: asyncio.Event) -> None:
    async with plane(slow) as site:
        wire = await site.wire()
        wire.send(get())
        await eventually(lambda: site.pool.open_count)
        stop = asyncio.create_task(site.listener.drain(5))
        await asyncio.sleep(0)
        gate.set()
        reply = await wire.reply()
        assert (reply.body, reply.named(b"connection"), await stop) == (b"done", b"close", True)


async def test_an_idle_connection_is_closed_at_a_stop() -> None:
    async with plane() as site:
        wire = await site.wire()
        await wire.ask(get())
        assert await site.listener.drain(5)
        assert await wire.rest() == b""


async def test_nothing_new_is_accepted_at_a_stop() -> None:
    async with plane() as site:
        assert await site.listener.drain(5)
        with pytest.raises(OSError):  # noqa: PT011 - the systems differ in which one
            await (await site.wire()).ask(get())


async def test_sockets_are_told_at_a_stop() -> None:
    async with plane(accept) as site:
        wire = await site.wire()
        await wire.ask(upgrade())
        stop = asyncio.create_task(site.listener.drain(5, "{}"))
        said = b"\x81\x02{}" + close_frame(1001, "qproxy is restarting")
        assert await wire.exactly(len(said)) == said
        wire.send(masked(b"\x03\xe9", opcode=8))
        assert await stop
        assert site.records[-1].close_code == 1001


async def test_what_does_not_end_in_time_is_cut(gate: asyncio.Event) -> None:
    async with plane(slow) as site:
        wire = await site.wire()
        wire.send(get())
        await eventually(lambda: site.pool.open_count)
        assert not await site.listener.drain(0.05)
        assert await wire.was_reset() or True
        assert (await site.last()).failure is Failure.BROWSER_GONE


# --- a browser that only asks ---


async def test_answers_that_nobody_reads_do_not_pile_up() -> None:
    async with plane() as site:
        site.road.decision = lambda head, record: Answer(404, [], b"x" * 10_000)
        wire = await site.wire()
        wire.transport.pause_reading()
        wire.send(get() * 5000)
        await eventually(lambda: any(each.write_paused for each in site.listener._connections))
        asked = len(site.road.asked)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(site.road.asked) - asked < 100
        wire.transport.resume_reading()
        for _ in range(5000):
            assert (await wire.reply()).status == 404
