"""WebSockets after their 101: the same bytes both ways, whoever closes is seen to close, sessions end politely."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from forwarding.plane import Plane, both_loops, plane, times
from forwarding.wire import SWITCHED, Wire, get, ok, upgrade
from waiting import eventually

from qproxy.forwarding.conduct import Answer
from qproxy.forwarding.frames import TEXT, close_frame, frame
from qproxy.forwarding.tunnel import Tunnel

pytestmark = pytest.mark.asyncio(**both_loops)
HIGH_WATER = 65536
ONE_READ = 262144
MASK = b"\x01\x02\x03\x04"


def masked(payload: bytes, opcode: int = 2, final: bool = True) -> bytes:
    """A browser's frame."""
    head = bytes([opcode | 0x80 * final])
    size = len(payload)
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([0x80 | 127]) + size.to_bytes(8, "big")
    return head + MASK + bytes(byte ^ MASK[index % 4] for index, byte in enumerate(payload))


async def accept(wire: Wire) -> None:
    await wire.request()
    wire.send(SWITCHED)


@asynccontextmanager
async def tunnel(**options: Any) -> AsyncIterator[tuple[Plane, Wire, Wire, Tunnel]]:
    """The plane, the browser's end, the node's end and what joins them."""
    async with plane(accept, **options) as site:
        browser = await site.wire()
        reply = await browser.ask(upgrade())
        assert reply.status == 101
        yield site, browser, site.node.wires[0], site.road.owner.tunnels[0]


def frames_of(seed: int, size: int) -> bytes:
    """About `size` bytes of a node's frames: fragments, pings between them, compressed ones, small and huge."""
    dice, parts, total = random.Random(seed), [], 0
    while total < size:
        count = dice.randrange(1, 4)
        for index in range(count):
            payload = dice.randbytes(dice.choice((0, 1, 125, 126, 65535, 65536, 200_000)))
            whole = bytearray(frame(0 if index else dice.choice((1, 2)), payload))
            whole[0] = whole[0] & 0x4F | (0x80 if index == count - 1 else 0) | dice.choice((0, 0x40))
            parts.append(bytes(whole) + frame(9, b"ping") * dice.randrange(2))
            total += len(parts[-1])
    return b"".join(parts)


async def send_in_pieces(wire: Wire, data: bytes, seed: int) -> None:
    dice, position = random.Random(seed), 0
    while position < len(data):
        size = dice.choice((1, 7, 1000, 65536, 500_000))
        wire.send(data[position : position + size])
        position += size
        await wire.writer.drain()
        if dice.random() < 0.1:
            await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(3))
async def test_the_same_bytes_arrive_on_both_sides(seed: int) -> None:
    down, up = frames_of(seed, 3_000_000), frames_of(seed + 100, 3_000_000)
    async with tunnel() as (_, browser, node, _):
        sent = asyncio.gather(send_in_pieces(node, down, seed), send_in_pieces(browser, up, seed))
        received = await asyncio.gather(browser.exactly(len(down)), node.exactly(len(up)))
        await sent
        assert (received[0], received[1]) == (down, up)


async def test_a_message_of_32_megabytes_passes_both_ways() -> None:
    message = frame(2, random.Random(1).randbytes(32_000_000))
    async with tunnel() as (_, browser, node, _):
        node.send(message)
        browser.send(message)
        down, up = await asyncio.gather(browser.exactly(len(message)), node.exactly(len(message)))
        assert down == up == message


async def test_what_comes_right_behind_the_upgrade_reaches_the_node() -> None:
    async with plane(accept) as site:
        browser = await site.wire()
        browser.send(upgrade() + masked(b"early"))
        assert (await browser.head()).status == 101
        assert await site.node.wires[0].exactly(11) == masked(b"early")


async def test_what_comes_right_behind_the_101_reaches_the_browser() -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.send(SWITCHED + frame(TEXT, b"OnConnected"))

    async with plane(script) as site:
        browser = await site.wire()
        await browser.ask(upgrade())
        assert await browser.exactly(13) == frame(TEXT, b"OnConnected")


async def test_an_upgrade_on_a_used_connection_works() -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.send(ok())
        await accept(wire)

    async with plane(script) as site:
        browser = await site.wire()
        await browser.ask(get())
        assert (await browser.ask(upgrade())).status == 101
        assert site.pool.reused == 1


async def test_an_upgrade_survives_a_stale_connection() -> None:
    async def script(wire: Wire) -> None:
        first = await wire.request()
        if first.target == b"/":
            wire.send(ok())
            await wire.exactly(1)
            wire.close()
        else:
            wire.send(SWITCHED)

    async with plane(script) as site:
        browser = await site.wire()
        await browser.ask(get())
        assert (await browser.ask(upgrade())).status == 101


@pytest.mark.parametrize("accept_line", [b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n", b""])
async def test_a_101_without_the_right_answer_to_the_key_is_refused(accept_line: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.send(b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + accept_line + b"\r\n")

    async with plane(script) as site:
        reply = await (await site.wire()).ask(upgrade())
        assert (reply.status, reply.named(b"x-failure")) == (502, b"upstream_bad_answer")


async def test_a_refusal_passes_as_it_came_and_ends_the_connection() -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.send(ok(b"which origin?", "X-Reason: csrf", status="403 No"))

    async with plane(script) as site:
        browser = await site.wire()
        browser.send(upgrade() + masked(b"early") + get("/smuggled"))
        reply = await browser.reply()
        assert (reply.status, reply.named(b"x-reason"), reply.body) == (403, b"csrf", b"which origin?")
        assert (await browser.rest(), len(site.road.asked)) == (b"", 1)


async def test_a_socket_opened_only_to_say_why_it_closes_delivers_all() -> None:
    async with plane(accept) as site:
        body = frame(TEXT, b"log in") + close_frame(1001)
        site.road.decision = lambda head, record: Answer(101, [b"Sec-WebSocket-Accept: x"], body)
        browser = await site.wire()
        browser.send(upgrade() + masked(b"hello") * 1000)
        await browser.head()
        assert await browser.rest() == body


# --- flow ---


@pytest.mark.parametrize("way", ["down", "up"])
async def test_who_does_not_read_stops_who_writes(way: str) -> None:
    async with tunnel() as (_, browser, node, it):
        reader, writer = (browser, node) if way == "down" else (node, browser)
        reader.transport.pause_reading()
        data = frame(2, b"x" * 30_000_000)
        writer.send(data)
        before = -1
        while before != writer.transport.get_write_buffer_size():
            before = writer.transport.get_write_buffer_size()
            for _ in range(200):
                await asyncio.sleep(0)
        held = it.browser.transport.get_write_buffer_size() + it.upstream.transport.get_write_buffer_size()
        assert 0 < held <= HIGH_WATER + 2 * ONE_READ
        reader.transport.resume_reading()
        assert await reader.exactly(len(data)) == data


# --- who closes ---


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "away"), (1012, "restart"), (4003, "x"), (4999, "")])
@pytest.mark.parametrize("who", ["browser", "upstream"])
async def test_a_close_passes_with_code_and_reason(code: int, reason: str, who: str) -> None:
    async with tunnel() as (site, browser, node, _):
        first, second = (browser, node) if who == "browser" else (node, browser)
        said = close_frame(code, reason)
        first.send(said)
        assert await second.exactly(len(said)) == said
        second.send(said)
        await first.exactly(len(said))
        node.close()
        await browser.rest()
        record = await site.last()
        assert (record.close_code, record.closed_by, record.status) == (code, who, 101)


@pytest.mark.parametrize("who", ["browser", "upstream"])
async def test_an_end_is_passed_on_as_an_end_after_all_bytes(who: str) -> None:
    async with tunnel() as (site, browser, node, _):
        first, second = (browser, node) if who == "browser" else (node, browser)
        first.send(frame(TEXT, b"x" * 500_000))
        first.close()
        assert len(await second.rest()) == 500_010
        record = await site.last()
        assert (record.close_code, record.closed_by) == (1006, who)


@pytest.mark.parametrize("who", ["browser", "upstream"])
async def test_a_reset_is_passed_on_as_a_reset(who: str) -> None:
    async with tunnel() as (site, browser, node, _):
        first, second = (browser, node) if who == "browser" else (node, browser)
        first.reset()
        assert await second.was_reset()
        record = await site.last()
        assert (record.close_code, record.closed_by) == (1006, who)


@pytest.mark.parametrize("way", ["down", "up"])
async def test_an_end_that_nobody_reads_is_cut(way: str) -> None:
    async with tunnel(timeouts=times(write_stall=0.2)) as (site, browser, node, _):
        reader, writer = (browser, node) if way == "down" else (node, browser)
        reader.transport.pause_reading()
        writer.send(b"\x82\x7f" + (10**9).to_bytes(8, "big") + b"x" * 20_000_000)
        await eventually(lambda: site.listener.tunnels)
        writer.reset() if way == "up" else writer.close()
        reader.transport.resume_reading()
        await reader.was_reset()
        await eventually(lambda: not site.listener.tunnels)
        assert site.road.owner.closed_count == 1


async def test_a_socket_is_registered_once_and_unregistered_once() -> None:
    async with tunnel() as (site, browser, node, _):
        browser.reset()
        node.reset()
        await site.last()
        assert (site.road.owner.opened_count, site.road.owner.closed_count) == (1, 1)
        assert site.pool.open_count == 0
