"""A session ends while its socket is open: the browser is told where a message may begin, never within one."""

import asyncio
import socket
import sys

import pytest
from forwarding.plane import Plane, both_loops, times
from forwarding.test_tunnel import masked, tunnel
from forwarding.wire import Wire
from waiting import eventually

from qproxy.forwarding import sockets
from qproxy.forwarding.frames import TEXT, close_frame, frame
from qproxy.forwarding.pool import Pool

pytestmark = pytest.mark.asyncio(**both_loops)
NOTICE = '{"method":"OnSessionLoggedOut"}'
FAREWELL = frame(TEXT, NOTICE.encode()) + close_frame(1001, "logged out")


async def test_the_browser_is_told_and_the_node_closed() -> None:
    async with tunnel() as (site, browser, node, it):
        it.end(NOTICE, 1001, "logged out")
        assert await browser.exactly(len(FAREWELL)) == FAREWELL
        assert await node.rest() == b""
        browser.send(masked(b"\x03\xe9", opcode=8))
        assert await browser.rest() == b""
        record = await site.last()
        assert (record.closed_by, record.close_code) == ("qproxy", 1001)


async def test_a_socket_may_be_closed_without_words() -> None:
    async with tunnel() as (_, browser, _, it):
        it.end("", 1001)
        assert await browser.exactly(4) == close_frame(1001)


PARTS = {
    "a fragmented message": (b"\x01\x03abc" + frame(9, b"ping"), b"\x80\x03def"),
    "a frame": (b"\x82\x7e\x10\x00" + b"x" * 1000, b"x" * 3096),
    "a frame's head": (b"\x82\x7e", b"\x00\x05hello"),
    "a huge frame": (b"\x82\x7f" + (30_000_000).to_bytes(8, "big") + b"x" * 10_000_000, b"x" * 20_000_000),
}


@pytest.mark.parametrize(("begun", "rest"), PARTS.values(), ids=PARTS)
async def test_a_message_on_its_way_is_completed_first(begun: bytes, rest: bytes) -> None:
    async with tunnel() as (_, browser, node, it):
        node.send(begun)
        await browser.exactly(len(begun))
        it.end(NOTICE, 1001, "logged out", wait=5)
        node.send(rest)
        assert await browser.exactly(len(rest) + len(FAREWELL)) == rest + FAREWELL


@pytest.mark.parametrize(("begun", "rest"), PARTS.values(), ids=PARTS)
async def test_a_message_that_is_not_completed_in_time_is_cut(begun: bytes, rest: bytes) -> None:
    async with tunnel() as (site, browser, node, it):
        node.send(begun)
        await browser.exactly(len(begun))
        it.end(NOTICE, 1001, wait=0.05)
        assert await browser.rest() == b""
        await eventually(lambda: not site.listener.tunnels)


async def test_nothing_of_the_browser_passes_any_more() -> None:
    async with tunnel() as (_, browser, node, it):
        node.send(b"\x82\x05hel")
        await browser.exactly(5)
        it.end(NOTICE, 1001, wait=5)
        browser.send(masked(b"too late"))
        node.send(b"lo")
        await browser.exactly(2 + len(frame(TEXT, NOTICE.encode())))
        assert await node.rest() == b""


async def test_a_browser_that_does_not_close_is_cut() -> None:
    async with tunnel() as (site, _, _, it):
        it.end(NOTICE, 1001, wait=0.05)
        await eventually(lambda: not site.listener.tunnels)
        assert site.road.owner.closed_count == 1


async def test_a_browser_that_does_not_read_is_cut() -> None:
    async with tunnel() as (site, browser, node, it):
        browser.transport.pause_reading()
        await fill(node)
        it.end(NOTICE, 1001, wait=0.05)
        await eventually(lambda: not site.listener.tunnels)
        assert site.pool.open_count == 0


async def fill(wire: Wire) -> None:
    wire.send(b"\x82\x7f" + (10**9).to_bytes(8, "big"))
    wire.transport.set_write_buffer_limits(0)
    try:
        async with asyncio.timeout(0.3):
            while True:
                wire.send(b"x" * 65536)
                await wire.writer.drain()
    except TimeoutError:
        return


async def test_a_node_that_does_not_read_is_cut() -> None:
    async with tunnel() as (site, browser, node, it):
        node.transport.pause_reading()
        await fill(browser)
        it.end(NOTICE, 1001, wait=0.05)
        await eventually(lambda: not site.listener.tunnels)
        assert site.road.owner.closed_count == 1


async def test_an_end_is_said_once() -> None:
    async with tunnel() as (site, browser, _, it):
        it.end(NOTICE, 1001, "logged out")
        it.end(NOTICE, 1001, "logged out")
        browser.send(masked(b"\x03\xe9", opcode=8))
        assert await browser.rest() == FAREWELL
        await site.last()
        it.end(NOTICE, 1001)


async def test_a_browser_that_was_closing_is_answered_and_let_go() -> None:
    async with tunnel() as (_, browser, node, it):
        browser.send(masked(b"\x03\xe8", opcode=8))
        await node.exactly(8)
        it.end(NOTICE, 1001, "logged out", wait=5)
        assert await browser.rest() == FAREWELL


async def test_no_message_follows_the_close_of_the_node() -> None:
    async with tunnel() as (_, browser, node, it):
        node.send(close_frame(1000))
        await browser.exactly(4)
        it.end(NOTICE, 1001)
        browser.send(masked(b"\x03\xe8", opcode=8))
        assert await browser.rest() == b""


# --- silence ---


async def test_a_silent_socket_stays_open_for_ever() -> None:
    async with tunnel(timeouts=times(head=0.08, keep_alive=0.08, body_stall=0.08, response_stall=0.08)) as opened:
        site, browser, node, _ = opened
        await swept(site, 10)
        node.send(frame(TEXT, b"still here"))
        assert await browser.exactly(12) == frame(TEXT, b"still here")


class Beats(Pool):
    """Counts how often the listener's sweep comes by."""

    count = 0

    def sweep(self, now: float) -> None:
        self.count += 1


async def swept(site: Plane, count: int) -> None:
    beats = Beats([])
    site.listener._pools.append(beats)
    await eventually(lambda: beats.count >= count)
    site.listener._pools.remove(beats)


async def test_a_silent_socket_is_closed_where_that_is_wanted() -> None:
    async with tunnel(timeouts=times(websocket_idle=0.2)) as (_, browser, _, _):
        assert await browser.exactly(8) == close_frame(1001, "idle")


async def test_messages_keep_a_socket_open_where_silence_closes() -> None:
    async with tunnel(timeouts=times(websocket_idle=0.3)) as (site, browser, node, _):
        for _ in range(8):
            node.send(frame(TEXT, b"tick"))
            assert await browser.exactly(6) == frame(TEXT, b"tick")
            await swept(site, 2)


async def test_the_system_watches_both_sides_of_a_silent_socket() -> None:
    async with tunnel() as (_, _, _, it):
        for end in (it.browser, it.upstream):
            sock = end.transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == sockets.KEEPALIVE_IDLE
            if sys.platform == "linux":
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == sockets.USER_TIMEOUT_MS
