"""Logging in: from the page to the session and back to where the person wanted to go."""

import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from login_site import (
    KEYS,
    ORIGIN,
    PASSWORD,
    Browser,
    Desk,
    Reply,
    Site,
    open_site,
    password_method,
    sales_site,
    user_file,
)

from qproxy.auth import Accept, Answer, Ask, Field, LoginRequest, Method, Send
from qproxy.auth.deep_link import DeepLinks
from qproxy.errors import Failure, Refused
from qproxy.model import Attributes, End, Session, User

LOGIN = "/qproxy/login/sales"
SHEET = b"/sales/sense/app/8f2a/sheet/x%2Fy/state/analysis?a=1;b=%2B&reloadUri=https://h//x"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with sales_site(tmp_path) as opened:
        yield opened


def deep(target: bytes = SHEET, relogin: bool = False) -> str:
    return DeepLinks(KEYS).login_location("sales", "/sales", target, relogin)


def session_cookie(reply: Reply) -> str:
    return next(line for line in reply.set_cookies if line.startswith("X-Qlik-Session-sales="))


async def test_a_login_leads_back_to_exactly_where_the_person_wanted_to_go(site: Site) -> None:
    reply = await site.browser().log_in(deep())
    assert (reply.status, reply.location) == (303, "http://bi.example.com" + SHEET.decode())


async def test_a_login_without_a_deep_link_leads_to_the_hub(site: Site) -> None:
    assert (await site.browser().log_in()).location == "http://bi.example.com/sales/hub/"


async def test_a_login_gives_the_qlik_cookie_for_the_whole_host_and_hides_it_from_scripts(site: Site) -> None:
    reply = await site.browser().log_in()
    [session] = site.desk.sessions
    assert session_cookie(reply) == f"X-Qlik-Session-sales={session}; Path=/; HttpOnly; SameSite=Lax"


async def test_on_https_both_cookies_are_secure_and_the_binding_belongs_to_this_host_only(tmp_path: Path) -> None:
    desk = Desk([password_method(user_file(tmp_path, "ann"))], secure=True, public_origins=("https://bi.example.com",))
    async with open_site(desk) as site:
        browser = site.browser()
        form = await browser.get(LOGIN)
        reply = await browser.log_in()
    assert form.set_cookies[0].startswith("__Host-qproxy-login=")
    assert form.set_cookies[0].endswith("; Path=/; HttpOnly; Secure; SameSite=Lax")
    assert session_cookie(reply).endswith("; Path=/; HttpOnly; Secure; SameSite=Lax")
    assert reply.location == "https://bi.example.com/sales/hub/"


async def test_embedded_both_cookies_reach_a_foreign_frame(tmp_path: Path) -> None:
    desk = Desk([password_method(user_file(tmp_path, "ann"))], secure=True, same_site="none")
    desk.frame_ancestors = ["https://portal.example"]
    async with open_site(desk) as site:
        browser = site.browser()
        form = await browser.get(LOGIN)
        reply = await browser.log_in()
    assert form.set_cookies[0].endswith("SameSite=None")
    assert session_cookie(reply).endswith("SameSite=None")
    assert form.headers["Content-Security-Policy"].endswith("frame-ancestors 'self' https://portal.example")


async def test_the_session_is_the_persons_as_the_file_writes_the_name(site: Site) -> None:
    await site.browser().log_in(name="ANN ")
    [session] = site.desk.sessions.values()
    assert session.user == User("ACME", "ann")


async def test_each_login_gets_a_new_session_id_and_ends_the_one_before(site: Site) -> None:
    browser = site.browser()
    await browser.log_in()
    [first] = site.desk.sessions
    await browser.log_in(deep(relogin=True))
    assert first not in site.desk.sessions
    assert site.desk.ended == [(first, End.REPLACED)]
    assert list(site.desk.sessions) == [browser.cookies["X-Qlik-Session-sales"]]


async def test_a_session_id_that_the_browser_brought_along_is_never_adopted(site: Site) -> None:
    browser = site.browser()
    browser.cookies["X-Qlik-Session-sales"] = "chosen-by-somebody-else"
    await browser.log_in()
    assert "chosen-by-somebody-else" not in site.desk.sessions
    assert site.desk.ended == []


async def test_a_session_that_qlik_made_is_no_login_and_ends_with_one(site: Site) -> None:
    browser = site.browser()
    anonymous = Session("anonymous-id", "sales", User("NONE", "anonymous1"), Attributes(), 0, 0, by_qlik=True)
    site.desk.sessions[anonymous.id] = anonymous
    browser.cookies["X-Qlik-Session-sales"] = anonymous.id
    assert (await browser.log_in()).status == 303
    assert site.desk.ended == [("anonymous-id", End.REPLACED)]


async def test_who_is_logged_in_is_sent_straight_on(site: Site) -> None:
    browser = site.browser()
    await browser.log_in()
    reply = await browser.get(deep())
    assert (reply.status, reply.location) == (303, "http://bi.example.com" + SHEET.decode())


async def test_who_sends_two_session_cookies_is_not_taken_to_be_logged_in(site: Site) -> None:
    browser = site.browser()
    await browser.log_in()
    both = f"X-Qlik-Session-sales=tossed; X-Qlik-Session-sales={browser.cookies['X-Qlik-Session-sales']}"
    assert (await browser.get(LOGIN, {"Cookie": both})).status == 200


async def test_who_qlik_did_not_accept_is_asked_again_although_logged_in(site: Site) -> None:
    browser = site.browser()
    await browser.log_in()
    page = await browser.get(deep(relogin=True))
    assert page.status == 200
    assert "did not accept" in page.message


# --- QPS forgot a session that lives here, or somebody says so ---


async def renewed(site: Site, login: str) -> Reply:
    browser = site.browser()
    await browser.log_in()
    site.desk.renewed.clear()
    return await browser.get(login)


async def test_qlik_is_told_again_of_whom_it_forgot_and_the_person_goes_on(site: Site) -> None:
    reply = await renewed(site, DeepLinks(KEYS).renewal("sales", "/sales", SHEET))
    assert (reply.status, reply.location) == (303, ORIGIN + SHEET.decode())
    assert site.desk.renewed == [(next(iter(site.desk.sessions)), True)]


async def test_what_anybody_can_write_is_told_as_a_mere_claim(site: Site) -> None:
    reply = await renewed(site, "/qproxy/login/sales?targetId=t-1")
    assert (reply.status, reply.location) == (303, f"{ORIGIN}/sales/hub/")
    assert [sure for _, sure in site.desk.renewed] == [False]


async def test_whose_session_is_over_meanwhile_logs_in_and_comes_to_the_same_place(site: Site) -> None:
    reply = await site.browser().log_in(DeepLinks(KEYS).renewal("sales", "/sales", SHEET))
    assert reply.location == ORIGIN + SHEET.decode()


@pytest.mark.parametrize(
    "query", ["", "?state=x&targetId=t-1", "?targetId=", "?targetId=a%20b", "?targetId=" + "x" * 65]
)
async def test_nothing_is_renewed_without_a_reason(site: Site, query: str) -> None:
    assert (await renewed(site, f"/qproxy/login/sales{query}")).status == 303
    assert site.desk.renewed == []


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (f"{ORIGIN}/sales/sense/app/a?x=%2F#sheet", "/sales/sense/app/a?x=%2F"),
        (f"{ORIGIN}/sales/å", "/sales/hub/"),
        (f"{ORIGIN}/finance/hub/", "/sales/hub/"),
        (f"{ORIGIN}.evil.test/sales/", "/sales/hub/"),
        (f"{ORIGIN}@evil.test/sales/", "/sales/hub/"),
        (f"{ORIGIN}/sales//evil.test/", "/sales/hub/"),
        (f"{ORIGIN}/sales/\r\nSet-Cookie: a=b", "/sales/hub/"),
        (f"{ORIGIN}/sales/日本", "/sales/hub/"),
        ("//evil.test/sales/", "/sales/hub/"),
        ("javascript:alert(1)", "/sales/hub/"),
    ],
)
async def test_what_qlik_says_a_target_id_stands_for_is_judged(site: Site, target: str, location: str) -> None:
    site.desk.targets["t-1"] = target
    reply = await site.browser().log_in("/qproxy/login/sales?targetId=t-1&proxyRestUri=https%3a%2f%2fevil.test%2f")
    assert reply.location == ORIGIN + location


async def test_a_session_made_by_a_relogin_says_so(site: Site) -> None:
    await site.browser().log_in(deep(relogin=True))
    [session] = site.desk.sessions.values()
    assert session.relogin


@pytest.mark.parametrize("state", ["x", "%00", "A" * 200, "=", "a=b&state=c", "%F0%9F"])
async def test_a_damaged_state_means_the_hub_and_no_error(site: Site, state: str) -> None:
    reply = await site.browser().log_in(f"{LOGIN}?state={state}")
    assert (reply.status, reply.location) == (303, "http://bi.example.com/sales/hub/")


async def test_a_wrong_password_and_an_unknown_name_get_the_same_page(site: Site) -> None:
    known = await site.browser().log_in(name="ann", password="wrong")
    unknown = await site.browser().log_in(name="eve", password="wrong")
    assert known.status == unknown.status == 403
    assert known.text.replace(known.token, "").replace("ann", "eve") == unknown.text.replace(unknown.token, "")


async def test_a_refused_login_keeps_the_typed_name_and_forgets_the_password(site: Site) -> None:
    page = await site.browser().log_in(name='ann" autofocus onfocus="x', password="hunter2-hunter2")
    assert 'value="ann&#34; autofocus onfocus=&#34;x"' in page.text
    assert "hunter2" not in page.text
    assert page.message == "The user name or the password is not right."


async def test_a_refused_login_can_be_repeated_on_the_same_page(site: Site) -> None:
    browser = site.browser()
    page = await browser.log_in(deep(), password="wrong")
    reply = await browser.post(deep(), {"token": page.token, "name": "ann", "password": PASSWORD})
    assert reply.status == 303


async def test_after_too_many_tries_the_page_says_when_to_come_back(site: Site) -> None:
    browser = site.browser()
    replies = [await browser.log_in(password="wrong") for _ in range(6)]
    assert [reply.status for reply in replies] == [403] * 5 + [429]
    assert replies[-1].headers["Retry-After"] == "1"


async def test_an_unreadable_file_of_users_is_our_trouble_not_the_persons(site: Site, tmp_path: Path) -> None:
    (tmp_path / "users").unlink()
    reply = await site.browser().log_in()
    assert (reply.status, reply.message) == (
        503,
        "Logging in is not possible at the moment. Please tell your administrator.",
    )


async def test_a_store_that_cannot_be_asked_gives_a_failure_page_and_keeps_the_old_session(site: Site) -> None:
    browser = site.browser()
    await browser.log_in()
    form = await browser.get(deep(relogin=True))
    site.desk.broken = Refused(Failure.STORE_UNAVAILABLE, "locked")
    reply = await browser.post(deep(relogin=True), {"token": form.token, "name": "ann", "password": PASSWORD})
    assert reply.status == 503
    assert "store_unavailable" in reply.text
    assert site.desk.ended == []


async def test_several_tabs_do_not_disturb_each_other(site: Site) -> None:
    browser = site.browser()
    urls = [deep(b"/sales/sense/app/%d?tab" % number) for number in range(5)]
    forms = [await browser.get(url) for url in urls]
    for url, form in reversed(list(zip(urls, forms, strict=True))):
        reply = await browser.post(url, {"token": form.token, "name": "ann", "password": PASSWORD})
        assert reply.location == f"http://bi.example.com/sales/sense/app/{urls.index(url)}?tab"
    assert len(site.desk.sessions) == 1


async def test_two_virtual_proxies_keep_two_identities_in_one_browser(tmp_path: Path) -> None:
    method = password_method(user_file(tmp_path, "ann", "bob"))
    finance = Desk([method], "finance", "", cookie_name="X-Qlik-Session-finance")
    async with open_site(Desk([method]), finance) as site:
        browser = site.browser()
        await browser.log_in("/qproxy/login/sales", "ann")
        reply = await browser.log_in("/qproxy/login/finance", "bob")
    assert reply.location == "http://bi.example.com/hub/"
    assert [session.user.id for session in site.desk.sessions.values()] == ["ann"]
    assert [session.user.id for session in finance.sessions.values()] == ["bob"]


async def test_a_login_at_another_public_name_stays_at_that_name(site: Site) -> None:
    site.desk.public_origins = ("http://bi.example.com", "http://bi.example.net:8080")
    browser = site.browser()
    here = {"Host": "BI.example.net:8080", "Origin": "http://bi.example.net:8080"}
    form = await browser.get(LOGIN, here)
    reply = await browser.post(LOGIN, {"token": form.token, "name": "ann", "password": PASSWORD}, here)
    assert reply.location == "http://bi.example.net:8080/sales/hub/"


async def test_the_audit_log_hears_of_each_try_and_of_no_password(site: Site) -> None:
    await site.browser().log_in(name="ann\x1b[31m\n", password="wrong-canary")
    await site.browser().log_in()
    refused, accepted = site.desk.events
    assert (refused.outcome, refused.user, refused.address) == ("wrong", "ann?[31m?", "127.0.0.1")
    assert (accepted.outcome, accepted.user, accepted.method) == ("accepted", "ACME\\ann", "password_file")
    assert "canary" not in repr(site.desk.events)
    assert next(iter(site.desk.sessions)) not in repr(site.desk.events)


class Elsewhere(Method):
    """A method that sends people away and takes who comes back with a code."""

    name = "elsewhere"

    async def step(self, request: LoginRequest) -> Answer:
        if request.form:
            return Ask((Field("code", "The code from your telephone"),), "Not that one.")
        if "code" in request.query:
            return Accept(request.query["code"], "IDP", Attributes((("Group", "Sales"),)))
        return Send("https://idp.example/authorize?client=1")

    async def close(self) -> None:
        return None


async def test_a_method_may_send_the_browser_elsewhere_and_take_it_back() -> None:
    async with open_site(Desk([Elsewhere()])) as site:
        browser = site.browser()
        away = await browser.get(LOGIN)
        back = await browser.get(f"{LOGIN}?code=ann")
        [session] = site.desk.sessions.values()
    assert (away.status, away.location) == (303, "https://idp.example/authorize?client=1")
    assert (back.status, session.user) == (303, User("IDP", "ann"))
    assert session.attributes.pairs == (("Group", "Sales"),)


async def test_a_method_that_names_whom_qlik_would_refuse_logs_nobody_in() -> None:
    async with open_site(Desk([Elsewhere()])) as site:
        reply = await site.browser().get(f"{LOGIN}?code=a%5Cb")
    assert reply.status == 403
    assert site.desk.sessions == {}


async def test_the_form_says_which_of_several_methods_it_belongs_to(tmp_path: Path) -> None:
    passwords = password_method(user_file(tmp_path, "ann"))
    async with open_site(Desk([passwords, Elsewhere()])) as site:
        browser = site.browser()
        page = await browser.get(f"{LOGIN}?login=password_file")
        reply = await browser.post(LOGIN, {"token": page.token, "method": "elsewhere"})
    assert 'name="method" value="password_file"' in page.text
    assert "The code from your telephone" in reply.text


def test_a_visit_shows_no_secret_when_printed() -> None:
    request = LoginRequest("sales", "127.0.0.1", {"password": "canary"}, {"code": "canary"})
    assert "canary" not in repr(request)


async def test_ten_thousand_begun_logins_leave_nothing_in_memory(site: Site) -> None:
    browser = site.browser()
    await begin_logins(browser, 1_000)
    before = len(gc.get_objects())
    await begin_logins(browser, 9_000)
    assert len(gc.get_objects()) - before < 100


async def begin_logins(browser: Browser, count: int) -> None:
    for number in range(count):
        browser.cookies.clear()
        await browser.get(deep(b"/sales/app/%d" % number))
    gc.collect()
