"""Every end of a session: by the hub, by our page, by Qlik's call or by time; sockets are told in Qlik's words."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from a_site import Site, call, farewell, greeting, site
from waiting import eventually

from qproxy.qliksim import Toggles

COOKIE = "X-Qlik-Session-sales-HTTP"
SECOND = 1.0


def audit(qlik: Site, event: str) -> list[dict[str, str]]:
    lines = [json.loads(line) for line in (qlik.directory / "audit.log").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


async def as_qlik(qlik: Site, method: str, path: str) -> int:
    """A call of Qlik's proxy service to our session module."""
    async with aiohttp.ClientSession() as caller, caller.request(method, f"{qlik.internal}{path}") as answer:
        return answer.status


@pytest.mark.parametrize("calls", ["user", "session", "both"])
async def test_a_logout_in_the_hub_ends_our_login_and_tells_the_sockets(tmp_path: Path, calls: str) -> None:
    async with site(tmp_path, toggles=Toggles(logout_calls=calls)) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with qlik.engine(person) as ws:
            await greeting(ws)
            async with person.delete("/sales/qps/user") as answer:
                assert answer.status == 200
                assert f"{COOKIE}=;" in answer.headers["Set-Cookie"]
                assert "Max-Age=0" in answer.headers["Set-Cookie"]
            said, code, _ = await farewell(ws)
        assert (said, code) == (["OnSessionLoggedOut"], 1001)
        assert await qlik.status(person, "/sales/hub/") == 302
        assert len(audit(qlik, "session_ended")) == 1


async def test_a_logout_in_the_hub_ends_our_login_even_when_qlik_cannot_reach_the_session_module(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        qlik.node.fail_module("refused")
        assert await qlik.status(person, "/sales/qps/user", method="DELETE") == 200
        assert (await farewell(ws))[1] == 1001
    await eventually(lambda: len(audit(qlik, "session_ended")) == 1)
    assert audit(qlik, "session_ended")[0]["why"] == "hub_logout"


async def test_a_logout_in_the_hub_ends_all_sessions_of_the_person_as_it_does_in_qlik(qlik: Site) -> None:
    here, elsewhere, bob = qlik.browser(), qlik.browser(), qlik.browser()
    await qlik.log_in(here)
    await qlik.log_in(elsewhere)
    await qlik.log_in(bob, name="bob")
    for person in (here, elsewhere, bob):
        assert await qlik.status(person, "/sales/hub/") == 200
    qlik.node.fail_module("refused")
    assert await qlik.status(here, "/sales/qps/user", method="DELETE") == 200
    await eventually(lambda: len(audit(qlik, "session_ended")) == 2)
    assert await qlik.status(elsewhere, "/sales/hub/") == 302
    assert await qlik.status(bob, "/sales/hub/") == 200


async def test_a_logout_in_the_hub_with_its_xrfkey_works_and_one_with_a_wrong_key_changes_nothing(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    key = "abcdefghijklmnop"
    path = f"/sales/qps/user?xrfkey={key}"
    assert await qlik.status(person, path, method="DELETE", headers={"X-Qlik-Xrfkey": key[::-1]}) == 403
    assert await qlik.status(person, "/sales/hub/") == 200
    assert await qlik.status(person, path, method="DELETE", headers={"X-Qlik-Xrfkey": key}) == 200
    assert await qlik.status(person, "/sales/hub/") == 302


async def test_the_old_cookie_is_worth_nothing_after_a_logout(qlik: Site) -> None:
    person, thief = qlik.browser(), qlik.browser()
    await qlik.log_in(person)
    stolen = {"Cookie": f"{COOKIE}={qlik.cookie(person)}"}
    assert await qlik.status(thief, "/sales/hub/", headers=stolen) == 200
    await qlik.log_out(person)
    assert await qlik.status(thief, "/sales/hub/", headers=stolen) == 302


async def test_our_logout_page_closes_the_sockets_within_a_second(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person) as first, qlik.engine(person) as second:
        await greeting(first)
        await greeting(second)
        await qlik.log_out(person)
        async with asyncio.timeout(SECOND):
            ends = [await farewell(ws) for ws in (first, second)]
    assert ends == [(["OnSessionLoggedOut"], 1001, "logout")] * 2
    assert qlik.cookie(person) == ""


async def test_a_message_that_is_on_its_way_at_the_logout_arrives_whole_before_the_notification(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    size = 20_000_000
    async with qlik.engine(person, f"/sales/app/burst?count=1&bytes={size}") as ws:
        await qlik.log_out(person)
        assert len(await ws.receive_str(timeout=5)) == size
        assert await farewell(ws) == (["OnSessionLoggedOut"], 1001, "logout")


async def test_a_logout_does_not_touch_somebody_elses_socket(qlik: Site) -> None:
    ann, bob = qlik.browser(), qlik.browser()
    await qlik.log_in(ann)
    await qlik.log_in(bob, name="bob")
    async with qlik.engine(bob) as ws:
        await greeting(ws)
        await qlik.log_out(ann)
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=bob"


async def test_a_link_or_a_foreign_form_logs_nobody_out(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    form = await qlik.form(person, "/qproxy/logout/sales")
    foreign = {"Origin": "http://elsewhere.test"}
    assert await qlik.status(person, "/qproxy/logout/sales", method="POST", data=form, headers=foreign) == 403
    assert await qlik.status(person, "/sales/qps/user", method="DELETE", headers=foreign) == 403
    assert await qlik.status(person, "/sales/hub/") == 200


@pytest.mark.parametrize(
    ("whose", "told"),
    [
        ("session/{id}", "OnSessionClosed"),
        ("user/SALES/ann", "OnSessionLoggedOut"),
        ("user/sales/ANN", "OnSessionLoggedOut"),
    ],
)
async def test_a_delete_by_qlik_ends_the_login_and_its_sockets_within_a_second(
    qlik: Site, whose: str, told: str
) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    path = f"/session-module/sales/{whose.format(id=qlik.cookie(person))}"
    async with qlik.engine(person) as ws:
        await greeting(ws)
        assert await as_qlik(qlik, "DELETE", path) == 200
        async with asyncio.timeout(SECOND):
            said, code, _ = await farewell(ws)
    assert (said, code) == ([told], 1001)
    assert await qlik.status(person, "/sales/hub/") == 302


async def test_a_delete_by_qlik_for_one_virtual_proxy_leaves_the_other_alone(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    await qlik.log_in(person, "/finance/hub/")
    assert await as_qlik(qlik, "DELETE", "/session-module/finance/user/FINANCE/ann") == 200
    assert await qlik.status(person, "/finance/hub/") == 302
    assert await qlik.status(person, "/sales/hub/") == 200


async def test_an_idle_session_ends_and_an_open_but_silent_socket_does_not_keep_it(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        qlik.clock.now += 30 * 60 + 1
        await qlik.server.sessions.sweep()
        said, code, _ = await farewell(ws)
    assert (said, code) == (["OnSessionTimedOut"], 1001)
    assert await qlik.status(person, "/sales/hub/") == 302


async def test_requests_keep_a_session_alive_until_its_absolute_end(tmp_path: Path) -> None:
    async with site(tmp_path, vp="lifetime: {idle: 10m, absolute: 1h}") as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        for _ in range(6):
            qlik.clock.now += 9 * 60
            await qlik.server.sessions.sweep()
            assert await qlik.status(person, "/sales/hub/") == 200
        async with qlik.engine(person) as ws:
            await greeting(ws)
            qlik.clock.now += 7 * 60
            await qlik.server.sessions.sweep()
            assert (await farewell(ws))[:2] == (["OnSessionTimedOut"], 1001)
        assert await qlik.status(person, "/sales/hub/") == 302


async def test_messages_over_a_socket_keep_the_session_alive(tmp_path: Path) -> None:
    async with site(tmp_path, vp="lifetime: {idle: 10m}") as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with qlik.engine(person) as ws:
            for _ in range(3):
                qlik.clock.now += 9 * 60
                await call(ws, "EngineVersion")
                await qlik.server.sessions.sweep()
            assert (await call(ws, "EngineVersion"))["qVersion"]
        assert await qlik.status(person, "/sales/hub/") == 200


async def test_a_session_over_by_the_clock_is_refused_before_any_sweep_has_seen_it(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    qlik.clock.now += 30 * 60 + 1
    assert await qlik.status(person, "/sales/hub/") == 302


async def test_a_running_download_survives_the_end_of_its_session(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    size = 8_000_000
    async with person.get(f"/sales/tempcontent/big?bytes={size}") as download:
        await download.content.readexactly(1000)
        await qlik.log_out(person)
        assert len(await download.read()) == size - 1000


async def test_all_sockets_of_a_session_are_gone_from_the_books_when_it_has_ended(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        assert qlik.server.listener.tunnels == 1
        await qlik.log_out(person)
        await farewell(ws)
        await ws.close()
        await eventually(lambda: qlik.server.listener.tunnels == 0)
    await eventually(lambda: not qlik.node.core.sockets_of("sales"))
