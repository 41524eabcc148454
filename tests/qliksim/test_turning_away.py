"""The redirects to a login in their four shapes, and what other requests of nobody get."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest
from qliksim.node_site import Site, site

from qproxy.qliksim.turning_away import quote_lower

INTERNAL = {"redirect_uri": ""}


async def location(it: Site, path: str = "/sso/hub/", headers: dict[str, str] | None = None) -> str:
    answer = await it.ask(path, headers=headers)
    assert answer.status == 302
    return answer.headers["Location"]


async def test_an_external_login_gets_the_target_and_the_rest_address_in_lower_case_escapes() -> None:
    async with site() as it:
        there = await location(it)
    assert there.startswith("https://bi.test/login/sso?targetId=")
    assert there.endswith("&proxyRestUri=https%3a%2f%2fqlik1.internal%3a4243%2fqps%2fsso%2f")


async def test_a_login_address_with_a_query_is_continued() -> None:
    async with site(vp={"redirect_uri": "https://bi.test/login?vp=sso"}) as it:
        assert (await location(it)).startswith("https://bi.test/login?vp=sso&targetId=")


async def test_the_target_remembers_where_the_person_wanted_to_go() -> None:
    async with site() as it:
        query = parse_qs(urlsplit(await location(it, "/sso/sense/app/x?a=%20b")).query)
        assert it.node.vp("sso").targets[query["targetId"][0]] == f"{it.node.http_url}/sso/sense/app/x?a=%20b"


async def test_a_reload_address_is_the_target_when_given() -> None:
    async with site() as it:
        query = parse_qs(urlsplit(await location(it, "/sso/app/x?reloadUri=https%3A%2F%2Fbi.test%2Fsso")).query)
        assert it.node.vp("sso").targets[query["targetId"][0]] == "https://bi.test/sso"


async def test_without_an_external_login_the_form_of_the_node_is_shown() -> None:
    async with site(vp=INTERNAL) as it:
        there = await location(it)
        assert there.startswith(f"{it.node.http_url}/sso/internal_forms_authentication/?targetId=")
    assert "proxyRestUri" not in there


async def test_windows_browsers_are_sent_to_windows_login() -> None:
    async with site(vp=INTERNAL) as it:
        there = await location(it, headers={"User-Agent": "Mozilla/5.0 (Windows NT 10.0)"})
    assert "/sso/internal_windows_authentication/?targetId=" in there


async def test_the_host_of_the_redirect_is_the_one_that_the_browser_used() -> None:
    async with site(vp=INTERNAL) as it:
        there = await location(it, headers={"Host": "bi.test"})
    assert there.startswith("http://bi.test/sso/")


async def test_very_old_releases_leave_for_another_port_and_the_machines_own_name() -> None:
    async with site(vp=INTERNAL, release="2.x") as it:
        there = await location(it)
    assert there.startswith("http://qlik1.internal:4248/windows_authentication/?targetID=")


async def test_only_get_and_head_may_start_a_login() -> None:
    async with site() as it:
        assert (await it.ask("/sso/hub/", method="HEAD")).status == 302
        assert (await it.ask("/sso/qrs/app/upload", method="POST", data=b"x")).status == 403


async def test_the_status_for_other_methods_is_a_toggle() -> None:
    async with site(toggles={"post_unauth": 401}) as it:
        assert (await it.ask("/sso/hub/", method="PUT")).status == 401


async def test_other_methods_may_be_sent_to_the_login_too() -> None:
    async with site(toggles={"post_unauth": 302}) as it:
        assert "targetId=" in (await it.ask("/sso/hub/", method="PUT")).headers["Location"]


@pytest.mark.parametrize("closes", [True, False])
async def test_the_connection_is_closed_unannounced_after_the_redirect(closes: bool) -> None:
    async with site(toggles={"close_after_302": closes}) as it:
        reader, writer = await asyncio.open_connection(*urlsplit(it.node.http_url or "").netloc.split(":"))
        request = b"GET /sso/hub/ HTTP/1.1\r\nHost: bi.test\r\n\r\n"
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.write(request)
        second = await asyncio.wait_for(reader.read(20), 5)
        writer.close()
    assert head.startswith(b"HTTP/1.1 302 Found\r\n")
    assert b"connection: close" not in head.lower()
    assert (second == b"") is closes


async def test_a_refused_upload_is_read_away_so_that_the_connection_can_go_on() -> None:
    async with site() as it:
        reader, writer = await asyncio.open_connection(*urlsplit(it.node.http_url or "").netloc.split(":"))
        writer.write(b"POST /sso/qrs/app/upload HTTP/1.1\r\nHost: bi.test\r\nContent-Length: 300000\r\n\r\n")
        refusal = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.write(bytes(300_000) + b"GET /sso/qps/user HTTP/1.1\r\nHost: bi.test\r\n\r\n")
        next_head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.close()
    assert (refusal[:12], next_head[:12]) == (b"HTTP/1.1 403", b"HTTP/1.1 200")


@pytest.mark.parametrize("mode", ["slow", "refused", "500", "html", "null", "empty"])
async def test_a_failing_module_leads_to_the_login_and_into_the_journal(mode: str) -> None:
    async with site() as it:
        it.node.fail_module(mode)
        assert (await it.ask("/sso/hub/", it.module.knows("john"))).status == 302
        [entry] = it.node.journal("module")
    assert (entry.status == 200) is (mode in ("html", "null", "empty"))
    assert ("module_error" in entry.note) is (mode in ("slow", "refused", "500"))


async def test_a_failing_module_may_be_shown_as_500() -> None:
    async with site(toggles={"module_error": "500"}) as it:
        it.node.fail_module("refused")
        assert (await it.ask("/sso/hub/", it.module.knows("john"))).status == 500


async def test_an_unknown_id_is_no_failure_of_the_module() -> None:
    async with site(toggles={"module_error": "500"}) as it:
        assert (await it.ask("/sso/hub/", "unknown")).status == 302


def test_escapes_are_in_lower_case() -> None:
    assert quote_lower("https://Ä/") == "https%3a%2f%2f%c3%84%2f"
