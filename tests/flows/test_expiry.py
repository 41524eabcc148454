"""When a session is over by time: what counts as a sign of life, how soon its sockets learn of the end, and that two
clocks, qproxy's and Qlik's, lead to one login and never to a loop."""

import asyncio
from pathlib import Path

import pytest
from a_site import Site, call, farewell, greeting, site

from qproxy.qliksim import Toggles

SECOND = 1.0
IDLE, ABSOLUTE = 600, 3600
SHORT = "lifetime: {idle: 10m, absolute: 1h}"
TIMED_OUT = (["OnSessionTimedOut"], 1001)


async def seen(qlik: Site, session_id: str) -> float:
    session = await qlik.server.sessions.find("sales", session_id)
    assert session is not None
    return session.last_seen


# --- what counts ---


async def test_a_message_just_before_the_end_keeps_the_session_alive(tmp_path: Path) -> None:
    async with site(tmp_path, vp=SHORT) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with qlik.engine(person) as ws:
            qlik.clock.now += IDLE - 0.1
            await call(ws, "EngineVersion")
            qlik.clock.now += 0.2
            assert await qlik.status(person, "/sales/hub/") == 200


async def test_last_seen_is_the_time_of_the_message(tmp_path: Path) -> None:
    async with site(tmp_path, vp=SHORT) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with qlik.engine(person) as ws:
            qlik.clock.now += 100
            await call(ws, "EngineVersion")
            said_at = qlik.clock.now
            qlik.clock.now += 100
            assert await seen(qlik, qlik.cookie(person)) == said_at


async def test_what_qlik_sends_is_no_sign_of_life_of_the_person(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        before = await seen(qlik, qlik.cookie(person))
        qlik.clock.now += 100
        for socket in qlik.node.core.sockets_of("sales"):
            await socket.send('{"jsonrpc":"2.0","method":"OnChanged"}')  # type: ignore[attr-defined]
        await ws.receive_str()
        assert await seen(qlik, qlik.cookie(person)) == before


async def test_pings_of_a_browser_are_no_sign_of_life(tmp_path: Path) -> None:
    async with site(tmp_path, toggles=Toggles(ping_poison=False, pong=True)) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with qlik.engine(person) as ws:
            await greeting(ws)
            before = await seen(qlik, qlik.cookie(person))
            qlik.clock.now += 100
            await ws.ping()
            await ws.receive()
            assert await seen(qlik, qlik.cookie(person)) == before


async def test_an_idle_time_of_two_seconds_is_kept_to_by_requests_and_messages(tmp_path: Path) -> None:
    async with site(tmp_path, vp="lifetime: {idle: 2s}") as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with qlik.engine(person) as ws:
            for _ in range(4):
                qlik.clock.now += 1.9
                await call(ws, "EngineVersion")
                qlik.clock.now += 0.5
                assert await qlik.status(person, "/sales/echo") == 200
            qlik.clock.now += 2
            assert await farewell(ws) == (*TIMED_OUT, "idle")
        assert await qlik.status(person, "/sales/hub/") == 302


# --- how soon ---


@pytest.mark.parametrize(("passes", "why"), [(IDLE, "idle"), (ABSOLUTE, "absolute")])
async def test_sockets_of_a_session_that_is_over_close_within_a_second(tmp_path: Path, passes: float, why: str) -> None:
    async with site(tmp_path, vp=SHORT, qlik={"inactivity_s": 86400}) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with qlik.engine(person) as first, qlik.engine(person) as second:
            await greeting(first)
            await greeting(second)
            qlik.clock.now += passes
            async with asyncio.timeout(SECOND):
                assert [await farewell(ws) for ws in (first, second)] == [(*TIMED_OUT, why)] * 2


async def test_however_busy_a_socket_is_the_absolute_end_closes_it(tmp_path: Path) -> None:
    async with site(tmp_path, vp=SHORT) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with qlik.engine(person) as ws:
            for _ in range(7):
                await call(ws, "EngineVersion")
                qlik.clock.now += 8 * 60
            await call(ws, "EngineVersion")
            qlik.clock.now += 4 * 60
            assert await farewell(ws) == (*TIMED_OUT, "absolute")
