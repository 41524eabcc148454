"""Browsers that send and never read, or send next to nothing: what one of them may cost."""

import asyncio
import contextlib
import dataclasses
import re
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from a_site import site
from hostile.test_live import get, port_of
from hostile.wire import Bare, ask, bare, connected
from waiting import eventually


def unread(bare_site: Bare) -> int:
    """Bytes that qproxy holds for browsers that do not read."""
    return sum(one.transport.get_write_buffer_size() for one in bare_site.server.listener._connections)


@contextlib.contextmanager
def deaf(port: int) -> Iterator[socket.socket]:
    """A browser that never reads, and whose system takes little for it."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect(("127.0.0.1", port))
        yield sock


async def send_for(sock: socket.socket, data: bytes, total: int, patience: float = 0.5) -> int:
    """Send `data` again and again, until `total` bytes are out or the other side takes no more for a while."""
    loop = asyncio.get_running_loop()
    sent = 0
    with contextlib.suppress(TimeoutError, ConnectionError):
        while sent < total:
            async with asyncio.timeout(patience):
                await loop.sock_sendall(sock, data)
            sent += len(data)
    return sent


async def test_answers_that_nobody_reads_do_not_pile_up(tmp_path: Path) -> None:
    async with bare(tmp_path) as bare_site:
        with deaf(bare_site.port) as sock:
            requests = bare_site.request("/nowhere", "Accept: text/html") * 500
            await send_for(sock, requests, 6_000_000)
            assert unread(bare_site) < 1_000_000


async def test_requests_that_wait_for_an_answer_do_not_pile_up(tmp_path: Path) -> None:
    async with bare(tmp_path) as bare_site, connected(bare_site.port) as browser:
        bare_site.upstream.scripts["/sales/slow"] = b""
        browser.send(bare_site.request("/sales/slow"))
        await eventually(lambda: bare_site.upstream.seen)
        raw = browser.writer.get_extra_info("socket").dup()
        with raw:
            raw.setblocking(False)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # its end must be seen at once
            sent = await send_for(raw, bare_site.request("/sales/next") * 500, 60_000_000)
        assert sent < 60_000_000
        assert held(bare_site) < 1_000_000


def held(bare_site: Bare) -> int:
    return sum(len(one._buffer) for one in bare_site.server.listener._connections)


@pytest.mark.parametrize("framing", ["Content-Length: 60000000", "Transfer-Encoding: chunked"])
async def test_an_upload_that_qlik_does_not_read_does_not_pile_up(tmp_path: Path, framing: str) -> None:
    async with bare(tmp_path) as bare_site:
        with socket.create_server(("127.0.0.1", 0)) as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            member = bare_site.server.vps["sales"].pool.members[0]
            member.node = dataclasses.replace(member.node, port=stalled.getsockname()[1])
            with deaf(bare_site.port) as sock:
                head = bare_site.request("/sales/up", framing, method="POST")
                piece = b"ffff\r\n" + b"x" * 65535 + b"\r\n"
                await send_for(sock, head + piece * 5, 1)
                assert await send_for(sock, piece, 60_000_000) < 60_000_000
                assert unsent(bare_site) < 1_000_000


def unsent(bare_site: Bare) -> int:
    """Bytes that qproxy holds for a Qlik that does not read."""
    exchanges = [one._exchange for one in bare_site.server.listener._connections]
    ends = [exchange.upstream for exchange in exchanges if exchange is not None]
    return sum(end.transport.get_write_buffer_size() for end in ends if end is not None)


async def test_a_download_that_nobody_reads_does_not_pile_up(tmp_path: Path) -> None:
    async with bare(tmp_path) as bare_site:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n" + b"x" * 60_000_000
        bare_site.upstream.scripts["/sales/down"] = answer
        with deaf(bare_site.port) as sock:
            await send_for(sock, bare_site.request("/sales/down"), 1)
            await eventually(lambda: unread(bare_site))
            assert unread(bare_site) < 1_000_000
            assert bare_site.upstream.writers[-1].transport.get_write_buffer_size() > 40_000_000


async def test_what_follows_an_own_page_is_not_answered_on_its_connection(tmp_path: Path) -> None:
    """aiohttp would read it, and believe what only qproxy may say of the caller."""
    async with site(tmp_path, vp="anonymous: allow") as opened, connected(port_of(opened)) as browser:
        own = get(opened, "Accept: text/html").replace(b"/sales/x", b"/qproxy/login/sales")
        forged = get(opened, "X-Qproxy-Client: 6.6.6.6").replace(b"/sales/x", b"/qproxy/login/sales")
        browser.send(own + forged + get(opened))
        reply = await browser.last_reply()
        assert reply.closed
        assert opened.node.journal("http") == []
        assert "6.6.6.6" not in (tmp_path / "access.log").read_text("utf-8")


async def test_empty_lines_cost_next_to_nothing(tmp_path: Path) -> None:
    async with bare(tmp_path) as bare_site, connected(bare_site.port) as browser:
        before = time.process_time()
        browser.send(b"\r\n" * 500_000 + bare_site.request("/sales/x"))
        reply = await browser.reply()
        assert reply.status in (200, 400, 431)
        assert time.process_time() - before < 3.0


async def test_left_over_bytes_never_answer_the_next_request(tmp_path: Path) -> None:
    """They lie in the system's buffer when the next request takes the connection: both are seen in one round."""
    async with bare(tmp_path) as bare_site, connected(bare_site.port) as browser:
        browser.send(bare_site.request("/sales/first"))
        await browser.reply()
        await eventually(lambda: bare_site.server.vps["sales"].pool.resting == 1)
        send_now(browser.writer, bare_site.request("/sales/second"))
        send_now(bare_site.upstream.writers[-1], b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSECRET")
        reply = await browser.reply()
        assert reply.body == b"the answer to /sales/second"


def send_now(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Into the system's buffer, before the loop looks at anything again."""
    with socket.socket(fileno=socket.dup(writer.get_extra_info("socket").fileno())) as sock:
        sock.send(data)


async def test_the_id_on_a_page_is_the_one_in_the_log(tmp_path: Path) -> None:
    async with site(tmp_path) as opened:
        reply = await ask(port_of(opened), get(opened, "Accept: application/json"))
    shown = re.search(rb'"requestId": ?"([^"]+)"', reply.body)
    assert shown is not None
    assert shown[1].decode() in (tmp_path / "access.log").read_text("utf-8")
