"""The order of Qlik's checks in front of any content."""

import pytest
from qliksim.node_site import COOKIE, LOGIN, SALES, site

from qproxy.qliksim import VirtualProxySettings

TWO = (
    VirtualProxySettings(host_allow=("127.0.0.1",)),
    VirtualProxySettings("off", "X-Qlik-Session-off", host_allow=("127.0.0.1",), linked=False),
)


async def test_an_unknown_prefix_gets_qliks_large_400_page() -> None:
    async with site() as it:
        answer = await it.ask("/nowhere/hub/")
    assert (answer.status, len(answer.body)) == (400, 88_000)
    assert b"The http request header is incorrect" in answer.body


async def test_a_virtual_proxy_that_is_not_linked_gets_the_same_page() -> None:
    async with site(virtual_proxies=TWO) as it:
        assert (await it.ask("/off/hub/")).status == 400


async def test_the_default_virtual_proxy_has_no_prefix() -> None:
    async with site(virtual_proxies=TWO) as it:
        assert (await it.ask("/hub/")).status == 302


async def test_a_host_outside_the_list_gets_the_same_page() -> None:
    async with site() as it:
        session = await it.log_in()
        answer = await it.ask("/sso/hub/", session, headers={"Host": "elsewhere.test"})
    assert answer.status == 400


async def test_the_toggle_turns_a_wrong_host_into_403() -> None:
    async with site(toggles={"host_mismatch": 403}) as it:
        assert (await it.ask("/sso/hub/", headers={"Host": "elsewhere.test"})).status == 403


@pytest.mark.parametrize("host", ["qlik1.internal", "QLIK1", "bi.test:8443"])
async def test_the_nodes_own_names_and_the_listed_hosts_are_fine(host: str) -> None:
    async with site() as it:
        assert (await it.ask("/sso/hub/", it.module.knows("john"), headers={"Host": host})).status == 200


async def test_more_than_16_kb_of_headers_is_refused() -> None:
    async with site() as it:
        headers = {f"X-Filler-{number}": "x" * 4000 for number in range(5)}
        assert (await it.ask("/sso/hub/", it.module.knows("john"), headers=headers)).status == 400


async def test_a_header_line_beyond_8_kb_is_refused() -> None:
    async with site() as it:
        assert (await it.ask("/sso/hub/", it.module.knows("john"), headers={"X-Long": "x" * 8200})).status == 400


async def test_a_head_just_below_the_limits_passes() -> None:
    async with site() as it:
        headers = {f"X-Filler-{number}": "x" * 8000 for number in range(2)}
        assert (await it.ask("/sso/hub/", it.module.knows("john"), headers=headers)).status == 200


@pytest.mark.parametrize("path", ["/sso", "/sso/"])
async def test_the_bare_prefix_leads_to_the_hub(path: str) -> None:
    async with site() as it:
        answer = await it.ask(path)
    assert (answer.status, answer.headers["Location"]) == (301, "/sso/hub/")


async def test_the_bare_host_leads_to_the_hub_of_the_default_virtual_proxy() -> None:
    async with site(virtual_proxies=TWO) as it:
        answer = await it.ask("/")
    assert (answer.status, answer.headers["Location"]) == (301, "/hub/")


async def test_additional_headers_and_qliks_server_header_are_on_each_answer() -> None:
    async with site(vp={"extra_headers": (("Strict-Transport-Security", "max-age=1"),)}) as it:
        answer = await it.ask("/sso/hub/")
    assert answer.headers["Server"] == "Microsoft-HTTPAPI/2.0"
    assert answer.headers["Strict-Transport-Security"] == "max-age=1"


async def test_a_request_keeps_its_session_alive() -> None:
    async with site() as it:
        session = await it.log_in()
        it.clock.now += 1000
        await it.ask("/sso/hub/", session)
        assert it.node.sessions("sso")[0].touched == it.clock.now


async def test_the_journal_has_target_and_headers_byte_for_byte() -> None:
    async with site() as it:
        await it.ask("/sso/echo/%2Fa%3b;+?x=%20&&y", headers={"x-CaSe": "a  b"})
        [entry] = it.node.journal("http")
    assert (entry.line, entry.status) == ("GET /sso/echo/%2Fa%3b;+?x=%20&&y HTTP/1.1", 302)
    assert ("x-CaSe", "a  b") in entry.headers


async def test_an_unknown_area_is_404_for_who_is_logged_in() -> None:
    async with site() as it:
        assert (await it.ask("/sso/what/ever", await it.log_in())).status == 404


async def test_nobody_is_sent_to_the_login_whatever_the_area() -> None:
    async with site() as it:
        answer = await it.ask("/sso/what/ever")
    assert answer.status == 302
    assert answer.headers["Location"].startswith(LOGIN)


async def test_open_debugging_pages_need_no_session() -> None:
    async with site(toggles={"debug": "open"}) as it:
        assert (await it.ask("/sso/echo")).status == 200
        assert (await it.ask("/sso/hub/")).status == 302


async def test_apps_are_shown_in_the_hub() -> None:
    async with site() as it:
        answer = await it.ask("/sso/hub/", await it.log_in())
    assert f'href="/sso/sense/app/{SALES.id}"'.encode() in answer.body


async def test_the_cookie_of_another_name_is_no_session() -> None:
    async with site() as it:
        session = await it.log_in()
        answer = await it.ask("/sso/hub/", headers={"Cookie": f"{COOKIE}-other={session}; a=b"})
    assert answer.status == 302
