"""Qlik lost or never accepts a session: one clean login, never a loop, and the log names what is likely wrong."""

import json

import aiohttp
import pytest
from a_site import Site, farewell, greeting
from waiting import eventually


async def visit(qlik: Site, person: aiohttp.ClientSession, target: str = "/sales/hub/?x=1") -> tuple[int, str, str]:
    async with person.get(qlik.url(target), allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", ""), await answer.text()


async def test_a_session_that_ran_out_in_qlik_leads_to_one_login_and_back(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    await qlik.status(person, "/sales/hub/")
    first = qlik.cookie(person)
    await qlik.node.expire("sales", first)
    assert await qlik.log_in(person, "/sales/hub/?x=1") == f"{qlik.origin}/sales/hub/?x=1"
    assert await qlik.status(person, "/sales/hub/?x=1") == 200
    assert qlik.cookie(person) != first


async def test_the_socket_of_a_session_that_ran_out_in_qlik_gets_qliks_own_words_once(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        await qlik.node.expire("sales", qlik.cookie(person))
        said, code, _ = await farewell(ws)
    assert (said, code) == (["OnSessionTimedOut"], 1001)


async def test_a_session_that_qlik_merely_forgot_is_asked_for_again_without_a_login(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    await qlik.status(person, "/sales/hub/")
    qlik.node.forget_cache("sales")
    assert await qlik.status(person, "/sales/hub/") == 200


async def test_qlik_that_never_accepts_gets_one_new_login_and_then_a_page_that_explains(qlik: Site) -> None:
    qlik.node.set_session_module("sales", "")
    person = qlik.browser()
    await qlik.log_in(person)
    status, login, _ = await visit(qlik, person)
    assert (status, login.partition("?")[0]) == (302, "/qproxy/login/sales")
    async with person.get(qlik.url(login)) as page:
        assert page.status == 200  # the old session is over: no silent way back to Qlik, which would be the loop
    assert await qlik.fill_in(person, login) == f"{qlik.origin}/sales/hub/?x=1"
    for _ in range(3):
        status, location, text = await visit(qlik, person)
        assert (status, location) == (502, "")
        assert "session_not_accepted" in text


async def test_programs_are_told_in_json_that_qlik_does_not_accept_the_session(qlik: Site) -> None:
    qlik.node.set_session_module("sales", "")
    person = qlik.browser()
    await qlik.log_in(person)
    _, login, _ = await visit(qlik, person)
    await qlik.fill_in(person, login)
    async with person.get("/sales/qrs/about", headers={"Accept": "application/json"}) as answer:
        assert answer.status == 502
        assert (await answer.json())["error"] == "session_not_accepted"


async def test_a_program_whose_session_is_not_accepted_is_told_to_log_in_again(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    qlik.node.set_session_module("sales", "")
    async with person.get("/sales/qrs/about", headers={"Accept": "*/*"}) as answer:
        assert answer.status == 401
        assert json.loads(await answer.text())["loginUrl"].startswith(f"{qlik.origin}/qproxy/login/sales")


async def test_an_answer_to_a_script_leaves_the_cookie_alone_which_may_be_a_newer_one(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    qlik.node.set_session_module("sales", "")
    async with person.get("/sales/qrs/about", headers={"Accept": "*/*"}) as answer:
        assert (answer.status, answer.headers.getall("Set-Cookie", [])) == (401, [])


async def test_a_page_open_for_long_gets_another_chance_instead_of_the_explanation(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    qlik.node.set_session_module("sales", "")
    _, login, _ = await visit(qlik, person)
    await qlik.fill_in(person, login)
    qlik.clock.now += 301
    assert (await visit(qlik, person))[0] == 302


async def test_once_the_fault_is_mended_the_next_login_works(qlik: Site) -> None:
    root = f"{qlik.internal}/session-module/sales"
    qlik.node.set_session_module("sales", "")
    person = qlik.browser()
    await qlik.log_in(person)
    _, login, _ = await visit(qlik, person)
    await qlik.fill_in(person, login)
    assert (await visit(qlik, person))[0] == 502
    qlik.node.set_session_module("sales", root)
    assert (await visit(qlik, person))[0] == 200


def gate_lines(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.name == "qproxy.gate")


@pytest.mark.parametrize("root", ["", "{internal}/session-module/finance", "http://127.0.0.1:9/session-module/sales"])
async def test_the_log_says_when_qlik_never_asked_our_session_module(
    qlik: Site, caplog: pytest.LogCaptureFixture, root: str
) -> None:
    qlik.node.set_session_module("sales", root.format(internal=qlik.internal))
    person = qlik.browser()
    await qlik.log_in(person)
    session_id = qlik.cookie(person)
    await visit(qlik, person)
    line = gate_lines(caplog)
    for hint in (
        "never asked",
        "Session module base URI must be",
        "/session-module/sales",
        "X-Qlik-Session-sales-HTTP",
    ):
        assert hint in line
    assert session_id not in line
    assert qlik.cookie(person) == ""  # it is worth nothing any more


async def test_the_log_says_when_qlik_was_told_who_it_is_and_refuses_all_the_same(
    qlik: Site, caplog: pytest.LogCaptureFixture
) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    await qlik.status(person, "/sales/hub/")
    qlik.node.forget_cache("sales")
    qlik.node.fail_module("html")
    await visit(qlik, person)
    assert r"was told that it is SALES\ann" in gate_lines(caplog)


async def test_the_log_says_a_second_time_that_the_new_login_was_not_accepted_either(
    qlik: Site, caplog: pytest.LogCaptureFixture
) -> None:
    qlik.node.set_session_module("sales", "")
    person = qlik.browser()
    await qlik.log_in(person)
    _, login, _ = await visit(qlik, person)
    await qlik.fill_in(person, login)
    caplog.clear()
    await visit(qlik, person)
    assert "because it had not accepted the one before" in gate_lines(caplog)


async def test_a_session_module_that_is_slow_to_answer_or_fails_costs_one_login_not_a_loop(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    qlik.node.fail_module("500")
    _, login, _ = await visit(qlik, person)
    qlik.node.fail_module(None)
    await qlik.fill_in(person, login)
    assert (await visit(qlik, person))[0] == 200


async def test_a_refused_session_is_over_for_its_sockets_too(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        qlik.node.forget_cache("sales")
        qlik.node.set_session_module("sales", "")
        await visit(qlik, person)
        said, code, _ = await farewell(ws)
    assert (said, code) == (["OnSessionClosed"], 1001)
    await eventually(lambda: qlik.server.listener.tunnels == 0)
