"""A session ends while a message of 30 MB is on its way over its socket: whole or cut, but never a second too late."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from a_site import Site, farewell, greeting, site
from flows.wire import Wire, wire
from waiting import eventually

from qproxy.model import End
from qproxy.qliksim import Toggles

SIZE = 30_000_000
SECOND = 1.0
CUT_AFTER = 2.0
SLACK = 1.0
CLOSE = b"\x88\x08\x03\xe9logout"


@contextlib.asynccontextmanager
async def opened(qlik: Site, target: str) -> AsyncIterator[tuple[Wire, str]]:
    """A socket whose browser reads only what the test reads, and the session's id."""
    person = qlik.browser()
    await qlik.log_in(person)
    cookie = f"{qlik.server.vps['sales'].cookie_name}={qlik.cookie(person, qlik.server.vps['sales'].cookie_name)}"
    async with wire(qlik) as browser:
        answer = await browser.upgrade(f"/sales/app/{target}", f"Cookie: {cookie}", f"Origin: {qlik.origin}")
        assert answer.status == 101
        yield browser, cookie.partition("=")[2]


async def end(qlik: Site, session_id: str) -> None:
    await qlik.server.vps["sales"].end_session(session_id, End.LOGOUT)


async def exactly(browser: Wire, size: int) -> bytes:
    async with asyncio.timeout(10):
        return await browser.reader.readexactly(size)


async def rest(browser: Wire) -> bytes:
    """What still comes; a reset is an end like any other here."""
    with contextlib.suppress(ConnectionError):
        return await browser.ended()
    return b""


async def gone(qlik: Site) -> None:
    await eventually(lambda: qlik.server.listener.tunnels == 0)
    await eventually(lambda: not qlik.node.core.sockets_of("sales"))


def begun(size: int) -> bytes:
    """The head of a masked frame of that size; a key of zeros leaves the payload as it is."""
    return b"\x82\xff" + size.to_bytes(8, "big") + bytes(4)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_a_message_to_the_browser_arrives_whole_and_then_the_notice(tmp_path: Path, secure: bool) -> None:
    async with site(tmp_path, tls=secure) as qlik, opened(qlik, f"burst?count=1&bytes={SIZE}") as (browser, session_id):
        assert (await exactly(browser, 10))[1] == 127
        await end(qlik, session_id)
        message = await exactly(browser, SIZE)
        assert (message[:2], message[-1:]) == (b"0 ", b".")
        head = await exactly(browser, 4)
        notice = json.loads(await exactly(browser, int.from_bytes(head[2:], "big") if head[1] == 126 else head[1]))
        assert notice["method"] == "OnSessionLoggedOut"
        assert await exactly(browser, len(CLOSE)) == CLOSE
        await browser.send_frame(8, b"\x03\xe9")
        await gone(qlik)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_a_browser_that_does_not_read_its_message_is_cut(tmp_path: Path, secure: bool) -> None:
    async with site(tmp_path, tls=secure) as qlik, opened(qlik, f"burst?count=1&bytes={SIZE}") as (browser, session_id):
        await exactly(browser, 10)
        started = time.monotonic()
        await end(qlik, session_id)
        await gone(qlik)
        assert CUT_AFTER - 0.1 <= time.monotonic() - started < CUT_AFTER + SLACK
        assert CLOSE not in await rest(browser)


async def test_a_browser_in_the_middle_of_its_own_message_is_told_at_once(qlik: Site) -> None:
    async with opened(qlik, "echo") as (browser, session_id):
        await browser.send(begun(SIZE) + bytes(SIZE // 3))
        async with asyncio.timeout(SECOND):
            await end(qlik, session_id)
            assert b"OnSessionLoggedOut" in await browser.reader.readuntil(CLOSE)
        await browser.send(bytes(SIZE - SIZE // 3))
        await browser.send_frame(8, b"\x03\xe9")
        assert await rest(browser) == b""
        await gone(qlik)


async def test_a_browser_whose_message_qlik_does_not_read_is_told_and_cut(qlik: Site) -> None:
    async with opened(qlik, "slowreader") as (browser, session_id):
        browser.writer.write(begun(SIZE) + bytes(SIZE))
        await eventually(lambda: qlik.server.listener.tunnels == 1)
        started = time.monotonic()
        await end(qlik, session_id)
        assert b"OnSessionLoggedOut" in await browser.reader.readuntil(CLOSE)
        await eventually(lambda: qlik.server.listener.tunnels == 0)
        assert time.monotonic() - started < CUT_AFTER + SLACK


async def test_a_socket_with_compression_gets_a_notice_that_its_client_understands(tmp_path: Path) -> None:
    async with site(tmp_path, toggles=Toggles(deflate=True)) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with person.ws_connect(qlik.url("/sales/app/echo"), autoclose=False, compress=15) as ws:
            assert ws.compress == 15
            await ws.send_str("x" * 5000)
            assert await ws.receive_str() == "x" * 5000
            await end(qlik, qlik.cookie(person))
            assert await farewell(ws) == (["OnSessionLoggedOut"], 1001, "logout")


async def test_several_ends_of_one_session_are_one(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    session_id = qlik.cookie(person)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        await asyncio.gather(*(end(qlik, one) for one in (session_id, session_id, "nobody's", session_id)))
        assert await farewell(ws) == (["OnSessionLoggedOut"], 1001, "logout")
    assert (qlik.directory / "audit.log").read_text().count('"session_ended"') == 1
