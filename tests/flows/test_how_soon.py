"""How soon an end is felt: 200 sessions, each with a socket, end one after the other. The figures are printed (-s)."""

import asyncio
import contextlib
import statistics
import sys
import time
from pathlib import Path

import aiohttp
from a_site import APP, Site, farewell, greeting, site

from qproxy.model import Attributes, Session, User

SESSIONS = 200
COOKIE = "X-Qlik-Session-sales-HTTP"
SECOND = 1.0


async def sessions(qlik: Site) -> list[Session]:
    """Each of a person of its own."""
    vp = qlik.server.vps["sales"]
    made = [vp.open_session(User("SALES", f"p{number}"), Attributes(), False) for number in range(SESSIONS)]
    return [await session for session in made]


async def socket_of(qlik: Site, stack: contextlib.AsyncExitStack, session: Session) -> aiohttp.ClientWebSocketResponse:
    person = qlik.browser()
    cookie = {"Cookie": f"{COOKIE}={session.id}"}
    async with person.get("/sales/qps/csrftoken", headers=cookie) as answer:
        token = answer.headers["qlik-csrf-token"]
    url = qlik.url(f"/sales/app/{APP}?qlik-csrf-token={token}")
    ws = await stack.enter_async_context(person.ws_connect(url, headers=cookie, autoclose=False, autoping=False))
    await greeting(ws)
    return ws


async def ended(
    qlik: Site, caller: aiohttp.ClientSession, ws: aiohttp.ClientWebSocketResponse, session: Session
) -> tuple[float, float]:
    """Qlik's proxy service tells of the end; seconds until the id is refused, and until its socket is closed."""
    started = time.perf_counter()
    url = f"{qlik.internal}/session-module/sales/session/{session.id}"
    async with caller.delete(url) as answer:
        assert answer.status == 200
    headers = {"Cookie": f"{COOKIE}={session.id}", "Accept": "text/html"}
    assert await qlik.status(caller, "/sales/hub/", headers=headers) == 302
    refused = time.perf_counter() - started
    assert (await farewell(ws))[:2] == (["OnSessionClosed"], 1001)
    return refused, time.perf_counter() - started


def say(figures: str) -> None:
    sys.stdout.write(f"\n{figures}\n")


def told(what: str, seconds: list[float]) -> str:
    return f"{what}: median {statistics.median(seconds) * 1000:.1f} ms, worst {max(seconds) * 1000:.1f} ms"


async def test_an_end_is_felt_by_requests_and_sockets_within_a_second(qlik: Site) -> None:
    async with contextlib.AsyncExitStack() as stack:
        caller = await stack.enter_async_context(aiohttp.ClientSession())
        living = await sessions(qlik)
        sockets = [await socket_of(qlik, stack, session) for session in living]
        assert qlik.server.listener.tunnels == SESSIONS
        pairs = zip(sockets, living, strict=True)
        figures = [await ended(qlik, caller, ws, session) for ws, session in pairs]
    refused, closed = map(list, zip(*figures, strict=True))
    say(f"{SESSIONS} ends, one worker: {told('refused', refused)}; {told('socket closed', closed)}")
    assert max(closed) < SECOND


async def test_the_end_of_all_at_once_is_felt_soon(tmp_path: Path) -> None:
    async with site(tmp_path, qlik={"inactivity_s": 86400}) as qlik, contextlib.AsyncExitStack() as stack:
        sockets = [await socket_of(qlik, stack, session) for session in await sessions(qlik)]
        started = time.perf_counter()
        qlik.clock.now += 30 * 60
        took = await asyncio.gather(*(closing(ws, started) for ws in sockets))
    say(f"{SESSIONS} idle at once, one worker: {told('socket closed', list(took))}")
    assert max(took) < 2 * SECOND  # this process is also the 200 browsers and Qlik


async def closing(ws: aiohttp.ClientWebSocketResponse, started: float) -> float:
    assert (await farewell(ws))[:2] == (["OnSessionTimedOut"], 1001)
    return time.perf_counter() - started
