"""The public port over TLS: what plain TCP can and TLS cannot (half-closing) must not be missed."""

import asyncio

import pytest
from forwarding.carriers import carrier
from forwarding.plane import both_loops, echo, plane, times
from forwarding.test_bodies import digest, some_bytes
from forwarding.test_pool import contexts
from forwarding.test_tunnel import accept, frames_of, masked
from forwarding.test_tunnel_end import FAREWELL, NOTICE
from forwarding.wire import Wire, get, post, upgrade
from waiting import eventually

from qproxy.forwarding.conduct import Answer

__all__ = ["carrier"]
pytestmark = [pytest.mark.asyncio(**both_loops), pytest.mark.usefixtures("carrier")]
SERVER, CLIENT = contexts("q.example")


async def test_requests_pass_over_tls() -> None:
    async with plane(digest, public_tls=SERVER) as site:
        wire = await site.wire(tls=CLIENT)
        replies = [await wire.ask(post(some_bytes(number, 1_000_000))) for number in range(3)]
        assert len({reply.body for reply in replies}) == 3


async def test_an_unsized_answer_to_an_old_browser_ends_properly_over_tls() -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500_000)
        wire.close()

    async with plane(script, public_tls=SERVER) as site:
        reply = await (await site.wire(tls=CLIENT)).ask(get(version="1.0"))
        assert len(reply.body) == 500_000


async def test_an_own_answer_to_a_large_upload_arrives_whole_over_tls() -> None:
    async with plane(public_tls=SERVER) as site:
        site.road.decision = lambda head, record: Answer(401, [], b"log in" * 1000)
        wire = await site.wire(tls=CLIENT)
        wire.send(post(b"x" * 4_000_000))
        await wire.writer.drain()
        assert (await wire.reply()).body == b"log in" * 1000


async def test_a_browser_that_does_not_read_its_last_answer_is_cut_over_tls() -> None:
    async with plane(public_tls=SERVER, timeouts=times(write_stall=0.2)) as site:
        site.road.decision = lambda head, record: Answer(200, [], b"x" * 20_000_000)
        wire = await site.wire(tls=CLIENT)
        wire.transport.pause_reading()
        wire.send(get("/", "Connection: close"))
        await site.last()
        await eventually(lambda: not site.listener.connections)
        assert site.records[0].failure is None


async def test_the_same_bytes_arrive_over_tls() -> None:
    data = frames_of(3, 2_000_000)
    async with plane(accept, public_tls=SERVER) as site:
        wire = await site.wire(tls=CLIENT)
        await wire.ask(upgrade())
        node = site.node.wires[0]
        node.send(data)
        wire.send(data)
        down, up = await asyncio.gather(wire.exactly(len(data)), node.exactly(len(data)))
        assert down == up == data


async def test_a_session_that_ends_is_told_over_tls() -> None:
    async with plane(accept, public_tls=SERVER) as site:
        wire = await site.wire(tls=CLIENT)
        await wire.ask(upgrade())
        site.road.owner.tunnels[0].end(NOTICE, 1001, "logged out")
        assert await wire.exactly(len(FAREWELL)) == FAREWELL
        wire.send(masked(b"\x03\xe9", opcode=8))
        assert await wire.rest() == b""


async def test_who_never_shakes_hands_is_closed() -> None:
    async with plane(public_tls=SERVER, timeouts=times(head=0.2)) as site:
        wire = await site.wire()
        assert await wire.was_reset() or wire.reader.at_eof()


async def test_who_speaks_plainly_to_the_tls_port_is_closed() -> None:
    async with plane(public_tls=SERVER) as site:
        wire = await site.wire()
        wire.send(get())
        assert b"HTTP/" not in await end_of(wire)


async def end_of(wire: Wire) -> bytes:
    try:
        return await wire.rest()
    except ConnectionResetError:
        return b""


async def test_both_sides_may_be_tls() -> None:
    async with plane(echo, tls=contexts("node.example"), public_tls=SERVER) as site:
        wire = await site.wire(tls=CLIENT)
        assert [(await wire.ask(get("/a"))).body for _ in range(3)] == [b"GET /a "] * 3
        assert site.pool.reused == 2
