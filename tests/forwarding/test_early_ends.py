"""What ends before its time: answers before their request, browsers and nodes that go away, broken messages."""

import asyncio
from collections.abc import Callable
from typing import Never

import pytest
from forwarding.plane import Plane, both_loops, plane, times
from forwarding.wire import Wire, get, ok, post
from waiting import eventually

from qproxy.errors import Failure
from qproxy.forwarding.conduct import Answer, Forward

pytestmark = pytest.mark.asyncio(**both_loops)
BIG = b"x" * 32_000_000
"""More than the buffers of four sockets take, however far the system lets them grow."""


async def early_answer(wire: Wire) -> None:
    await wire.head()
    wire.send(ok(b"no, thank you"))


async def test_an_answer_before_the_end_of_the_body_arrives_whole() -> None:
    async with plane(early_answer) as site:
        wire = await site.wire()
        reply = await wire.ask(post(BIG))
        assert (reply.body, reply.named(b"connection")) == (b"no, thank you", b"close")


async def test_an_answer_before_the_end_of_the_body_costs_both_connections() -> None:
    async with plane(early_answer) as site:
        wire = await site.wire()
        await wire.ask(post(BIG))
        assert (await wire.rest(), site.pool.resting) == (b"", 0)


async def test_an_own_answer_to_a_large_upload_arrives_whole() -> None:
    async with plane() as site:
        site.road.decision = lambda head, record: Answer(401, [], b"log in" * 1000)
        wire = await site.wire()
        wire.send(post(BIG))
        await wire.writer.drain()  # as a client that reads only when all is sent
        assert (await wire.reply()).body == b"log in" * 1000


async def test_an_own_answer_outlasts_the_lingering_while_the_browser_sends() -> None:
    async with plane(timeouts=times(linger=0.1)) as site:
        site.road.decision = lambda head, record: Answer(401, [], b"log in")
        wire = await site.wire()
        wire.send(get("/", f"Content-Length: {10**9}", method="POST"))
        end = asyncio.get_running_loop().time() + 0.4
        while asyncio.get_running_loop().time() < end:
            wire.send(b"x" * 1000)
            await eventually(lambda: not wire.transport.get_write_buffer_size())
        assert (await wire.reply()).body == b"log in"


async def test_lingering_ends_though_the_browser_sends_on() -> None:
    async with plane(timeouts=times(linger=0.05)) as site:
        site.road.decision = lambda head, record: Answer(401, [], b"log in")
        wire = await site.wire()
        wire.send(get("/", f"Content-Length: {10**9}", method="POST"))
        async with asyncio.timeout(3):
            while site.listener.connections or not site.road.asked:
                wire.send(b"x" * 1000)
                await asyncio.sleep(0)
        assert not site.listener.connections


async def test_a_slow_reader_gets_the_whole_of_an_answer_that_closes() -> None:
    async with plane(timeouts=times(linger=0.05, write_stall=2)) as site:
        site.road.decision = lambda head, record: Answer(401, [], BIG)
        wire = await site.wire()
        wire.transport.pause_reading()
        wire.send(get("/", "Content-Length: 9", method="POST"))
        await site.last()
        loop = asyncio.get_running_loop()
        later = loop.create_future()
        loop.call_later(0.3, later.set_result, None)
        await later
        wire.transport.resume_reading()
        assert (await wire.reply()).body == BIG


@pytest.mark.parametrize("request_lines", [("Connection: close",), ()])
async def test_a_browser_that_does_not_read_its_last_answer_is_cut(request_lines: tuple[str, ...]) -> None:
    async with plane(timeouts=times(write_stall=0.2, keep_alive=0.1)) as site:
        site.road.decision = lambda head, record: Answer(200, [], BIG * 4)
        wire = await site.wire()
        wire.transport.pause_reading()
        wire.send(get("/", *request_lines))
        await site.last()
        await eventually(lambda: not site.listener.connections)
        assert site.records[0].failure is None


SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(("answer", "more"), [(SIZED, b""), (CHUNKED, b""), (CHUNKED, b"zz\r\n")])
async def test_half_an_answer_never_looks_whole(answer: bytes, more: bytes, version: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.send(answer)

    async with plane(script) as site:
        wire = await site.wire()
        wire.send(get(version=version))
        beginning = await wire.reader.readuntil(b"half")
        site.node.wires[0].send(more)
        site.node.wires[0].close()
        assert await breaks(wire, b"Content-Length" in beginning)
        assert (await site.last()).failure in (Failure.UPSTREAM_GONE, Failure.UPSTREAM_BAD_ANSWER)


async def breaks(wire: Wire, sized: bool) -> bool:
    """Whether the rest shows that the answer is not whole: by a reset, or by an end before its framing says so."""
    try:
        rest = await wire.rest()
    except ConnectionResetError:
        return True
    return rest == (b"" if sized else b"\r\n")


async def test_a_reset_in_an_answer_without_a_length_never_looks_whole() -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await wire.exactly(1)

    async with plane(script) as site:
        wire = await site.wire()
        wire.send(get())
        await wire.head()
        assert await wire.chunk() == b"half"
        site.node.wires[0].reset()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await wire.chunk()


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 O"])
async def test_a_node_that_goes_before_its_head_gives_a_page(beginning: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.send(beginning)
        wire.close()

    async with plane(script) as site:
        wire = await site.wire()
        assert (await wire.ask(get())).named(b"x-failure") == b"upstream_gone"
        assert (await wire.ask(get())).status == 502


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"x" * 70_000,
    ],
)
async def test_an_answer_that_is_none_gives_a_page(answer: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.send(answer)

    async with plane(script) as site:
        assert (await (await site.wire()).ask(get())).named(b"x-failure") == b"upstream_bad_answer"


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_browser_that_goes_while_the_node_thinks_stops_the_node(how: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.reader.read()

    async with plane(script) as site:
        wire = await site.wire()
        wire.send(get())
        await eventually(lambda: site.pool.open_count)
        getattr(wire, how)()
        await eventually(lambda: not site.pool.open_count, within=1)
        assert (await site.last()).failure is Failure.BROWSER_GONE


async def start_download(site: Plane) -> Wire:
    wire = await site.wire()
    wire.send(get())
    await wire.exactly(100_000)
    return wire


async def endless(wire: Wire) -> None:
    await wire.head()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    while True:
        wire.send(b"x" * 65536)
        await wire.writer.drain()


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_browser_that_goes_in_a_download_stops_the_node(how: str) -> None:
    async with plane(endless) as site:
        getattr(await start_download(site), how)()
        await eventually(lambda: not site.pool.open_count, within=1)
        assert (await site.last()).failure is Failure.BROWSER_GONE


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_browser_that_goes_in_an_upload_stops_the_node(how: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()

    async with plane(script) as site:
        wire = await site.wire()
        wire.send(get("/", "Content-Length: 1000", method="POST") + b"half")
        await eventually(lambda: site.pool.open_count)
        getattr(wire, how)()
        await eventually(lambda: not site.pool.open_count, within=1)
        assert (await site.last()).failure is Failure.BROWSER_GONE


async def test_a_browser_that_goes_takes_its_pipelined_requests_along() -> None:
    async with plane(endless) as site:
        wire = await site.wire()
        wire.send(get("/1") + get("/2"))
        await wire.exactly(1000)
        wire.reset()
        await site.last()
        await eventually(lambda: not site.listener.connections)
        assert len(site.road.asked) == 1


async def test_a_broken_chunk_in_an_upload_gives_a_page_and_stops_the_node() -> None:
    async def script(wire: Wire) -> None:
        await wire.request()

    async with plane(script) as site:
        wire = await site.wire()
        wire.send(get("/", "Transfer-Encoding: chunked", method="POST") + b"4\r\nhalf\r\n")
        await eventually(lambda: site.pool.open_count)
        reply = await wire.ask(b"-4\r\n")
        assert (reply.named(b"x-failure"), reply.named(b"connection")) == (b"bad_framing", b"close")
        await eventually(lambda: not site.pool.open_count)


@pytest.mark.error_log("an exchange failed: ZeroDivisionError")
@pytest.mark.parametrize("where", ["decide", "later", "rewrite"])
async def test_a_bug_of_ours_gives_a_page_and_blames_us(where: str) -> None:
    async with plane() as site:

        def broken(*_: object) -> Never:
            raise ZeroDivisionError

        async def later() -> None:
            broken()

        ways: dict[str, Callable[[], object]] = {
            "decide": broken,
            "later": later,
            "rewrite": lambda: Forward(site.nodes, b"", broken, None),
        }
        site.road.decision = lambda head, record: ways[where]()
        wire = await site.wire()
        assert (await wire.ask(get())).named(b"x-failure") == b"internal"
        site.road.decision = site.road.forward
        assert (await wire.ask(get())).status == 200
