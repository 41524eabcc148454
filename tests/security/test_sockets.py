"""Sockets and the session that they belong to."""

import asyncio
import contextlib
from pathlib import Path

from hostile.wire import Upstream, connected
from security.behind import SWITCH, UPGRADE, ended, scripted
from waiting import eventually


async def test_sockets_that_were_opened_at_once_all_end_with_their_session(tmp_path: Path) -> None:
    held: list[asyncio.StreamWriter] = []

    def hold(_: Upstream, __: bytes, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    async with scripted(tmp_path) as qlik, contextlib.AsyncExitStack() as stack:
        cookie = await qlik.login()
        qlik.upstream.scripts["/sales/app/x"] = hold
        browsers = [await stack.enter_async_context(connected(qlik.port)) for _ in range(3)]
        for browser in browsers:
            browser.send(qlik.request("GET /sales/app/x", cookie, f"Origin: {qlik.site.origin}", *UPGRADE))
        await eventually(lambda: len(held) == 3)
        for writer in held:
            writer.write(SWITCH)
        heads = [await browser.reader.readuntil(b"\r\n\r\n") for browser in browsers]
        assert all(head.startswith(b"HTTP/1.1 101") for head in heads)
        await eventually(lambda: qlik.site.server.listener.tunnels == 3)
        await qlik.log_out(cookie)
        assert all([b"OnSessionClosed" in await ended(browser) for browser in browsers])
