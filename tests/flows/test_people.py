"""Who somebody is, from the file of users to Qlik and back: odd names, attributes, addresses behind a proxy."""

import asyncio
import json
from pathlib import Path

import pytest
from a_site import PASSWORD, Site, call, farewell, greeting, site
from login_site import quick_hasher
from waiting import eventually

from qproxy.auth.user_file import Entry
from qproxy.model import Attributes

COOKIE = "X-Qlik-Session-sales-HTTP"
NAMES = ["anna@example.com", "per olav", "bjørn å", "a/b", "a%2Fb", "o'neil+x", "東京", "a?b#c&d=e", "..", "x;y"]


def write_users(directory: Path, *entries: Entry) -> None:
    users = directory / "users"
    users.write_text("".join(f"{entry.line}\n" for entry in entries), "utf-8")
    users.chmod(0o600)


@pytest.mark.parametrize("name", NAMES)
async def test_an_odd_name_is_the_same_name_for_qlik_at_login_over_the_socket_and_at_logout(
    tmp_path: Path, name: str
) -> None:
    write_users(tmp_path, Entry(name, quick_hasher().hash(PASSWORD)))
    async with site(tmp_path) as qlik:
        first, second = qlik.browser(), qlik.browser()
        await qlik.log_in(first, name=name)
        await qlik.log_in(second, name=name)
        async with qlik.engine(first) as ws:
            assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == f"UserDirectory=SALES; UserId={name}"
        assert await qlik.status(first, "/sales/qps/user", method="DELETE") == 200
        assert await qlik.status(second, "/sales/hub/") == 302  # Qlik logs a person out, not a browser


async def test_a_name_is_taken_in_the_spelling_of_the_file_however_it_was_typed(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person, name=" ANN ")
    await qlik.status(person, "/sales/hub/")
    assert [session.user for session in qlik.node.sessions("sales")] == ["ann"]


async def test_attributes_of_the_file_and_of_the_configuration_reach_qlik_in_order(tmp_path: Path) -> None:
    groups = Attributes((("Group", "Sales"), ("Group", "Økonomi"), ("Email", "ann@example.com")))
    write_users(tmp_path, Entry("ann", quick_hasher().hash(PASSWORD), groups))
    async with site(tmp_path, vp="attributes: {Site: Oslo, Role: [viewer, editor]}") as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        await qlik.status(person, "/sales/hub/")
        (session,) = qlik.node.sessions("sales")
        assert session.attributes == [
            {"Group": "Sales"}, {"Group": "Økonomi"}, {"Email": "ann@example.com"},
            {"Site": "Oslo"}, {"Role": "viewer"}, {"Role": "editor"},
        ]  # fmt: skip


async def test_behind_a_trusted_proxy_the_persons_own_address_counts(tmp_path: Path) -> None:
    async with site(tmp_path, server="trusted_proxies: 127.0.0.0/8") as qlik:
        person = qlik.browser(**{"X-Forwarded-For": "10.9.9.9, 192.0.2.7"})
        await qlik.log_in(person)
        sent = dict((await qlik.echo(person))["headers"])
        assert sent["X-Forwarded-For"] == "192.0.2.7"
        audit = [json.loads(line) for line in (qlik.directory / "audit.log").read_text().splitlines()]
        assert [line["client"] for line in audit if line["event"] == "login"] == ["192.0.2.7"]


async def test_a_person_who_guesses_wrong_too_often_waits_and_others_do_not(qlik: Site) -> None:
    person = qlik.browser()
    login = "/qproxy/login/sales"
    form = await qlik.form(person, login)
    wrong = {"name": "ann", "password": "wrong"}
    statuses = [await qlik.status(person, login, method="POST", data=form | wrong) for _ in range(6)]
    assert statuses == [403] * 5 + [429]
    assert await qlik.fill_in(qlik.browser(), login, "bob") == f"{qlik.origin}/sales/hub/"


async def test_somebody_taken_out_of_the_file_cannot_log_in_any_more(qlik: Site) -> None:
    person = qlik.browser()
    form = await qlik.form(person, "/qproxy/login/sales") | {"name": "ann", "password": PASSWORD}
    write_users(qlik.directory, Entry("bob", quick_hasher().hash(PASSWORD)))
    assert await qlik.status(person, "/qproxy/login/sales", method="POST", data=form) == 403


async def test_all_sockets_that_a_page_opens_at_once_are_told_of_the_logout(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    token = await qlik.csrf(person)
    told: list[tuple[list[str], int, str]] = []

    async def chart() -> None:
        async with qlik.engine(person, token=token) as ws:
            await greeting(ws)
            told.append(await farewell(ws))

    charts = [asyncio.create_task(chart()) for _ in range(20)]
    await eventually(lambda: len(qlik.node.core.sockets_of("sales")) == 20)
    await qlik.log_out(person)
    await asyncio.gather(*charts)
    assert told == [(["OnSessionLoggedOut"], 1001, "logout")] * 20


async def test_sockets_opened_in_the_moment_of_the_logout_do_not_stay_open(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    token, session = await qlik.csrf(person), qlik.cookie(person)
    url = qlik.url(f"/sales/app/echo?qlik-csrf-token={token}")
    headers = {"Cookie": f"{COOKIE}={session}"}

    async def open_and_wait() -> int:
        async with qlik.people[0].ws_connect(url, headers=headers, autoclose=False) as ws:
            return (await farewell(ws))[1]

    form = await qlik.form(person, "/qproxy/logout/sales")
    logout = qlik.status(person, "/qproxy/logout/sales", method="POST", data=form)
    codes = await asyncio.gather(*(open_and_wait() for _ in range(10)), logout, *(open_and_wait() for _ in range(10)))
    assert set(codes) == {1001, 200}
    await eventually(lambda: qlik.server.listener.tunnels == 0)
