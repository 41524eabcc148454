"""Who is asking: module sessions, tickets, headers, anonymous people, in Qlik's order."""

import asyncio
import re

import pytest
from qliksim.node_site import COOKIE, Site, site

ANONYMOUS = {"anonymous": "allow"}
STATIC = {"auth": "header_static", "header_name": "hdr-usr", "static_dir": "LAB"}


async def owner(it: Site, session: str = "", headers: dict[str, str] | None = None) -> str:
    who = (await it.ask("/sso/qps/user", session, headers=headers)).json()
    return f"{who['userDirectory']}\\{who['userId']}"


async def test_the_module_is_asked_for_an_id_and_its_user_is_in() -> None:
    async with site() as it:
        assert await owner(it, it.module.knows("john")) == "SSO\\john"
        assert it.module.calls() == ["GET /session/id-of-john"]


async def test_a_validated_session_is_not_asked_for_again() -> None:
    async with site() as it:
        session = await it.log_in()
        await it.ask("/sso/hub/", session)
        assert len(it.module.heard) == 1


async def test_parallel_first_requests_each_ask_and_share_one_session() -> None:
    async with site() as it:
        session = it.module.knows("john")
        await asyncio.gather(*(it.ask("/sso/hub/", session) for _ in range(5)))
        assert it.module.calls() == ["GET /session/id-of-john"] * 5
        assert len(it.node.sessions("sso")) == 1


async def test_the_cache_may_have_a_lifetime() -> None:
    async with site(toggles={"cache_ttl_s": 60.0}) as it:
        session = await it.log_in()
        it.clock.now += 61
        await it.ask("/sso/hub/", session)
        assert len(it.module.heard) == 2


async def test_a_session_that_the_module_no_longer_knows_ends_with_the_caches_lifetime() -> None:
    async with site(toggles={"cache_ttl_s": 60.0}) as it:
        session = await it.log_in()
        it.module.sessions.clear()
        it.clock.now += 61
        assert (await it.ask("/sso/hub/", session)).status == 302
        assert it.node.sessions("sso") == []


async def test_keys_in_camel_case_and_padded_names_are_understood() -> None:
    async with site() as it:
        it.module.sessions["x"] = {"userDirectory": " SSO ", "userId": "john ", "sessionId": "x"}
        assert await owner(it, "x") == "SSO\\john"


@pytest.mark.parametrize("attributes", [None, [], {"a": "b"}, [{"Group": "A", "Team": "B"}, "odd"]])
async def test_odd_attributes_do_no_harm(attributes: object) -> None:
    async with site() as it:
        it.module.sessions["x"] = {"UserDirectory": "SSO", "UserId": "john", "Attributes": attributes}
        assert (await it.ask("/sso/hub/", "x")).status == 200


async def test_on_plain_http_the_cookies_name_has_a_suffix() -> None:
    async with site() as it:
        session = it.module.knows("john")
        plain = await it.ask("/sso/hub/", headers={"Cookie": f"X-Qlik-Session-sso={session}"})
        suffixed = await it.ask("/sso/hub/", headers={"Cookie": f"{COOKIE}={session}"})
    assert (plain.status, suffixed.status) == (302, 200)


async def test_releases_before_february_2019_have_no_suffix() -> None:
    async with site(release="2018") as it:
        session = it.module.knows("john")
        answer = await it.ask("/sso/hub/", headers={"Cookie": f"X-Qlik-Session-sso={session}"})
    assert answer.status == 200


async def test_the_suffix_can_be_switched_off() -> None:
    async with site(toggles={"http_cookie_suffix": False}) as it:
        session = it.module.knows("john")
        answer = await it.ask("/sso/hub/", headers={"Cookie": f"X-Qlik-Session-sso={session}"})
    assert answer.status == 200


async def test_without_a_cookie_an_anonymous_session_begins_and_the_module_is_told() -> None:
    async with site(vp=ANONYMOUS) as it:
        answer = await it.ask("/sso/hub/")
        [call] = it.module.heard
    assert re.fullmatch(rf"{COOKIE}=[0-9a-f-]{{36}}; Path=/; HttpOnly", answer.headers["Set-Cookie"])
    assert call.json()["UserDirectory"] == "NONE"
    assert call.json()["UserId"].startswith("anonymous")


async def test_the_cookie_of_a_new_session_works() -> None:
    async with site(vp=ANONYMOUS) as it:
        cookie = (await it.ask("/sso/hub/")).headers["Set-Cookie"].partition(";")[0]
        answer = await it.ask("/sso/hub/", headers={"Cookie": cookie})
        assert len(it.node.sessions("sso")) == 1
    assert "Set-Cookie" not in answer.headers


async def test_a_stale_id_is_sent_to_the_login_even_where_anonymous_people_are_allowed() -> None:
    async with site(vp=ANONYMOUS) as it:
        assert (await it.ask("/sso/hub/", "stale")).status == 302


async def test_always_anonymous_takes_a_stale_id_too() -> None:
    async with site(vp={"anonymous": "always"}) as it:
        assert (await it.ask("/sso/hub/", "stale")).status == 200


async def test_a_login_can_be_forced_where_anonymous_people_are_allowed() -> None:
    async with site(vp=ANONYMOUS) as it:
        assert (await it.ask("/sso/hub/?forceauthentication=yes")).status == 302


async def test_a_header_names_the_user_in_a_fixed_directory() -> None:
    async with site(vp=STATIC) as it:
        assert await owner(it, headers={"hdr-usr": "kim"}) == "LAB\\kim"


async def test_a_header_may_name_directory_and_user() -> None:
    async with site(vp={"auth": "header_dynamic", "header_name": "userid"}) as it:
        assert await owner(it, headers={"userid": "DOM\\kim"}) == "DOM\\kim"


async def test_a_header_with_another_name_than_the_sessions_begins_a_new_session() -> None:
    async with site(vp=STATIC) as it:
        cookie = (await it.ask("/sso/hub/", headers={"hdr-usr": "kim"})).headers["Set-Cookie"].partition(";")[0]
        assert await owner(it, headers={"hdr-usr": "kim", "Cookie": cookie}) == "LAB\\kim"
        assert await owner(it, headers={"hdr-usr": "lee", "Cookie": cookie}) == "LAB\\lee"
        assert len(it.node.sessions("sso")) == 2


async def test_the_header_means_nothing_where_header_login_is_off() -> None:
    async with site(vp={"header_name": "hdr-usr"}) as it:
        assert (await it.ask("/sso/hub/", headers={"hdr-usr": "kim"})).status == 302


async def test_header_sessions_are_not_mirrored_when_the_toggle_is_off() -> None:
    async with site(vp=STATIC, toggles={"mirror_api_sessions": False}) as it:
        await it.ask("/sso/hub/", headers={"hdr-usr": "kim"})
        assert it.module.heard == []


async def test_a_ticket_opens_a_session_on_any_page() -> None:
    async with site() as it:
        ticket = it.node.vp("sso").issue_ticket(("SSO", "john"), [])
        answer = await it.ask(f"/sso/content/default/a.svg?QlikTicket={ticket.id}")
        assert it.node.sessions("sso")[0].source == "ticket"
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/svg+xml")
    assert "Set-Cookie" in answer.headers


async def test_a_ticket_works_once() -> None:
    async with site() as it:
        ticket = it.node.vp("sso").issue_ticket(("SSO", "john"), [])
        await it.ask(f"/sso/hub/?qlikTicket={ticket.id}")
        assert (await it.ask(f"/sso/hub/?qlikTicket={ticket.id}")).status == 302


async def test_a_ticket_is_worthless_after_a_minute() -> None:
    async with site() as it:
        ticket = it.node.vp("sso").issue_ticket(("SSO", "john"), [])
        it.clock.now += 60
        assert (await it.ask(f"/sso/hub/?qlikTicket={ticket.id}")).status == 302


async def test_cookie_attributes_are_as_configured() -> None:
    async with site(vp={"anonymous": "allow", "samesite": "None", "cookie_domain": ".bi.test"}) as it:
        cookie = (await it.ask("/sso/hub/")).headers["Set-Cookie"]
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=None; Domain=.bi.test")
