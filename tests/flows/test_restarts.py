"""Qlik closes connections, restarts, fails: people see a page that reloads, and nobody has to log in again."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from a_site import Site, call, farewell, greeting, site
from flows.wire import wire
from waiting import eventually

COOKIE = "X-Qlik-Session-sales-HTTP"
PROGRAM = {"Accept": "application/json"}
TIMES = 100


async def person_in(qlik: Site) -> aiohttp.ClientSession:
    person = qlik.browser()
    await qlik.log_in(person)
    return person


# --- connections that Qlik closes ---


async def test_a_redirect_of_qlik_with_a_closed_connection_never_spoils_the_next_request(qlik: Site) -> None:
    person, stranger = await person_in(qlik), qlik.browser()
    assert await qlik.status(person, "/sales/hub/") == 200
    statuses = []
    for _ in range(TIMES):
        assert await qlik.status(stranger, "/sales/qps/csrftoken", headers=PROGRAM) == 401  # Qlik: 302, then it closes
        statuses.append(await qlik.status(person, "/sales/api/about/v1/language"))
    assert set(statuses) == {200}


async def test_redirects_that_the_browser_sees_do_not_spoil_the_next_request_either(tmp_path: Path) -> None:
    wishes = {"vp": "anonymous: allow", "qlik": {"redirect_uri": "http://idp.example.com/login"}}
    async with site(tmp_path, **wishes) as qlik, wire(qlik) as browser:
        for _ in range(TIMES):
            answer = await browser.ask("GET /sales/hub/", "Accept: text/html")
            assert answer.status == 302
            assert answer.values("Location")[0].startswith("http://idp.example.com/login?targetId=")


async def test_connections_that_qlik_closed_while_they_rested_never_cost_a_page(tmp_path: Path) -> None:
    async with site(tmp_path, node={"keepalive_s": 0.01}) as qlik:
        person = await person_in(qlik)
        statuses = [await qlik.status(person, "/sales/hub/") for _ in range(TIMES)]
        assert set(statuses) == {200}


async def test_data_is_not_sent_on_connections_that_qlik_has_closed(tmp_path: Path) -> None:
    async with site(tmp_path, node={"keepalive_s": 0.01}) as qlik:
        person, pool = await person_in(qlik), qlik.server.vps["sales"].pool
        for _ in range(10):
            assert await qlik.status(person, "/sales/hub/") == 200
            await eventually(lambda: not pool.resting)
            assert await qlik.status(person, "/sales/echo", method="POST", data=b"x") == 200


async def test_a_program_that_sends_data_is_told_when_qlik_drops_the_connection_and_nothing_is_sent_twice(
    qlik: Site,
) -> None:
    person = await person_in(qlik)
    async with person.post("/sales/fault/reset", data=b"once", headers=PROGRAM) as answer:
        assert (answer.status, (await answer.json())["error"]) == (502, "upstream_gone")
    assert [entry.target for entry in qlik.node.journal("http")].count("/sales/fault/reset") == 1


@pytest.mark.parametrize("fault", ["garbage", "bare-lf", "both-lengths", "huge-head"])
async def test_an_answer_that_breaks_the_rules_becomes_a_page_and_the_next_request_works(
    qlik: Site, fault: str
) -> None:
    person = await person_in(qlik)
    async with person.get(f"/sales/fault/{fault}", headers=PROGRAM) as answer:
        assert answer.status == 502
        assert (await answer.json())["error"] == "upstream_bad_answer"
    assert await qlik.status(person, "/sales/hub/") == 200


async def test_an_upload_that_qlik_refuses_before_its_end_gets_qliks_answer(qlik: Site) -> None:
    person = await person_in(qlik)
    async with wire(qlik) as browser:
        await browser.send(
            f"POST /sales/fault/early HTTP/1.1\r\nHost: {browser.host}\r\nCookie: {COOKIE}={qlik.cookie(person)}\r\n"
            f"Content-Length: 1000000\r\n\r\n{'x' * 1000}".encode()
        )
        answer = await browser.reply()
        assert (answer.status, answer.body) == (413, b"too much")
    assert await qlik.status(person, "/sales/hub/") == 200


# --- a restart ---


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[Site]:
    """Where nobody waits for Qlik."""
    async with site(tmp_path, vp="wait_for_qlik: 0") as built:
        yield built


async def test_while_qlik_restarts_people_see_a_page_that_reloads_itself(impatient: Site) -> None:
    qlik = impatient
    person = await person_in(qlik)
    await qlik.node.stop_listening()
    async with person.get("/sales/hub/") as answer:
        assert (answer.status, answer.headers["Retry-After"], answer.headers["Refresh"]) == (503, "5", "5")
        assert "text/html" in answer.headers["Content-Type"]
        assert "upstream_refused" in await answer.text()
    await qlik.node.start_listening()
    assert await qlik.status(person, "/sales/hub/") == 200


async def test_while_qlik_restarts_programs_are_told_to_come_back(qlik: Site) -> None:
    person = await person_in(qlik)
    await qlik.node.stop_listening()
    async with person.post("/sales/qrs/app/upload", data=b"x" * 100_000, headers=PROGRAM) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert (await answer.json())["error"] == "upstream_refused"


async def test_while_qlik_restarts_sockets_are_refused_and_not_redirected(qlik: Site) -> None:
    person = await person_in(qlik)
    await qlik.node.stop_listening()
    async with wire(qlik) as browser:
        cookie = f"Cookie: {COOKIE}={qlik.cookie(person)}"
        answer = await browser.upgrade("/sales/app/echo", cookie, f"Origin: {qlik.origin}")
        assert (answer.status, json.loads(answer.body)["error"]) == (503, "upstream_refused")


async def test_while_qlik_restarts_people_can_still_log_in(impatient: Site) -> None:
    qlik = impatient
    await qlik.node.stop_listening()
    person = await person_in(qlik)
    assert await qlik.status(person, "/sales/hub/") == 503
    await qlik.node.start_listening()
    assert await qlik.status(person, "/sales/hub/") == 200


async def test_after_a_restart_of_qlik_everything_works_without_a_login(qlik: Site) -> None:
    person = await person_in(qlik)
    session = qlik.cookie(person)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        await qlik.node.restart()
        said, code, _ = await farewell(ws)
    assert (said, code in (1001, 1006)) == ([], True)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=ann"
    assert qlik.cookie(person) == session


async def test_a_hundred_people_come_back_at_once_after_a_restart(qlik: Site) -> None:
    person = await person_in(qlik)
    await qlik.node.restart()
    paths = [f"/sales/api/hub/v1/streams?n={number}" for number in range(100)]
    assert set(await asyncio.gather(*(qlik.status(person, path) for path in paths))) == {200}


async def test_a_download_that_a_restart_of_qlik_cuts_is_a_broken_download(qlik: Site) -> None:
    person = await person_in(qlik)
    async with person.get("/sales/fault/hanging") as download:
        await download.content.readexactly(500)
        await qlik.node.stop_listening()
        with pytest.raises(aiohttp.ClientPayloadError):
            await download.read()
    await qlik.node.start_listening()
    assert await qlik.status(person, "/sales/hub/") == 200


# --- slow, and other nodes ---


async def test_qlik_that_does_not_begin_to_answer_is_given_up_after_the_configured_time(tmp_path: Path) -> None:
    async with site(tmp_path, server="timeouts: {first_byte: 0.2}") as qlik:
        person = await person_in(qlik)
        async with person.get("/sales/fault/silent", headers=PROGRAM) as answer:
            assert (answer.status, (await answer.json())["error"]) == (504, "upstream_timeout")


async def test_of_two_nodes_the_one_that_answers_serves_everybody(tmp_path: Path) -> None:
    async with site(tmp_path) as qlik:
        first = str(qlik.node.http_url)
    both = f"upstreams: ['http://127.0.0.1:9', '{first}']"
    async with site(tmp_path, vp=both, node={"http_port": int(first.rpartition(":")[2])}) as qlik:
        person = await person_in(qlik)
        assert await qlik.status(person, "/sales/hub/") == 200
        async with qlik.engine(person) as ws:
            assert "OnConnected" in await greeting(ws)
