"""When a session is over by time: what counts as a sign of life, how soon its sockets learn of the end, and that two
clocks, qproxy's and Qlik's, lead to one login and never to a loop."""

import asyncio
from pathlib import Path

import aiohttp
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


# --- two clocks ---


async def visit(qlik: Site, person: aiohttp.ClientSession) -> int:
    return await qlik.status(person, "/sales/hub/?x=1")


async def asked(qlik: Site) -> list[tuple[str, int | None]]:
    return [(entry.method, entry.status) for entry in qlik.node.journal("module")]


async def runs_out_in_qlik(qlik: Site, seconds: float) -> None:
    """Time passes for the node and for qproxy; the node has told everybody when this returns."""
    qlik.clock.now += seconds
    await qlik.node.sweep()


QLIK_FIRST: dict[str, object] = {"inactivity_s": 300}


async def timed_out_in_qlik(qlik: Site) -> aiohttp.ClientSession:
    """Somebody whose session has just run out in Qlik, which the open socket was told."""
    person = qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        await runs_out_in_qlik(qlik, 301)
        assert (await farewell(ws))[:2] == TIMED_OUT
    return person


async def test_what_runs_out_in_qlik_first_ends_here_too_and_one_login_leads_back(tmp_path: Path) -> None:
    async with site(tmp_path, vp=SHORT, qlik=QLIK_FIRST) as qlik:
        person = await timed_out_in_qlik(qlik)
        first = qlik.cookie(person)
        assert await qlik.log_in(person, "/sales/hub/?x=1") == f"{qlik.origin}/sales/hub/?x=1"
        assert await visit(qlik, person) == 200
        assert qlik.cookie(person) != first


async def test_what_runs_out_in_qlik_first_goes_on_where_that_is_wanted(tmp_path: Path) -> None:
    async with site(tmp_path, vp="lifetime: {idle: 10m, qlik_timeout: keep}", qlik=QLIK_FIRST) as qlik:
        person = await timed_out_in_qlik(qlik)
        ours = qlik.cookie(person)
        assert qlik.node.sessions("sales") == []
        assert await visit(qlik, person) == 200
        async with qlik.engine(person) as ws:
            assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=ann"
        assert qlik.cookie(person) == ours
        assert await asked(qlik) == [("GET", 200), ("DELETE", 200), ("GET", 200)]
        assert (qlik.directory / "audit.log").read_text().count('"session_kept"') == 1


async def test_where_sessions_go_on_a_delete_of_one_in_use_still_ends_it(tmp_path: Path) -> None:
    async with site(tmp_path, vp="lifetime: {qlik_timeout: keep}") as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        assert await visit(qlik, person) == 200
        qlik.clock.now += 59
        await qlik.node.expire("sales", qlik.cookie(person))
        assert await visit(qlik, person) == 302


async def test_where_sessions_go_on_their_own_idle_time_still_ends_them(tmp_path: Path) -> None:
    async with site(tmp_path, vp="lifetime: {idle: 10m, qlik_timeout: keep}", qlik=QLIK_FIRST) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        await visit(qlik, person)
        await runs_out_in_qlik(qlik, 301)
        await runs_out_in_qlik(qlik, 300)
        assert await visit(qlik, person) == 302


async def test_what_runs_out_here_first_leads_to_one_login_and_back(tmp_path: Path) -> None:
    async with site(tmp_path, vp=SHORT) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with qlik.engine(person) as ws:
            await greeting(ws)
            await runs_out_in_qlik(qlik, IDLE)
            assert await farewell(ws) == (*TIMED_OUT, "idle")
        first = qlik.cookie(person)
        assert [session.id for session in qlik.node.sessions("sales")] == [first]  # Qlik still remembers it
        assert await qlik.log_in(person, "/sales/hub/?x=1") == f"{qlik.origin}/sales/hub/?x=1"
        assert await visit(qlik, person) == 200
        await runs_out_in_qlik(qlik, 0)
        await qlik.node.expire("sales", first)  # later it forgets the old one, and says so
        assert await visit(qlik, person) == 200
