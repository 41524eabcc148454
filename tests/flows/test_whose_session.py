"""Whose session it is: one id a login, chosen by us alone, never overwritten by Qlik, never two at once."""

import asyncio
import re
from pathlib import Path

import aiohttp
from a_site import APP, Site, call, site
from flows.wire import wire

COOKIE = "X-Qlik-Session-sales-HTTP"
CHOSEN = "A" * 43


async def test_each_login_gets_a_new_id_of_256_random_bits(qlik: Site) -> None:
    ids = set()
    for _ in range(3):
        person = qlik.browser()
        await qlik.log_in(person)
        ids.add(qlik.cookie(person))
    assert len(ids) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", one) for one in ids)


async def test_an_id_that_the_browser_brings_along_is_never_adopted(qlik: Site) -> None:
    victim = qlik.browser()
    victim.cookie_jar.update_cookies({COOKIE: CHOSEN}, qlik.url("/"))
    await qlik.log_in(victim)
    assert qlik.cookie(victim) != CHOSEN
    assert await qlik.status(qlik.browser(), "/sales/hub/", headers={"Cookie": f"{COOKIE}={CHOSEN}"}) == 302


async def test_an_id_that_qlik_told_us_of_is_no_login_and_is_not_adopted_by_one(qlik: Site) -> None:
    told = {"UserDirectory": "SALES", "UserId": "ann", "Attributes": [], "SessionId": CHOSEN}
    target = f"{qlik.internal}/session-module/sales/session"
    async with aiohttp.ClientSession() as caller, caller.post(target, json=told) as answer:
        assert answer.status == 201
    person = qlik.browser()
    person.cookie_jar.update_cookies({COOKIE: CHOSEN}, qlik.url("/"))
    await qlik.log_in(person)
    assert qlik.cookie(person) != CHOSEN


async def test_a_second_login_in_the_same_browser_ends_the_first_session(qlik: Site) -> None:
    person = qlik.browser()
    async with person.get("/sales/hub/", allow_redirects=False) as turned_away:
        login = turned_away.headers["Location"]
    form = await qlik.form(person, login) | {"name": "bob", "password": "correct horse"}
    await qlik.log_in(person)
    first = qlik.cookie(person)
    assert await qlik.status(person, login, method="POST", data=form) == 303
    assert qlik.cookie(person) != first
    assert await qlik.status(qlik.browser(), "/sales/hub/", headers={"Cookie": f"{COOKIE}={first}"}) == 302
    async with qlik.engine(person) as ws:
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=bob"


async def test_the_cookie_is_for_the_whole_host_unseen_by_scripts_and_gone_with_the_browser(tls: Site) -> None:
    await tls.log_in(tls.browser())
    (line,) = [line for text in tls.seen for line in text.split("\n") if line.startswith("Set-Cookie: X-Qlik")]
    name, *attributes = line.removeprefix("Set-Cookie: ").split("; ")
    assert name.startswith("X-Qlik-Session-sales=")
    assert attributes == ["Path=/", "HttpOnly", "Secure", "SameSite=Lax"]


# --- two cookies of one name ---


async def test_of_two_cookies_of_the_name_the_living_one_counts_and_qlik_sees_it_alone(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    living = qlik.cookie(person)
    for pair in (f"{COOKIE}={CHOSEN}; a=1; {COOKIE}={living}", f"{COOKIE}={living}; a=1; {COOKIE}={CHOSEN}"):
        async with wire(qlik) as browser:
            assert (await browser.ask("GET /sales/echo", f"Cookie: {pair}")).status == 200
        sent = qlik.node.journal("http")[-1].header("Cookie") or ""
        assert sorted(sent.split("; ")) == sorted([f"{COOKIE}={living}", "a=1"])


async def test_two_living_sessions_at_once_are_refused_and_the_cookie_is_taken_away(qlik: Site) -> None:
    ann, bob = qlik.browser(), qlik.browser()
    await qlik.log_in(ann)
    await qlik.log_in(bob, name="bob")
    pair = f"{COOKIE}={qlik.cookie(ann)}; {COOKIE}={qlik.cookie(bob)}"
    async with wire(qlik) as browser:
        answer = await browser.ask("GET /sales/hub/", f"Cookie: {pair}")
    assert answer.status == 400
    assert answer.values("Set-Cookie") == [f"{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"]
    assert qlik.node.journal("http") == []


async def test_more_cookies_of_the_name_than_a_browser_has_are_refused(qlik: Site) -> None:
    flood = "; ".join(f"{COOKIE}={number:043d}" for number in range(50))
    async with wire(qlik) as browser:
        assert (await browser.ask("GET /sales/hub/", f"Cookie: {flood}")).status == 400


# --- sessions that Qlik makes ---


async def test_a_cookie_of_qlik_never_overwrites_ours(tmp_path: Path) -> None:
    async with site(tmp_path, qlik={"anonymous": "always"}) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        ours = qlik.cookie(person)
        qlik.node.set_session_module("sales", "")  # now Qlik takes the person for a stranger, and says so by a cookie
        async with person.get("/sales/hub/") as answer:
            assert (answer.status, answer.headers.getall("Set-Cookie", [])) == (200, [])
        assert [session.source for session in qlik.node.sessions("sales")] == ["anonymous"]
        assert qlik.cookie(person) == ours


async def test_a_flood_of_anonymous_sessions_does_not_disturb_the_login(tmp_path: Path) -> None:
    async with site(tmp_path, qlik={"anonymous": "allow"}) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        ours = qlik.cookie(person)
        for _ in range(20):
            qlik.node.forget_cache("sales")
            calls = await qlik.node.run_script("S1", vp="sales", session_id=ours)
            assert [(entry.method, entry.status) for entry in calls] == [("GET", 200), *[("POST", 201)] * 3]
        assert await qlik.status(person, "/sales/hub/") == 200
        assert [one.user for one in qlik.node.sessions("sales") if one.source == "module"] == ["ann"]
        assert qlik.cookie(person) == ours


async def test_anonymous_sessions_are_capped_and_the_newest_stay(tmp_path: Path) -> None:
    async with site(tmp_path, server="sessions: {by_qlik: {cap: 10}}", qlik={"anonymous": "allow"}) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        for _ in range(10):
            calls = await qlik.node.run_script("S1", vp="sales", session_id=qlik.cookie(person))
        assert await qlik.server.store.count("sales", True) <= 10
        newest = calls[-1].json()["SessionId"]
        assert await qlik.server.sessions.find("sales", newest) is not None
        assert await qlik.status(person, "/sales/hub/") == 200


async def test_anonymous_visitors_use_qlik_without_a_login_until_they_log_in(tmp_path: Path) -> None:
    async with site(tmp_path, vp="anonymous: allow", qlik={"anonymous": "allow"}) as qlik:
        person = qlik.browser()
        assert await qlik.status(person, "/sales/hub/") == 200
        theirs = qlik.cookie(person)
        assert qlik.node.sessions("sales")[0].id == theirs
        assert await qlik.fill_in(person, "/qproxy/login/sales") == f"{qlik.origin}/sales/hub/"
        assert qlik.cookie(person) != theirs
        async with qlik.engine(person, f"/sales/app/{APP}") as ws:
            assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=ann"


async def test_an_anonymous_visitor_whom_qlik_sends_to_the_login_gets_our_page(tmp_path: Path) -> None:
    async with site(tmp_path, vp="anonymous: allow", qlik={"anonymous": "allow"}) as qlik:
        person = qlik.browser()
        target = "/sales/hub/?forceauthentication=yes"
        assert await qlik.log_in(person, target) == qlik.origin + target
        assert await qlik.status(person, target) == 200


async def test_anonymous_visitors_open_sockets_and_stay_strangers(tmp_path: Path) -> None:
    async with site(tmp_path, vp="anonymous: allow", qlik={"anonymous": "allow"}) as qlik:
        person = qlik.browser()
        await qlik.status(person, "/sales/hub/")
        async with qlik.engine(person) as ws:
            who = (await call(ws, "GetAuthenticatedUser"))["qReturn"]
        assert who.startswith("UserDirectory=NONE; UserId=anonymous")


async def test_the_login_of_one_person_in_two_browsers_is_two_sessions(qlik: Site) -> None:
    first, second = qlik.browser(), qlik.browser()
    await asyncio.gather(qlik.log_in(first), qlik.log_in(second))
    await qlik.log_out(first)
    assert await qlik.status(second, "/sales/hub/") == 200
