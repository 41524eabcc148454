"""Where QPS cannot ask who a session is, but is told: what goes wrong there, and who may profit from it (nobody)."""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from a_site import APP, Site, call, farewell, free_port, greeting, site
from flows.followed import COOKIE, SHEET, names, through
from waiting import eventually

from qproxy.model import End
from qproxy.qliksim import QlikNode

LOGIN = "/qproxy/login/sales"


@pytest.fixture(params=["session_api", "ticket"])
async def told(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, tls=True, mode=request.param, vps={"sales": "sales"}) as built:
        yield built


@pytest.fixture
async def ticket(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, tls=True, mode="ticket", vps={"sales": "sales"}) as built:
        yield built


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Site]:
    """The session module, and the API for the ends of sessions."""
    async with site(tmp_path, tls=True, mode="session_module", vps={"sales": "sales"}) as built:
        built.server.vps["sales"].mode.farewells.pauses = (0.01, 0.01)
        yield built


def api_calls(qlik: Site, method: str) -> list[str]:
    return [entry.target.partition("?")[0] for entry in qlik.node.journal("rest") if entry.method == method]


def metric(qlik: Site, call_: str, outcome: str) -> bool:
    line = f'qproxy_qps_api_calls_total{{call="{call_}",outcome="{outcome}",vp="sales"}}'
    return line in qlik.server.observer.metrics.text().decode()


# --- QPS forgets, again and again, or never accepts ---


async def test_qlik_that_never_accepts_gets_one_new_login_and_then_a_page_that_explains(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wishes = {"tls": True, "mode": "session_api", "vps": {"sales": "sales"}, "qlik": {"cookie_name": "X-Other"}}
    async with site(tmp_path, **wishes) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with person.get("/sales/hub/?x=1") as page:  # follows: told again, refused again, so to the login
            login = page.url.raw_path_qs
        assert login.startswith(f"{LOGIN}?state=")
        await qlik.fill_in(person, login)
        assert (await through(qlik, person, "/sales/hub/?x=1"))[0] == 502
    assert "Check that upstreams and qps_api.urls name the same nodes" in caplog.text
    assert qlik.cookie(person, COOKIE) not in caplog.text


async def test_no_ticket_makes_no_loop_but_a_page_that_says_so(tmp_path: Path) -> None:
    wishes = {"tls": True, "mode": "ticket", "vps": {"sales": "sales"}, "qlik": {"cookie_name": "X-Other"}}
    async with site(tmp_path, **wishes) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        assert (await through(qlik, person, "/sales/hub/"))[0] == 503
        assert metric(qlik, "redeem", "refused")


async def test_an_api_that_is_away_keeps_nobody_from_the_login_and_works_once_it_is_back(
    told: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told.node._listeners["rest"].stop()
    person = told.browser()
    await told.log_in(person)
    assert (await through(told, person, "/sales/hub/"))[0] == 503
    assert "could not be told of session" in caplog.text
    assert (await through(told, person, "/sales/hub/"))[0] == 503
    await told.node._listeners["rest"].start()
    monkeypatch.setattr("qproxy.modes.NOT_NOW", 0.0)
    assert (await through(told, person, "/sales/hub/"))[0] == 200


async def test_what_may_not_be_sent_twice_is_told_to_try_again_and_then_works(told: Site) -> None:
    told.node.set_toggle("post_unauth", 302)
    person = told.browser()
    await told.log_in(person)
    await told.node.restart()
    async with person.post("/sales/echo", data=b"x", headers={"Accept": "*/*"}) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert (await answer.json())["error"] == "session_forgotten"
    await eventually(lambda: names(told) == ["ann"])
    assert await told.status(person, "/sales/echo", method="POST", data=b"x") == 200


async def test_a_socket_after_a_restart_leads_back_to_its_page_without_a_login(ticket: Site) -> None:
    person = ticket.browser()
    await ticket.log_in(person)
    token = await ticket.csrf(person)
    await ticket.node.restart()
    path = f"/sales/app/{APP}?reloadUri={quote(ticket.origin + SHEET, safe='')}"
    async with ticket.engine(person, path, token) as ws:
        login = json.loads(await ws.receive_str())["params"]["loginUri"]
    assert await through(ticket, person, login) == (200, SHEET)
    async with ticket.engine(person) as ws:
        await greeting(ws)
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=ann"


# --- two nodes ---


@pytest.fixture(params=["session_api", "ticket"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Site, QlikNode]]:
    ports = [free_port() for _ in range(4)]
    door, api, other_door, other_api = ports
    urls = f"https://127.0.0.1:{api}, https://127.0.0.1:{other_api}"
    nodes = f"upstreams: ['https://127.0.0.1:{door}', 'https://127.0.0.1:{other_door}']\nqps_api: {{urls: [{urls}]}}"
    first = {"https_port": door, "rest_port": api}
    async with site(tmp_path, tls=True, mode=request.param, vps={"sales": "sales"}, vp=nodes, node=first) as built:
        assert built.certificates is not None
        its = replace(built.node.config, https_port=other_door, rest_port=other_api)
        its = replace(its, tls=built.certificates.of_node(), rest_tls=built.certificates.of_api())
        second = QlikNode(its, built.clock)
        await second.start()
        yield built, second
        await second.stop()


async def test_a_node_fails_and_people_go_on_at_the_other_without_a_login(pair: tuple[Site, QlikNode]) -> None:
    qlik, second = pair
    person = qlik.browser()
    await qlik.log_in(person, SHEET)
    assert (await through(qlik, person, SHEET))[0] == 200
    fails, other = (qlik.node, second) if qlik.node.journal("http") else (second, qlik.node)
    await fails.stop_listening()
    assert await through(qlik, person, SHEET) == (200, SHEET)
    assert [session.user for session in other.sessions("sales")] == ["ann"]
    await qlik.log_out(person)
    await eventually(lambda: other.sessions("sales") == [])


# --- who else opens the login page ---


async def test_a_made_up_target_id_neither_renews_nor_leads_anywhere(told: Site) -> None:
    person = told.browser()
    await told.log_in(person)
    before = [session.id for session in told.node.sessions("sales")]
    assert await through(told, person, f"{LOGIN}?targetId=made-up") == (200, "/sales/hub/")
    assert [session.id for session in told.node.sessions("sales")] == before


@pytest.mark.parametrize("uri", ["https://elsewhere.test/sales/hub/", "{origin}/finance/hub/", "{origin}//x/sales/"])
async def test_a_target_beyond_this_virtual_proxy_is_forgotten(ticket: Site, uri: str) -> None:
    target_id = ticket.node.vp("sales").remember_target(uri.format(origin=ticket.origin))
    person = ticket.browser()
    assert await ticket.fill_in(person, f"{LOGIN}?targetId={target_id}") == f"{ticket.origin}/sales/hub/"


async def test_the_target_of_qliks_own_redirect_is_reached_after_the_login(ticket: Site) -> None:
    target_id = ticket.node.vp("sales").remember_target(ticket.origin + SHEET)
    own = quote(f"{ticket.node.rest_url}/qps/sales/", safe="")
    person = ticket.browser()
    login = f"{LOGIN}?targetId={target_id}&proxyRestUri={own}"
    assert await ticket.fill_in(person, login) == ticket.origin + SHEET
    assert await ticket.status(person, SHEET) == 200


async def test_no_ticket_is_asked_from_a_stranger_whom_the_url_names(
    ticket: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "qproxy.modes")
    callers: list[object] = []
    stranger = await asyncio.start_server(lambda *them: callers.append(them), "127.0.0.1", 0)
    port = stranger.sockets[0].getsockname()[1]
    target_id = ticket.node.vp("sales").remember_target(ticket.origin + SHEET)
    for host in (f"127.0.0.1:{port}", f"{ticket.node.rest_url}@127.0.0.1:{port}".removeprefix("https://")):
        person = ticket.browser()
        login = f"{LOGIN}?targetId={target_id}&proxyRestUri={quote(f'https://{host}/qps/sales/', safe='')}"
        assert await ticket.fill_in(person, login) == ticket.origin + SHEET
    stranger.close()
    await stranger.wait_closed()
    assert callers == []
    assert "none of qps_api.urls: ignored" in caplog.text
    assert "127.0.0.1" not in "".join(record.getMessage() for record in caplog.records if "ignored" in record.msg)


async def test_the_client_certificate_is_shown_at_the_api_only(ticket: Site) -> None:
    assert ticket.certificates is not None
    door = ticket.node.config.tls
    assert door is not None
    door.load_verify_locations(ticket.certificates.root)
    door.verify_mode = ssl.CERT_REQUIRED  # whoever shows none on 443 does not get in
    await ticket.log_in(ticket.browser())
    assert api_calls(ticket, "POST") == ["/qps/sales/ticket"]
    assert ticket.node.journal("http") == []


async def test_neither_tickets_nor_qliks_ids_stand_in_a_log_or_reach_the_browser(
    ticket: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    person = ticket.browser()
    await ticket.log_in(person)
    await ticket.node.restart()
    await through(ticket, person, SHEET)
    secrets = [json.loads(entry.reply)["Ticket"] for entry in ticket.node.journal("rest") if entry.method == "POST"]
    secrets += [session.id for session in ticket.node.sessions("sales")]
    await ticket.log_out(person)
    await ticket.server.stop()
    logs = [(ticket.directory / name).read_text() for name in ("access.log", "audit.log")]
    said = "\n".join([*logs, *ticket.seen, *(record.getMessage() for record in caplog.records)])
    assert len(secrets) == 3
    assert [secret for secret in secrets if secret in said] == []


# --- the end of a session, told to QPS ---


async def test_qlik_learns_of_a_logout_and_its_sockets_close_there(asked: Site) -> None:
    person = asked.browser()
    await asked.log_in(person)
    await asked.status(person, "/sales/hub/")
    await asked.log_out(person)
    await eventually(lambda: names(asked) == [])
    await eventually(lambda: metric(asked, "end_session", "ok"))


async def test_qlik_learns_of_what_an_administrator_ended_here_and_it_is_not_told_again(told: Site) -> None:
    person = told.browser()
    await told.log_in(person)
    await told.server.vps["sales"].end_session(told.cookie(person, COOKIE), End.ADMINISTRATOR)
    await eventually(lambda: names(told) == [])
    assert (await through(told, person, "/sales/hub/"))[1].startswith(LOGIN)
    assert names(told) == []


async def test_qlik_is_told_again_until_it_hears(asked: Site) -> None:
    person = asked.browser()
    await asked.log_in(person)
    await asked.status(person, "/sales/hub/")
    asked.server.vps["sales"].mode.farewells.pauses = [0.02] * 100
    await asked.node._listeners["rest"].stop()
    await asked.log_out(person)
    await eventually(lambda: metric(asked, "end_session", "unreachable"))
    await asked.node._listeners["rest"].start()
    await eventually(lambda: names(asked) == [])


async def test_a_logout_that_qlik_never_hears_of_is_in_the_log_and_holds_here(
    asked: Site, caplog: pytest.LogCaptureFixture
) -> None:
    person = asked.browser()
    await asked.log_in(person)
    cookie = asked.cookie(person, COOKIE)
    await asked.node._listeners["rest"].stop()
    await asked.log_out(person)
    assert await asked.status(asked.browser(Cookie=f"{COOKIE}={cookie}"), "/sales/hub/") == 302
    await eventually(lambda: "was not told that session" in caplog.text)
    assert cookie not in caplog.text


async def test_what_qlik_ended_itself_is_not_told_back(asked: Site) -> None:
    person = asked.browser()
    await asked.log_in(person)
    await asked.status(person, "/sales/hub/")
    async with asked.engine(person) as ws:
        await greeting(ws)
        await asked.node.expire("sales", asked.cookie(person, COOKIE))
        await farewell(ws)
    await asked.server.vps["sales"].close()
    assert api_calls(asked, "DELETE") == []


async def test_sessions_of_qliks_own_that_give_way_here_live_on_there(asked: Site) -> None:
    mode = asked.server.vps["sales"].mode
    person = asked.browser()
    await asked.log_in(person)
    session = await asked.server.vps["sales"].find(asked.cookie(person, COOKIE))
    assert session is not None
    for why in (End.IDLE, End.ABSOLUTE, End.REPLACED):
        mode.leave(replace(session, by_qlik=True), why)
    await mode.close()
    assert api_calls(asked, "DELETE") == []


async def test_stopping_waits_for_a_farewell_but_not_for_ever(
    asked: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("qproxy.farewells.PATIENCE", 0.05)
    person = asked.browser()
    await asked.log_in(person)
    vp = asked.server.vps["sales"]
    vp.mode.farewells.pauses = [60.0]
    await asked.node._listeners["rest"].stop()
    await asked.log_out(person)
    await vp.close()
    assert "1 times a node was not told that a session ended" in caplog.text
