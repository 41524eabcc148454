"""Every wait has an end of its own, and the failure names the side that was waited for."""

import asyncio
import time
from typing import cast

import pytest
from forwarding.plane import Plane, both_loops, plane, times
from forwarding.wire import Wire, get, ok, post
from waiting import eventually

from qproxy.errors import Failure
from qproxy.forwarding.conduct import HandOver

pytestmark = pytest.mark.asyncio(**both_loops)
SHORT = 0.2
SOON = 2.0


async def quiet(wire: Wire) -> None:
    """Reads a request and says nothing."""
    await wire.request()


async def half(wire: Wire) -> None:
    await wire.request()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


async def drip(site: Plane, wire: Wire, data: bytes) -> None:
    """A byte now and then, for as long as anybody listens."""
    for byte in data:
        if wire.reader.at_eof() or wire.transport.is_closing():
            return
        wire.send(bytes([byte]))
        await moments(0.02)


async def moments(seconds: float) -> None:
    """What a test of time limits cannot do without: time."""
    end = time.monotonic() + seconds
    await eventually(lambda: time.monotonic() > end)


async def test_a_head_that_drips_in_is_given_up_at_its_deadline() -> None:
    async with plane(timeouts=times(head=SHORT)) as site:
        wire = await site.wire()
        dripping = asyncio.create_task(drip(site, wire, get("/", "X: " + "x" * 10_000)))
        before = time.monotonic()
        reply = await wire.reply()
        assert (reply.status, reply.named(b"x-failure")) == (408, b"head_timeout")
        assert SHORT <= time.monotonic() - before < SOON
        await wire.rest()
        await dripping


async def test_the_second_head_has_its_own_deadline() -> None:
    async with plane(timeouts=times(head=SHORT)) as site:
        wire = await site.wire()
        await wire.ask(get())
        wire.send(b"GET / HT")
        assert (await wire.reply()).status == 408


async def test_a_connection_that_says_nothing_is_closed_without_words() -> None:
    async with plane(timeouts=times(head=SHORT)) as site:
        assert await (await site.wire()).rest() == b""


async def test_an_idle_connection_is_closed_without_words() -> None:
    async with plane(timeouts=times(keep_alive=SHORT)) as site:
        wire = await site.wire()
        await wire.ask(get())
        assert await wire.rest() == b""
        assert [record.failure for record in site.records] == [None]


async def test_a_body_that_stops_is_given_up() -> None:
    async with plane(timeouts=times(body_stall=SHORT)) as site:
        wire = await site.wire()
        wire.send(post(b"x" * 100)[:-50])
        reply = await wire.reply()
        assert (reply.status, reply.named(b"x-failure")) == (408, b"body_timeout")
        await eventually(lambda: not site.pool.open_count)


async def test_a_body_that_drips_in_is_waited_for() -> None:
    async with plane(timeouts=times(body_stall=SHORT)) as site:
        wire = await site.wire()
        wire.send(get("/", "Content-Length: 30", method="POST"))
        await drip(site, wire, b"x" * 30)
        assert (await wire.reply()).status == 200


async def test_a_browser_that_waits_for_leave_to_send_is_not_to_blame() -> None:
    async with plane(quiet, timeouts=times(body_stall=0.08, first_byte=SHORT)) as site:
        wire = await site.wire()
        reply = await wire.ask(get("/", "Content-Length: 30", "Expect: 100-continue", method="POST"))
        assert reply.named(b"x-failure") == b"upstream_timeout"


async def test_a_browser_that_was_given_leave_to_send_is_to_blame() -> None:
    async def script(wire: Wire) -> None:
        await wire.head()
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    async with plane(script, timeouts=times(body_stall=SHORT)) as site:
        wire = await site.wire()
        reply = await wire.ask(get("/", "Content-Length: 30", "Expect: 100-continue", method="POST"))
        assert reply.named(b"x-failure") == b"body_timeout"


async def test_an_answer_that_does_not_begin_is_given_up() -> None:
    async with plane(quiet, timeouts=times(first_byte=SHORT)) as site:
        wire = await site.wire()
        reply = await wire.ask(get())
        assert (reply.status, reply.named(b"x-failure")) == (504, b"upstream_timeout")
        await eventually(lambda: not site.pool.open_count)


async def test_an_answer_that_does_not_go_on_is_broken_off() -> None:
    async with plane(half, timeouts=times(response_stall=SHORT)) as site:
        wire = await site.wire()
        with pytest.raises(asyncio.IncompleteReadError):
            await wire.ask(get())
        assert (await site.last()).failure is Failure.UPSTREAM_STALLED


async def test_an_answer_that_drips_in_is_waited_for() -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await drip(site, wire, ok(b"x" * 20))

    async with plane(script, timeouts=times(response_stall=SHORT)) as site:
        assert (await (await site.wire()).ask(get())).body == b"x" * 20


async def flood(wire: Wire) -> None:
    await wire.request()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100_000_000)


async def test_a_browser_that_stops_reading_is_given_up() -> None:
    async with plane(flood, timeouts=times(write_stall=SHORT)) as site:
        wire = await site.wire()
        wire.send(get())
        await wire.exactly(1000)
        wire.transport.pause_reading()
        assert (await site.last()).failure is Failure.BROWSER_STALLED
        await eventually(lambda: not site.pool.open_count)


async def test_a_browser_that_reads_slowly_is_not_given_up() -> None:
    async with plane(flood, timeouts=times(write_stall=0.4)) as site:
        wire = await site.wire()
        wire.send(get())
        end = time.monotonic() + 1.2
        while time.monotonic() < end:
            await wire.exactly(2_000_000)
            await drip(site, wire, b"\r\n" * 4)
        assert site.records == []


async def test_a_node_that_stops_reading_is_given_up() -> None:
    async def script(wire: Wire) -> None:
        wire.transport.pause_reading()

    async with plane(script, timeouts=times(first_byte=SHORT, body_stall=60)) as site:
        wire = await site.wire()
        wire.send(post(b"x" * 30_000_000))
        assert (await wire.reply()).named(b"x-failure") == b"upstream_timeout"


class Silent(asyncio.Protocol):
    """An own page that never answers."""


async def test_a_connection_with_the_own_pages_is_not_for_ever() -> None:
    async with plane(timeouts=times(body_stall=SHORT)) as site:
        site.road.decision = lambda head, record: HandOver(b"GET / HTTP/1.1\r\n\r\n")
        site.road.page = Silent
        wire = await site.wire()
        wire.send(get("/qproxy/login"))
        assert await wire.rest() == b""


async def test_a_page_that_nobody_reads_is_not_for_ever() -> None:
    class Talkative(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            cast(asyncio.Transport, transport).write(b"x" * 30_000_000)

    async with plane(timeouts=times(body_stall=SHORT, write_stall=SHORT)) as site:
        site.road.decision = lambda head, record: HandOver(b"GET / HTTP/1.1\r\n\r\n")
        site.road.page = Talkative
        wire = await site.wire()
        wire.transport.pause_reading()
        wire.send(get("/qproxy/login"))
        await eventually(lambda: site.listener.connections == 1 and site.road.handed)
        await eventually(lambda: not site.listener.connections)
        assert not wire.reader.at_eof()
