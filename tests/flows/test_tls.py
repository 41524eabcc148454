"""https on every side: the pinned authority and nothing else, and the cookie's name that follows from it."""

import ssl
from pathlib import Path

import aiohttp
import pytest
import trustme
from a_site import PASSWORD, Site, call, greeting, site
from site_plan import MACHINE

PROGRAM = {"Accept": "application/json"}


def session_cookies(site: Site) -> set[str]:
    sent = [entry.header("Cookie") or "" for entry in site.node.journal("http")]
    return {pair.partition("=")[0] for line in sent for pair in line.split("; ") if pair.startswith("X-Qlik")}


async def test_towards_qlik_over_https_the_cookie_has_the_name_of_the_qmc(tls: Site) -> None:
    person = tls.browser()
    await tls.log_in(person)
    assert await tls.status(person, "/sales/hub/") == 200
    assert session_cookies(tls) == {"X-Qlik-Session-sales"}
    assert tls.cookie(person, "X-Qlik-Session-sales")


async def test_towards_qlik_over_http_the_cookie_has_the_suffix_that_qlik_adds(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    assert await qlik.status(person, "/sales/hub/") == 200
    assert session_cookies(qlik) == {"X-Qlik-Session-sales-HTTP"}


async def test_a_whole_evening_over_https_and_secure_sockets(tls: Site) -> None:
    person = tls.browser()
    assert await tls.log_in(person, "/sales/hub/?x=%2F") == f"{tls.origin}/sales/hub/?x=%2F"
    async with tls.engine(person) as ws:
        await greeting(ws)
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=ann"
    assert {entry.status for entry in tls.node.journal("module")} == {200}
    await tls.log_out(person)
    assert await tls.status(person, "/sales/hub/") == 302
    assert not [text for text in tls.seen if "http://" in text or MACHINE in text]


async def test_qlik_learns_that_the_person_came_by_https(tls: Site) -> None:
    person = tls.browser()
    await tls.log_in(person)
    headers = dict((await tls.echo(person))["headers"])
    assert headers["X-Forwarded-Proto"] == "https"
    assert headers["Host"] == tls.origin.removeprefix("https://")


async def test_a_large_download_crosses_both_tls_sides_whole(tls: Site) -> None:
    person = tls.browser()
    await tls.log_in(person)
    async with person.get("/sales/tempcontent/big?bytes=20000000") as answer:
        assert len(await answer.read()) == 20_000_000


async def refused_by(qlik: Site) -> str:
    """The failure word with which a logged-in program is turned down."""
    person = qlik.browser()
    await qlik.log_in(person)
    async with person.get("/sales/hub/", headers=PROGRAM) as answer:
        assert answer.status == 502
        return str((await answer.json())["error"])


async def test_a_node_whose_certificate_another_authority_made_is_not_believed(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    async with site(tmp_path, tls=True, vp=f"upstream_tls: {{ca: {tmp_path}/other.pem}}") as qlik:
        assert await refused_by(qlik) == "upstream_tls"
        async with qlik.people[0].get("/sales/hub/") as page:
            assert "text/html" in page.headers["Content-Type"]
            assert "upstream_tls" in await page.text()
    assert qlik.node.journal("http") == []


async def test_a_node_with_another_name_in_its_certificate_is_not_believed(tmp_path: Path) -> None:
    async with site(tmp_path, tls=True, vp="upstream_tls: {server_name: qlik2.internal}") as qlik:
        assert await refused_by(qlik) == "upstream_tls"


async def test_the_session_module_asks_for_a_certificate_of_the_sites_authority(tls: Site) -> None:
    person = tls.browser()
    await tls.log_in(person)
    assert tls.certificates is not None
    target = f"{tls.internal}/session-module/sales/session/{tls.cookie(person, 'X-Qlik-Session-sales')}"
    without = ssl.create_default_context(cafile=tls.certificates.root)
    for context, status in ((without, 403), (tls.certificates.of_client(), 200)):
        async with aiohttp.ClientSession() as caller, caller.get(target, ssl=context) as answer:
            assert answer.status == status


async def test_a_certificate_of_a_stranger_is_refused_by_the_handshake_itself(tls: Site) -> None:
    assert tls.certificates is not None
    context = ssl.create_default_context(cafile=tls.certificates.root)
    trustme.CA().issue_cert("QlikClient").configure_cert(context)
    with pytest.raises(aiohttp.ClientError):
        async with aiohttp.ClientSession() as caller, caller.get(f"{tls.internal}/readyz", ssl=context):
            pass


async def test_plain_http_on_the_https_port_gets_no_page(tls: Site) -> None:
    async with aiohttp.ClientSession() as caller:
        with pytest.raises(aiohttp.ClientError):
            await caller.get(tls.origin.replace("https:", "http:"))


async def test_a_password_is_posted_over_https_to_the_same_origin_only(tls: Site) -> None:
    person = tls.browser()
    form = await tls.form(person, "/qproxy/login/sales") | {"name": "ann", "password": PASSWORD}
    plain = {"Origin": tls.origin.replace("https:", "http:")}
    async with person.post("/qproxy/login/sales", data=form, headers=plain, allow_redirects=False) as answer:
        assert answer.status == 403
