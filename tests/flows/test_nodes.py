"""Several Qlik nodes behind one virtual proxy: people stay with theirs, and move without a login when it is gone."""

import asyncio
import contextlib
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from a_site import APP, Site, call, farewell, greeting, site
from flows.wire import wire
from waiting import eventually

from qproxy.checks import readiness
from qproxy.forwarding.node import Node
from qproxy.qliksim.recorded import Entry

COOKIE = "X-Qlik-Session-sales-HTTP"
PROGRAM = {"Accept": "application/json"}
MANY = "lifetime: {most_sessions: never}"
QUICK = MANY + "\nhealth: {interval: 0.05, timeout: 1, unhealthy_after: 2, healthy_after: 2, slow_start: 1}"
_numbers = itertools.count()


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Site]:
    """Two nodes, one session module; checks as an administrator would have them."""
    async with site(tmp_path, nodes=2, vp=MANY) as built:
        yield built


async def person_in(qlik: Site) -> aiohttp.ClientSession:
    person = qlik.browser()
    await qlik.log_in(person)
    return person


async def served_by(qlik: Site, person: aiohttp.ClientSession, method: str = "GET") -> int:
    """Sends a request; the number of the node that answered it."""
    target = f"/sales/echo?n={next(_numbers)}"
    assert await qlik.status(person, target, method=method) == 200
    return next(number for number, node in enumerate(qlik.nodes) if target in targets(node.journal("http")))


def targets(entries: list[Entry]) -> list[str]:
    return [entry.target for entry in entries]


def logins(qlik: Site) -> int:
    """How often somebody logged in, as the audit log has it."""
    lines = map(json.loads, (qlik.directory / "audit.log").read_text().splitlines())
    return sum(line["event"] == "login" for line in lines)


async def who(ws: aiohttp.ClientWebSocketResponse) -> str:
    return str((await call(ws, "GetAuthenticatedUser"))["qReturn"])


# --- each person has a node ---


async def test_all_requests_of_a_session_go_to_one_node(two: Site) -> None:
    person = await person_in(two)
    methods = ["GET", "POST"] * 10
    assert len({await served_by(two, person, method) for method in methods}) == 1


async def test_people_are_spread_over_the_nodes(two: Site) -> None:
    nodes = [await served_by(two, await person_in(two)) for _ in range(20)]
    assert set(nodes) == {0, 1}


async def test_a_socket_goes_where_the_requests_of_its_session_go(two: Site) -> None:
    person = await person_in(two)
    home = await served_by(two, person)
    async with two.engine(person) as ws:
        await greeting(ws)
        assert [len(node.journal("ws")) for node in two.nodes] == [home == 0, home == 1]


# --- S10: one session module for both ---


async def test_the_session_module_answers_both_nodes_for_the_same_session(two: Site) -> None:
    person = await person_in(two)
    home = await served_by(two, person)
    await two.nodes[home].stop_listening()
    assert await served_by(two, person) == 1 - home
    asked = [targets(node.journal("module")) for node in two.nodes]
    assert asked[0] == asked[1] == [f"{two.internal}/session-module/sales/session/{two.cookie(person)}"]


async def test_script_s10_plays_against_qproxys_session_module(two: Site) -> None:
    session = two.cookie(await person_in(two))
    entries = await two.node.run_script("S10", vp="sales", session_id=session)
    assert [entry.status for entry in entries][:2] == [200, 200]


async def test_sockets_of_a_node_that_dies_are_opened_again_on_the_other_without_a_login(two: Site) -> None:
    person = await person_in(two)
    home = await served_by(two, person)
    async with two.engine(person) as ws:
        await greeting(ws)
        await two.nodes[home].stop_listening()
        assert (await farewell(ws))[1] in (1001, 1006)
    async with two.engine(person) as ws:
        await greeting(ws)
        assert await who(ws) == "UserDirectory=SALES; UserId=ann"
    assert logins(two) == 1


async def test_a_session_that_ends_is_over_on_both_nodes(two: Site) -> None:
    person = await person_in(two)
    home = await served_by(two, person)
    await two.log_out(person)
    await two.nodes[home].stop_listening()
    assert await two.status(person, "/sales/hub/") == 302


async def test_people_come_back_to_a_node_that_is_back(tmp_path: Path) -> None:
    async with site(tmp_path, nodes=2, vp=QUICK) as qlik:
        person = await person_in(qlik)
        home = await served_by(qlik, person)
        member = qlik.server.vps["sales"].pool.members[home]
        await qlik.nodes[home].stop_listening()
        await eventually(lambda: not member.health.up)
        assert await served_by(qlik, person) == 1 - home
        await qlik.nodes[home].start_listening()
        await eventually(lambda: member.reluctance(qlik.cookie(person), qlik.server.vps["sales"].pool.clock()) == 0)
        assert await served_by(qlik, person) == home
        assert logins(qlik) == 1


async def test_a_node_that_does_not_know_the_virtual_proxy_is_found_out_by_its_checks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with site(tmp_path, nodes=2, vp=QUICK) as qlik:
        del qlik.nodes[1].core.vps["sales"]
        await eventually(lambda: not qlik.server.vps["sales"].pool.members[1].health.up)
        nodes = [await served_by(qlik, await person_in(qlik)) for _ in range(8)]
        assert set(nodes) == {0}
        metrics = qlik.server.observer.metrics.text().decode()
    assert "is down: answered 400 to /sales/qps/user" in caplog.text
    assert metrics.count('qproxy_upstream_up{node="127.0.0.1:') == 4
    assert (
        metrics.count('vp="sales"} 0.0\nqproxy_upstream_up') + metrics.count('vp="sales"} 1.0\nqproxy_upstream_up') > 0
    )


# --- a node dies under load ---


async def test_no_get_fails_and_no_post_happens_twice_when_a_node_dies_under_load(two: Site) -> None:
    people = [await person_in(two) for _ in range(10)]
    statuses: Counter[tuple[str, int]] = Counter()
    gets: list[str] = []
    posts: list[str] = []

    async def work(person: aiohttp.ClientSession, number: int) -> None:
        for turn in range(20):
            method, sent = ("POST", posts) if turn % 4 == 0 else ("GET", gets)
            sent.append(target := f"/sales/echo?load={number}-{turn}")
            statuses[method, await two.status(person, target, method=method)] += 1

    working = [asyncio.create_task(work(person, number)) for number, person in enumerate(people)]
    await eventually(lambda: len(gets) > 60)
    await two.nodes[0].stop_listening()
    await asyncio.gather(*working)
    assert {status for (method, status) in statuses if method == "GET"} == {200}
    assert {status for (method, status) in statuses if method == "POST"} <= {200, 502}
    arrived = Counter(itertools.chain.from_iterable(targets(node.journal("http")) for node in two.nodes))
    assert max(arrived[target] for target in posts) == 1
    assert logins(two) == 10


# --- drain ---


async def test_a_node_that_is_drained_gets_people_only_when_no_other_is_there(tmp_path: Path) -> None:
    async with site(tmp_path, nodes=2, drained=(1,), vp=MANY) as qlik:
        people = [await person_in(qlik) for _ in range(10)]
        assert {await served_by(qlik, person) for person in people} == {0}
        await qlik.nodes[0].stop_listening()
        assert {await served_by(qlik, person) for person in people} == {1}
        assert logins(qlik) == 10


# --- QPS restarts during lunch ---


async def test_qps_restarts_during_lunch_and_nobody_notices_more_than_a_delay(tmp_path: Path) -> None:
    async with site(tmp_path) as qlik, contextlib.AsyncExitStack() as sockets:
        people = [await person_in(qlik) for _ in range(5)]
        before = [qlik.cookie(person) for person in people]
        open_sockets = [await sockets.enter_async_context(qlik.engine(person)) for person in people]
        for ws in open_sockets:
            await greeting(ws)
        restart = asyncio.create_task(qlik.node.restart(1.0))
        assert {code for _, code, _ in await asyncio.gather(*map(farewell, open_sockets))} <= {1001, 1006}
        pages = [qlik.status(person, "/sales/hub/") for person in people]
        programs = [qlik.status(person, "/sales/api/about/v1/language", headers=PROGRAM) for person in people]
        assert set(await asyncio.gather(*pages, *programs)) == {200}
        await restart
        for person in people:
            async with qlik.engine(person) as ws:
                assert "OnConnected" in await greeting(ws)
        assert ([qlik.cookie(person) for person in people], logins(qlik)) == (before, 5)


async def test_while_qps_restarts_sockets_and_uploads_are_told_at_once_to_come_again(two: Site) -> None:
    person = await person_in(two)
    for node in two.nodes:
        await node.stop_listening()
    async with wire(two) as browser:
        cookie = f"Cookie: {COOKIE}={two.cookie(person)}"
        answer = await browser.upgrade(f"/sales/app/{APP}", cookie, f"Origin: {two.origin}")
        assert (answer.status, answer.values("Retry-After")) == (503, ["5"])
    async with person.post("/sales/qrs/app/upload", data=b"x", headers=PROGRAM) as told:
        assert (told.status, told.headers["Retry-After"]) == (503, "5")


async def test_who_waited_long_enough_sees_a_page_that_reloads_itself(tmp_path: Path) -> None:
    async with site(tmp_path, nodes=2, vp="wait_for_qlik: 0.2") as qlik:
        person = await person_in(qlik)
        for node in qlik.nodes:
            await node.stop_listening()
        async with person.get("/sales/hub/") as page:
            assert (page.status, page.headers["Refresh"], page.headers["Retry-After"]) == (503, "5", "5")
            assert "Qlik Sense is restarting" in await page.text()


async def test_a_browser_that_leaves_waits_no_more(two: Site) -> None:
    person, pool = await person_in(two), two.server.vps["sales"].pool
    for node in two.nodes:
        await node.stop_listening()
    waiting = asyncio.create_task(two.status(person, "/sales/hub/"))
    await eventually(lambda: pool.waiting == 1)
    waiting.cancel()
    await eventually(lambda: pool.waiting == 0)


# --- visitors, TLS, readiness ---


async def test_an_anonymous_visitor_stays_with_one_node_and_is_one_visitor(tmp_path: Path) -> None:
    async with site(tmp_path, nodes=2, vp="anonymous: allow", qlik={"anonymous": "allow"}) as qlik:
        visitor = qlik.browser()
        await served_by(qlik, visitor)
        assert len({await served_by(qlik, visitor) for _ in range(10)}) == 1
        sessions = {session.id for node in qlik.nodes for session in node.sessions("sales")}
        assert len(sessions) == 1


async def test_people_move_between_nodes_that_speak_tls(tmp_path: Path) -> None:
    async with site(tmp_path, nodes=2, tls=True) as qlik:
        person = await person_in(qlik)
        home = await served_by(qlik, person)
        await qlik.nodes[home].stop_listening()
        assert await served_by(qlik, person) == 1 - home


async def test_qproxy_is_ready_while_one_node_is_there_and_says_why_when_none_is(two: Site) -> None:
    two.server.vps["sales"].pool.members[0].node = Node("127.0.0.1", 9)
    checks = readiness(two.server)
    assert await checks["upstream sales"]() is None
    await two.nodes[1].stop_listening()
    told = await checks["upstream sales"]()
    assert told is not None
    assert told.startswith("no Qlik node can be reached: 127.0.0.1:9: ")
