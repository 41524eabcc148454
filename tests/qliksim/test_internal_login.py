"""The node's own login pages, where a person lands whom a proxy has let down."""

from urllib.parse import urlsplit

from aiohttp import FormData
from qliksim.node_site import Answer, Site, site

from qproxy.qliksim.internal_login import PASSWORD

INTERNAL = {"redirect_uri": ""}
NTLM = {"User-Agent": "Windows"}


def relative(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


async def sent_to(it: Site, headers: dict[str, str] | None = None) -> str:
    return relative((await it.ask("/sso/hub/?q=1", headers=headers)).headers["Location"])


async def fill_in(it: Site, page: str, password: str) -> Answer:
    return await it.ask(page, method="POST", data=FormData({"username": "DOM\\kim", "pwd": password}))


async def test_a_login_page_without_a_target_cannot_know_its_virtual_proxy() -> None:
    async with site() as it:
        answer = await it.ask("/sso/internal_forms_authentication/")
    assert answer.status == 400
    assert answer.body.startswith(b"Virtual proxy not possible to determine")


async def test_the_form_asks_for_name_and_password() -> None:
    async with site(vp=INTERNAL) as it:
        answer = await it.ask(await sent_to(it))
    assert answer.status == 200
    assert b'name="username"' in answer.body
    assert b'name="pwd"' in answer.body


async def test_a_filled_in_form_leads_back_with_a_ticket() -> None:
    async with site(vp=INTERNAL) as it:
        answer = await fill_in(it, await sent_to(it), PASSWORD)
        there = answer.headers["Location"]
        assert there.startswith(f"{it.node.http_url}/sso/hub/?q=1&qlikTicket=")
        assert (await it.ask(relative(there))).status == 200
        assert it.node.sessions("sso")[0].owner == ("DOM", "kim")


async def test_a_wrong_password_shows_the_form_again() -> None:
    async with site(vp=INTERNAL) as it:
        assert (await fill_in(it, await sent_to(it), "wrong")).status == 200


async def test_the_windows_page_asks_for_ntlm() -> None:
    async with site(vp=INTERNAL) as it:
        answer = await it.ask(await sent_to(it, NTLM))
    assert answer.status == 401
    assert answer.headers.getall("WWW-Authenticate") == ["Negotiate", "NTLM"]


async def test_a_windows_login_leads_back_with_a_ticket() -> None:
    async with site(vp=INTERNAL) as it:
        answer = await it.ask(await sent_to(it, NTLM), headers={"X-Test-Windows-User": "DOM\\kim"})
    assert answer.status == 302
    assert "&qlikTicket=" in answer.headers["Location"]


async def test_the_legacy_port_serves_the_same_pages() -> None:
    async with site(vp=INTERNAL, release="2.x", legacy_auth_port=0) as it:
        query = urlsplit((await it.ask("/sso/hub/")).headers["Location"]).query
        url = f"{it.node.legacy_url}/windows_authentication/?{query}"
        async with it.client.get(url, headers={"X-Test-Windows-User": "DOM\\kim"}, allow_redirects=False) as reply:
            assert "qlikTicket=" in reply.headers["Location"]


async def test_the_legacy_port_knows_no_unknown_target() -> None:
    async with (
        site(release="2.x", legacy_auth_port=0) as it,
        it.client.get(f"{it.node.legacy_url}/form/?targetID=x") as reply,
    ):
        assert reply.status == 400
