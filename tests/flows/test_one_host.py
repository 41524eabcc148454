"""One host: whatever Qlik answers, no browser hears of a machine, a port of its own or its login pages."""

import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from a_site import APP, Site, greeting, site
from site_plan import MACHINE
from yarl import URL

from qproxy.qliksim import Toggles

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
LINUX = "Mozilla/5.0 (X11; Linux x86_64)"
BUILT_IN = {"qlik": {"redirect_uri": ""}}
LEGACY: dict[str, Any] = {
    **BUILT_IN,
    "node": {"release": "2.x", "legacy_auth_port": 0},
    "toggles": Toggles(http_cookie_suffix=True),
}
SHAPES = [
    pytest.param({}, LINUX, "/qproxy/login/sales?targetId=", id="our-own-login-with-a-targetId"),
    pytest.param(BUILT_IN, LINUX, "/sales/internal_forms_authentication/", id="forms-page"),
    pytest.param(BUILT_IN, WINDOWS, "/sales/internal_windows_authentication/", id="windows-page"),
    pytest.param(LEGACY, WINDOWS, f"http://{MACHINE}:4248/windows_authentication/", id="port-of-old-releases"),
    pytest.param(
        LEGACY | {"tls": True}, LINUX, f"https://{MACHINE}:4244/windows_authentication/", id="the-same-by-https"
    ),
]


def assert_one_host(qlik: Site) -> None:
    """In every URL and every header that came to a browser this evening."""
    port = URL(str(qlik.node.http_url)).port
    for text in qlik.seen:
        assert text.startswith(qlik.origin)
        assert not re.search(rf"qlik1\b|(:|%3a)(424[348]|{port})\b|_authentication|Domain=", text, re.IGNORECASE), text


async def spend_evening(qlik: Site, person: aiohttp.ClientSession, *, socket: bool = True) -> None:
    await qlik.log_in(person, f"/sales/sense/app/{APP}")
    for path in ("/sales", "/sales/", "/sales/hub/", "/sales/qps/user", "/sales/api/about/v1/language"):
        assert await qlik.status(person, path) in (200, 301)
    if socket:
        async with qlik.engine(person) as ws:
            await greeting(ws)
    await qlik.log_out(person)
    await qlik.status(person, "/sales/hub/")


async def test_no_address_of_a_machine_reaches_the_browser_in_a_whole_evening(qlik: Site) -> None:
    await spend_evening(qlik, qlik.browser())
    assert len(qlik.seen) >= 12
    assert_one_host(qlik)


@pytest.mark.parametrize("wishes", [BUILT_IN, LEGACY, LEGACY | {"tls": True}], ids=["built-in", "legacy", "legacy-tls"])
async def test_an_evening_looks_the_same_whatever_login_qlik_would_send_people_to(
    tmp_path: Path, wishes: dict[str, Any]
) -> None:
    async with site(tmp_path, **wishes) as qlik:
        await spend_evening(qlik, qlik.browser(), socket=wishes is BUILT_IN)
        assert_one_host(qlik)


@pytest.mark.parametrize(("wishes", "agent", "shape"), SHAPES)
async def test_each_way_of_qlik_to_refuse_a_session_leads_to_our_login_page(
    tmp_path: Path, wishes: dict[str, Any], agent: str, shape: str
) -> None:
    async with site(tmp_path, **wishes) as qlik:
        person = qlik.browser(**{"User-Agent": agent})
        await qlik.log_in(person)
        qlik.node.set_session_module("sales", "")
        async with person.get(f"/sales/sense/app/{APP}?x=1", allow_redirects=False) as answer:
            assert answer.status == 302
            assert answer.headers["Location"].startswith("/qproxy/login/sales?state=")
        assert_one_host(qlik)
        assert shape in await refusal_of(qlik, agent)


async def refusal_of(qlik: Site, agent: str) -> str:
    """What the node itself says to a stranger: proves that the case above was the one it is named after."""
    headers = {"Host": "localhost", "User-Agent": agent}
    secure: dict[str, Any] = {}
    if qlik.certificates is not None:
        secure = {"ssl": qlik.certificates.of_client(), "server_hostname": MACHINE}
    target = f"{qlik.node.https_url or qlik.node.http_url}/sales/hub/"
    async with (
        aiohttp.ClientSession() as direct,
        direct.get(target, headers=headers, allow_redirects=False, **secure) as answer,
    ):
        return answer.headers["Location"]


async def test_a_redirect_to_the_nodes_own_name_becomes_one_on_the_public_host(tmp_path: Path) -> None:
    extra = (("Content-Location", f"https://{MACHINE}/sales/hub/x?y=%2F"),)
    async with site(tmp_path, qlik={"extra_headers": extra}) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with person.get("/sales/hub/") as answer:
            assert answer.headers["Content-Location"] == f"{qlik.origin}/sales/hub/x?y=%2F"


async def test_qliks_own_login_pages_cannot_be_reached_at_all(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    for page in ("internal_forms_authentication/", "internal_windows_authentication/?targetId=1"):
        assert await qlik.status(person, f"/sales/{page}") == 302
    assert not [entry for entry in qlik.node.journal("http") if "authentication" in entry.target]


async def test_a_cookie_of_qlik_for_a_whole_domain_is_kept_to_the_public_host(tmp_path: Path) -> None:
    extra = (("Set-Cookie", "stats=1; Domain=example.com; Path=/; Secure"), ("Set-Cookie", "other=2; Path=/x"))
    async with site(tmp_path, qlik={"extra_headers": extra}) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with person.get("/sales/hub/") as answer:
            assert answer.headers.getall("Set-Cookie") == ["stats=1; Path=/; Secure", "other=2; Path=/x"]
