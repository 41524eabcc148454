"""Several ways to log in on one virtual proxy: which one is meant, and that none stands in for another."""

import re
from collections.abc import AsyncIterator, Mapping
from html import unescape
from pathlib import Path
from typing import ClassVar

import pytest
from login_site import PASSWORD, Desk, Reply, Site, open_site, password_method, user_file

from qproxy.auth import (
    Accept,
    Answer,
    Ask,
    Call,
    Challenge,
    Field,
    LoginRequest,
    Method,
    Reason,
    Refuse,
    Send,
)
from qproxy.auth import (
    Reply as CallReply,
)
from qproxy.auth.way import Way
from qproxy.config.fields import parse_network
from qproxy.model import Attributes, End, Tie, User

LOGIN = "/qproxy/login/sales"
TARGET = "/sales/sense/app/x?sheet=1"


class Provider(Method):
    """Sends people to an identity provider, which brings them back with what `keep` made and a code."""

    name = "idp"
    returns: ClassVar[Mapping[str, str]] = {"callback": "state"}
    calls = frozenset({"backchannel"})

    def __init__(self, limit: int = 1800) -> None:
        self.limit = limit

    async def step(self, request: LoginRequest) -> Answer:
        if request.verb:
            return self._back(request)
        state = await request.keep({"nonce": "n-1"}, self.limit)
        return Send(f"https://idp.example/authorize?state={state}")

    def _back(self, request: LoginRequest) -> Answer:
        if request.kept.get("nonce") != "n-1":
            return Refuse(Reason.STALE)
        if request.query.get("code") != "good":
            return Refuse(Reason.REJECTED, word="idp_bad_code")
        return Accept("ann", tie=Tie(("sid 7",)))

    async def call(self, call: Call) -> CallReply:
        return CallReply(200, b"done", ends=(f"sid {call.form['sid']}",), word="provider_logout")


class Ticket(Method):
    """Asks the browser for a ticket."""

    name = "ticket"

    async def step(self, request: LoginRequest) -> Answer:
        given = request.headers.get("authorization", ())
        return Accept("kim") if given == ("Negotiate right",) else Challenge("Negotiate")


class TwoSteps(Method):
    """A name first, then a code."""

    name = "two"
    anew = frozenset({"anew"})
    CODE = Ask((Field("code", "Code"),), keep={"name": "ann"})

    async def step(self, request: LoginRequest) -> Answer:
        if "code" not in request.form:
            return self.CODE if request.form.get("name") else Ask((Field("name", "name"),))
        if request.form["code"] != "123456":
            return Refuse(Reason.WRONG, again=self.CODE)
        return Accept(request.kept["name"])


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    file = password_method(user_file(tmp_path, "ann", "bob"))
    async with open_site(
        Desk(chosen_ways=[Way(file, "password_file"), Way(Provider(), title="The company")])
    ) as opened:
        yield opened


def link(reply: Reply, name: str) -> str:
    found = re.search(rf'<a[^>]* href="([^"]*login={name}(?:&[^"]*)?)"', reply.text)
    assert found is not None, reply.text
    return unescape(found[1])


def state_of(reply: Reply) -> str:
    return reply.location.partition("state=")[2]


async def test_who_has_two_ways_chooses_one_by_its_name(site: Site) -> None:
    page = await site.browser().get(LOGIN)
    assert page.status == 200
    assert "User name and password" in page.text
    assert "The company" in page.text


async def test_the_chosen_way_leads_to_where_the_person_wanted_to_go(site: Site, deep_link: str) -> None:
    browser = site.browser()
    page = await browser.get(deep_link)
    form = await browser.get(link(page, "password_file"))
    fields = {"token": form.token, "method": "password_file", "name": "ann", "password": PASSWORD}
    done = await browser.post(link(page, "password_file"), fields)
    assert done.location.endswith(TARGET)


@pytest.fixture
def deep_link() -> str:
    from login_site import KEYS  # noqa: PLC0415

    from qproxy.auth.deep_link import DeepLinks  # noqa: PLC0415

    return DeepLinks(KEYS).login_location("sales", "/sales", TARGET.encode())


@pytest.mark.parametrize("limit", [4000, 80])
async def test_through_a_provider_and_back_the_deep_link_stays(deep_link: str, limit: int) -> None:
    async with open_site(Desk([Provider(limit)])) as site:
        browser = site.browser()
        away = await browser.get(deep_link)
        back = await browser.get(f"{LOGIN}/idp/callback?code=good&state={state_of(away)}")
    assert len(state_of(away)) <= limit
    assert back.location.endswith(TARGET)
    assert [session.user for session in site.desk.sessions.values()] == [User("ACME", "ann")]


async def test_the_next_time_the_last_way_is_taken(site: Site) -> None:
    browser = site.browser()
    away = await browser.get(f"{LOGIN}?login=idp")
    await browser.get(f"{LOGIN}/idp/callback?code=good&state={state_of(away)}")
    site.desk.sessions.clear()
    again = await browser.get(LOGIN)
    assert again.location.startswith("https://idp.example/")
    assert "The company" in (await browser.get(f"{LOGIN}?login=")).text


async def test_what_came_back_once_does_not_come_back_again(site: Site) -> None:
    browser = site.browser()
    away = await browser.get(f"{LOGIN}?login=idp")
    back = f"{LOGIN}/idp/callback?code=good&state={state_of(away)}"
    await browser.get(back)
    onward = await browser.get(back)
    site.desk.sessions.clear()
    refused = await browser.get(back)
    assert (onward.status, refused.status) == (303, 403)
    assert [event.outcome for event in site.desk.events] == ["accepted", "stale"]


async def test_a_login_that_began_in_another_browser_is_refused(site: Site) -> None:
    away = await site.browser().get(f"{LOGIN}?login=idp")
    other = site.browser()
    await other.get(f"{LOGIN}?login=password_file")
    refused = await other.get(f"{LOGIN}/idp/callback?code=good&state={state_of(away)}")
    assert (refused.status, site.desk.sessions) == (403, {})


async def test_two_tabs_log_in_side_by_side(site: Site) -> None:
    browser = site.browser()
    tabs = [await browser.get(f"{LOGIN}?login=idp") for _ in range(2)]
    backs = [await browser.get(f"{LOGIN}/idp/callback?code=good&state={state_of(tab)}") for tab in reversed(tabs)]
    assert [back.status for back in backs] == [303, 303]


async def test_a_parameter_that_comes_back_twice_is_refused(site: Site) -> None:
    browser = site.browser()
    away = await browser.get(f"{LOGIN}?login=idp")
    refused = await browser.get(f"{LOGIN}/idp/callback?code=good&code=bad&state={state_of(away)}")
    assert (refused.status, site.desk.events[-1].outcome) == (403, "login_parameter_twice")


async def test_a_way_that_failed_is_not_replaced_by_another(site: Site) -> None:
    browser = site.browser()
    away = await browser.get(f"{LOGIN}?login=idp")
    refused = await browser.get(f"{LOGIN}/idp/callback?code=bad&state={state_of(away)}")
    assert refused.status == 403
    assert 'name="password"' not in refused.text
    assert "idp_bad_code" in refused.text
    assert link(refused, "idp")
    assert link(refused, "")


async def test_the_network_says_which_way(tmp_path: Path) -> None:
    near = Way(Provider(), networks=(parse_network("127.0.0.0/8"),), listed=False)
    file = password_method(user_file(tmp_path, "ann"))
    async with open_site(Desk(chosen_ways=[Way(file), near])) as site:
        assert (await site.browser().get(LOGIN)).location.startswith("https://idp.example/")
        assert 'name="password"' in (await site.browser().get(f"{LOGIN}?login={file.name}")).text


@pytest.mark.parametrize(("email", "there"), [("ann@ACME.example", True), ("ann@other.example", False), ("x", False)])
async def test_an_email_address_says_which_way(tmp_path: Path, email: str, there: bool) -> None:
    company = Way(Provider(), email_domains=frozenset({"acme.example"}))
    file = password_method(user_file(tmp_path, "ann"))
    async with open_site(Desk(chosen_ways=[Way(file), company])) as site:
        browser = site.browser()
        page = await browser.get(LOGIN)
        led = await browser.post(LOGIN, {"token": page.token, "email": email})
    assert (led.status == 200) is there
    assert ("login=idp&login_hint=ann" in led.headers.get("Refresh", "")) is there


async def test_after_a_form_a_page_goes_on_to_the_provider_since_browsers_redirect_no_form_there(site: Site) -> None:
    browser = site.browser()
    page = await browser.get(f"{LOGIN}?login=password_file")
    sent = await browser.post(f"{LOGIN}?login=idp", {"token": page.token, "method": "idp"})
    assert sent.status == 200
    assert sent.headers["Refresh"].startswith("0; url=https://idp.example/authorize?state=")


async def test_a_browser_with_a_ticket_is_let_in_at_once() -> None:
    async with open_site(Desk([Ticket()])) as site:
        browser = site.browser()
        asked = await browser.get(LOGIN)
        done = await browser.get(LOGIN, {"Authorization": "Negotiate right"})
    assert (asked.status, asked.headers["WWW-Authenticate"], done.status) == (401, "Negotiate", 303)


async def test_a_browser_without_a_ticket_shows_the_form_of_the_other_way(tmp_path: Path) -> None:
    file = password_method(user_file(tmp_path, "ann"))
    async with open_site(Desk(chosen_ways=[Way(Ticket()), Way(file)])) as site:
        browser = site.browser()
        page = await browser.get(f"{LOGIN}?login=ticket")
        fields = {"token": page.token, "method": file.name, "name": "ann", "password": PASSWORD}
        done = await browser.post(f"{LOGIN}?login=ticket", fields)
    assert (page.status, done.status) == (401, 303)


def hidden(reply: Reply) -> Mapping[str, str]:
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', reply.text))


async def test_a_second_step_comes_back_with_what_the_first_one_kept() -> None:
    async with open_site(Desk([TwoSteps()])) as site:
        browser = site.browser()
        first = await browser.get(LOGIN)
        second = await browser.post(LOGIN, {**hidden(first), "name": "ann"})
        wrong = await browser.post(LOGIN, {**hidden(second), "code": "1"})
        done = await browser.post(LOGIN, {**hidden(wrong), "code": "123456"})
    assert [one.status for one in (first, second, wrong, done)] == [200, 200, 403, 303]
    assert [event.user for event in site.desk.events] == ["ann", "ACME\\ann"]


async def test_who_is_logged_in_gets_the_form_by_a_word_that_the_way_knows() -> None:
    async with open_site(Desk([TwoSteps()])) as site:
        browser = site.browser()
        second = await browser.post(LOGIN, {**hidden(await browser.get(LOGIN)), "name": "ann"})
        await browser.post(LOGIN, {**hidden(second), "code": "123456"})
        pages = [await browser.get(f"{LOGIN}?{word}=") for word in ("unknown", "anew")]
    assert [page.status for page in pages] == [303, 200]


async def test_a_second_step_of_another_browser_is_refused() -> None:
    async with open_site(Desk([TwoSteps()])) as site:
        one, other = site.browser(), site.browser()
        second = await one.post(LOGIN, {**hidden(await one.get(LOGIN)), "name": "ann"})
        fields = {**hidden(second), **hidden(await other.get(LOGIN)), "code": "123456"}
        refused = await other.post(LOGIN, fields)
    assert (refused.status, site.desk.sessions) == (403, {})


async def test_a_provider_ends_the_sessions_that_hang_on_it(site: Site) -> None:
    browser = site.browser()
    away = await browser.get(f"{LOGIN}?login=idp")
    await browser.get(f"{LOGIN}/idp/callback?code=good&state={state_of(away)}")
    told = await site.browser().post(f"{LOGIN}/idp/backchannel", {"sid": "7"})
    assert (told.status, told.text, told.headers["Cache-Control"]) == (200, "done", "no-store")
    assert [why for _, why in site.desk.ended] == [End.PROVIDER]


async def test_a_providers_call_ends_the_sessions_of_all_virtual_proxies_and_is_no_login() -> None:
    one, two = Desk([Provider()]), Desk([Provider()], name="hr", path="/hr")
    async with open_site(one, two) as site:
        for desk in (one, two):
            await desk.open_session(User("ACME", "ann"), Attributes(), False, tie=Tie(("sid 7",)))
        await site.browser().post(f"{LOGIN}/idp/backchannel", {"sid": "7"})
    assert one.sessions == two.sessions == {}
    [event] = one.events
    assert (event.kind, event.outcome, event.user) == ("provider_call", "provider_logout", "2 sessions")


@pytest.mark.parametrize("address", ["idp/nothing", "nobody/callback", "password_file/callback", "idp"])
async def test_other_addresses_of_a_way_do_not_exist(site: Site, address: str) -> None:
    assert (await site.browser().get(f"{LOGIN}/{address}")).status == 404
