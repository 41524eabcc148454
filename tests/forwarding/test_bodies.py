"""Bodies of any size: byte for byte, and no more in memory than a peer that does not read may cost."""

import asyncio
import hashlib
import random

import pytest
from forwarding.plane import Plane, both_loops, plane
from forwarding.wire import Wire, chunked, get, ok, post, post_chunked
from waiting import eventually

pytestmark = pytest.mark.asyncio(**both_loops)
HIGH_WATER = 65536
ONE_READ = 262144
SOCKETS = 24_000_000
"""What the kernel's own buffers of two loopback connections may hold at most."""


def some_bytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


async def digest(wire: Wire) -> None:
    while True:
        message = await wire.request()
        wire.send(ok(hashlib.sha256(message.body).hexdigest().encode()))


async def serve(wire: Wire) -> None:
    """`/size/n`: n bytes of seed n; chunked if the target asks so."""
    while True:
        message = await wire.request()
        body = some_bytes(7, int(message.target.split(b"/")[2]))
        if b"chunked" in message.target:
            wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*cut(body, 9)))
        else:
            wire.send(ok(body))


def cut(body: bytes, seed: int) -> list[bytes]:
    """The body in pieces of random sizes."""
    dice, pieces, position = random.Random(seed), [], 0
    while position < len(body):
        size = dice.choice((1, 2, 100, 4096, 65536, 300_000))
        pieces.append(body[position : position + size])
        position += size
    return pieces


@pytest.mark.parametrize("size", [1, 65535, 65536, 65537, 3_000_000])
@pytest.mark.parametrize("in_chunks", [False, True])
async def test_an_upload_arrives_byte_for_byte(size: int, in_chunks: bool) -> None:
    body = some_bytes(1, size)
    async with plane(digest) as site:
        wire = await site.wire()
        reply = await wire.ask(post_chunked(*cut(body, 2)) if in_chunks else post(body))
        assert reply.body == hashlib.sha256(body).hexdigest().encode()


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_000])
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_download_arrives_byte_for_byte(size: int, framing: str) -> None:
    async with plane(serve) as site:
        wire = await site.wire()
        for _ in range(2):
            reply = await wire.ask(get(f"/size/{size}/{framing}"))
            assert reply.body == some_bytes(7, size)


async def test_the_bytes_of_a_body_are_counted() -> None:
    async with plane() as site:
        await (await site.wire()).ask(post_chunked(b"abc", b"de", target="/"))
        record = await site.last()
        assert (record.bytes_in, record.bytes_out) == (5, len(b"POST / abcde"))


async def test_extensions_and_trailers_of_chunks_are_dropped() -> None:
    body = b'3;name="value"\r\nabc\r\n0\r\nX-Qlik-User: admin\r\n\r\n'
    seen = asyncio.get_running_loop().create_future()

    async def script(wire: Wire) -> None:
        await wire.head()
        seen.set_result(await wire.reader.readuntil(b"0\r\n\r\n"))
        wire.send(ok())

    async with plane(script) as site:
        await (await site.wire()).ask(get("/", "Transfer-Encoding: chunked", method="POST") + body)
        assert await seen == b"3\r\nabc\r\n0\r\n\r\n"


# --- who does not read stops who writes ---


def held_by(site: Plane) -> int:
    """Bytes that wait inside qproxy."""
    downstreams = list(site.listener._connections)
    held = sum(len(each._buffer) + each.transport.get_write_buffer_size() for each in downstreams)
    upstreams = [each._exchange.upstream for each in downstreams if each._exchange and each._exchange.upstream]
    return held + sum(each.transport.get_write_buffer_size() for each in upstreams)


async def stands_still(wire: Wire) -> int:
    """Write until nothing more goes; how much went."""
    wire.transport.set_write_buffer_limits(0)
    for count in range(4 * SOCKETS // 65536):
        wire.send(b"x" * 65536)
        try:
            async with asyncio.timeout(0.3):
                await wire.writer.drain()
        except TimeoutError:
            return count * 65536
    pytest.fail("nobody stops the writer")


async def test_a_node_that_does_not_read_stops_the_upload() -> None:
    async def script(wire: Wire) -> None:
        await wire.head()
        wire.transport.pause_reading()

    async with plane(script) as site:
        wire = await site.wire()
        wire.send(get("/", f"Content-Length: {10**9}", method="POST"))
        await stands_still(wire)
        assert held_by(site) <= HIGH_WATER + 2 * ONE_READ


async def test_a_node_that_is_slow_to_connect_stops_the_upload() -> None:
    async with plane() as site:
        gate = asyncio.Event()

        async def later() -> object:
            await gate.wait()
            return site.road.forward(site.road.asked[-1].head, site.road.asked[-1])  # type: ignore[arg-type]

        site.road.decision = lambda head, record: later()
        site.node.script = silent
        wire = await site.wire()
        wire.send(get("/", f"Content-Length: {10**9}", method="POST"))
        await stands_still(wire)
        gate.set()
        await eventually(lambda: site.pool.open_count)
        wire.send(b"x" * SOCKETS)
        await stands_still(wire)
        assert held_by(site) <= HIGH_WATER + 3 * ONE_READ


async def silent(wire: Wire) -> None:
    wire.transport.pause_reading()


async def test_a_browser_that_does_not_read_stops_the_download() -> None:
    async def script(wire: Wire) -> None:
        await wire.request()

    async with plane(script) as site:
        wire = await site.wire()
        wire.transport.pause_reading()
        wire.send(get())
        await eventually(lambda: site.node.wires)
        site.node.wires[0].send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        await stands_still(site.node.wires[0])
        assert 0 < held_by(site) <= HIGH_WATER + 2 * ONE_READ


async def test_a_flood_of_pipelined_requests_waits_outside() -> None:
    async with plane(silent) as site:
        wire = await site.wire()
        wire.send(get("/first"))
        await eventually(lambda: site.pool.open_count)
        flood = get("/next", "X-Filling: " + "x" * 1000) * 64
        for _ in range(SOCKETS // 64_000):
            wire.send(flood)
        await eventually(lambda: held_by(site) > HIGH_WATER)
        await stands_still(wire)
        assert held_by(site) <= HIGH_WATER + 2 * ONE_READ


# --- and who reads again lets it go on, also on the next request ---


@pytest.mark.parametrize("seed", range(2))
async def test_a_thousand_uploads_and_downloads_over_one_connection_all_end(seed: int) -> None:
    dice = random.Random(seed)
    async with plane(in_turns) as site:
        wire = await site.wire()
        for number in range(1000):
            size = dice.choice((0, 10, 5000, 70_000, 400_000))
            if number % 2:
                wire.send(get(f"/size/{size}"))
            else:
                wire.send(post(b"x" * size, "/up"))
            await pause(wire, dice)
            assert len((await wire.reply()).body) == (size if number % 2 else 2)
        assert site.pool.opened == 1


async def in_turns(wire: Wire) -> None:
    dice = random.Random(5)
    while True:
        head = await wire.head()
        await pause(wire, dice)
        await wire.body(head)
        size = 2 if head.method == b"POST" else int(head.target.split(b"/")[2])
        wire.send(ok(b"y" * size))


async def pause(wire: Wire, dice: random.Random) -> None:
    """Read nothing for some turns of the loop."""
    if dice.random() < 0.3:
        wire.transport.pause_reading()
        for _ in range(dice.randrange(20)):
            await asyncio.sleep(0)
        wire.transport.resume_reading()


async def test_a_browser_that_reads_an_answer_late_gets_the_next_one_too() -> None:
    async with plane(serve) as site:
        wire = await site.wire()
        wire.transport.pause_reading()
        wire.send(get("/size/9000000") + get("/size/3"))
        await eventually(lambda: held_by(site) > HIGH_WATER)
        wire.transport.resume_reading()
        assert [len((await wire.reply()).body) for _ in range(2)] == [9_000_000, 3]


async def test_an_upload_after_an_early_pause_is_read_again() -> None:
    async with plane(digest) as site:
        wire = await site.wire()
        wire.send((post(b"x" * 300_000) + get()) * 20)
        assert [(await wire.reply()).status for _ in range(40)] == [200] * 40
