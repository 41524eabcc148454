"""What nobody may do from outside: call the session module, claim to be somebody, act from another site."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from a_site import Site, site
from flows.wire import wire

COOKIE = "X-Qlik-Session-sales-HTTP"
PORTAL = "https://portal.example.com"
ECHO = "/sales/app/echo"

MODULE_SPELLINGS = [
    "/session-module/sales/session/{id}",
    "/session-module/sales/user/SALES/ann",
    "/SESSION-MODULE/sales/session/{id}",
    "//session-module/sales/session/{id}",
    "/session%2Dmodule/sales/session/{id}",
    "/session-module%2Fsales/session/{id}",
    "/%73ession-module/sales/session/{id}",
    "/sales/session-module/sales/session/{id}",
    "/sales/session/{id}",
    "/sales//session/{id}",
    "/sales/user/SALES/ann",
    "/sales/../session-module/sales/session/{id}",
    "/sales/..%2fsession-module/sales/session/{id}",
    "/sales/%2e%2e/session-module/sales/session/{id}",
    "/sales/..;/session-module/sales/session/{id}",
    "/sales/.%00./session-module/sales/session/{id}",
    "/sales\\..\\session-module/sales/session/{id}",
    "/qproxy/session-module/sales/session/{id}",
    "/qproxy/../session-module/sales/session/{id}",
    "/qproxy/session/{id}",
    "/qproxy/login/../session-module/sales/session/{id}",
    "/session/{id}",
    "/user/SALES/ann",
    "/metrics",
    "/livez",
    "/readyz",
    "/qproxy/metrics",
    "/qproxy/readyz",
    "http://{internal}/session-module/sales/session/{id}",
    "http://{host}/session-module/sales/session/{id}",
]
CLAIMS = [
    "X-Qlik-User: UserDirectory=INTERNAL; UserId=sa_repository",
    "x-qlik-user: UserDirectory=INTERNAL; UserId=sa_repository",
    "X-Qlik-Security: OS=Windows; Group=Admins",
    "X-Qlik-ProxySession: forged",
    "X-Qlik-ProxyId: forged",
    "X-Qlik-App: forged",
    "X-Qlik-Trace: forged",
    "X-Qlik-Capabilities: forged",
    "X-Forwarded-For: 10.0.0.1",
    "X-Forwarded-Host: elsewhere.test",
    "X-Forwarded-Proto: https",
    "X-Forwarded-User: admin",
    "X-Real-IP: 10.0.0.1",
    "Forwarded: for=10.0.0.1",
    "X-Original-URL: /qmc/",
    "X-Rewrite-URL: /qmc/",
    "X-HTTP-Method-Override: DELETE",
    "X-Qproxy-Client: 10.0.0.1",
    "X-Qproxy-Request: forged",
    "Remote-User: admin",
    "Proxy-Authorization: Basic Zm9yZ2Vk",
]


@pytest.fixture
async def portal(tmp_path: Path) -> AsyncIterator[Site]:
    """A site in which one other origin may use Qlik."""
    allowed = {"host_allow": ("localhost", "portal.example.com")}
    async with site(tmp_path, vp=f"allowed_origins: [{PORTAL}]", qlik=allowed) as built:
        yield built


async def line_of(qlik: Site) -> tuple[aiohttp.ClientSession, str]:
    person = qlik.browser()
    await qlik.log_in(person)
    return person, f"Cookie: {COOKIE}={qlik.cookie(person)}"


# --- the session module ---


@pytest.mark.parametrize("spelling", MODULE_SPELLINGS)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_the_session_module_cannot_be_reached_from_the_public_side(
    qlik: Site, method: str, spelling: str
) -> None:
    person, cookie = await line_of(qlik)
    names = {"id": qlik.cookie(person), "internal": qlik.internal.partition("//")[2], "host": qlik.origin[7:]}
    async with wire(qlik) as browser:
        answer = await browser.ask(f"{method} {spelling.format(**names)}", cookie, "Accept: application/json")
    assert answer.status in (400, 401, 403, 404, 405, 421)
    assert b"UserDirectory" not in answer.body
    assert await qlik.status(person, "/sales/hub/") == 200


@pytest.mark.parametrize("spelling", ["/session-module/sales/session", "/sales/session", "/session", "/qproxy/session"])
async def test_no_session_can_be_posted_from_the_public_side(qlik: Site, spelling: str) -> None:
    _, cookie = await line_of(qlik)
    forged = b'{"UserDirectory":"SALES","UserId":"admin","Attributes":[],"SessionId":"%s"}' % (b"F" * 43)
    async with wire(qlik) as browser:
        answer = await browser.ask(f"POST {spelling}", cookie, "Content-Type: application/json", body=forged)
    assert answer.status in (400, 401, 404, 405)
    assert await qlik.server.sessions.find("sales", "F" * 43) is None


async def test_a_browser_that_reaches_the_internal_listener_is_refused_there_too(qlik: Site) -> None:
    person, _ = await line_of(qlik)
    target = f"{qlik.internal}/session-module/sales/session/{qlik.cookie(person)}"
    async with person.get(target) as answer:  # a page of somebody who browses on the server itself
        assert answer.status == 403
        assert await answer.read() == b""


# --- claims ---


@pytest.mark.parametrize("claim", CLAIMS)
async def test_a_header_that_claims_an_identity_does_not_reach_qlik(qlik: Site, claim: str) -> None:
    _, cookie = await line_of(qlik)
    async with wire(qlik) as browser:
        assert (await browser.ask("GET /sales/echo", cookie, claim)).status == 200
    name, _, value = claim.partition(": ")
    arrived = [pair for pair in qlik.node.journal("http")[-1].headers if pair[0].lower() == name.lower()]
    assert value not in [text for _, text in arrived]


@pytest.mark.parametrize(
    "name", ["X_Qlik_User", "X-Qlik.User", "X-Qlik_User", "X-Qlik-User ", "X-Qlik-Us\xe9r", "X-Qlik-User\t"]
)
async def test_a_header_name_that_a_back_end_could_read_as_another_is_refused(qlik: Site, name: str) -> None:
    _, cookie = await line_of(qlik)
    before = len(qlik.node.journal("http"))
    async with wire(qlik) as browser:
        assert (await browser.ask("GET /sales/echo", cookie, f"{name}: UserDirectory=X; UserId=y")).status == 400
    assert len(qlik.node.journal("http")) == before


async def test_headers_that_qliks_clients_need_reach_qlik_and_the_client_is_named_once(qlik: Site) -> None:
    _, cookie = await line_of(qlik)
    kept = ["X-Qlik-Xrfkey: abcdefghijklmnop", "qlik-csrf-token: t", "X-Qlik-Session: one", "Authorization: Bearer z"]
    async with wire(qlik) as browser:
        await browser.ask("GET /sales/echo", cookie, *kept, "X-Forwarded-For: 6.6.6.6")
        host = browser.host
    arrived = [f"{name}: {value}" for name, value in qlik.node.journal("http")[-1].headers]
    assert set(kept) < set(arrived)
    ours = [line for line in arrived if line.lower().startswith("x-forwarded-")]
    assert ours == ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", f"X-Forwarded-Host: {host}"]


async def test_the_cookie_of_the_login_page_is_none_of_qliks_business(qlik: Site) -> None:
    person, _ = await line_of(qlik)
    assert qlik.cookie(person, "qproxy-login")
    sent = dict((await qlik.echo(person))["headers"])["Cookie"]
    assert sent == f"{COOKIE}={qlik.cookie(person)}"


@pytest.mark.parametrize("name", ["Cookie", "Host", "Origin", "X-Forwarded-For", "X-Qlik-Xrfkey", "qlik-csrf-token"])
async def test_a_header_cannot_be_taken_away_by_naming_it_in_connection(qlik: Site, name: str) -> None:
    _, cookie = await line_of(qlik)
    async with wire(qlik) as browser:
        assert (await browser.ask("GET /sales/echo", cookie, f"Connection: {name}")).status == 400


async def test_another_host_name_is_refused(qlik: Site) -> None:
    _, cookie = await line_of(qlik)
    async with wire(qlik) as browser:
        browser.host = "elsewhere.test"
        assert (await browser.ask("GET /sales/hub/", cookie)).status == 421


# --- other sites ---

ORIGINS = [
    ("{origin}", True),
    ("HTTP://LOCALHOST:{port}", True),
    (PORTAL, True),
    ("https://PORTAL.example.com", True),
    (None, False),
    ("", False),
    ("null", False),
    ("https://localhost:{port}", False),
    ("http://localhost", False),
    ("http://localhost:1", False),
    ("http://127.0.0.1:{port}", False),
    ("{origin}/", False),
    ("{origin}.elsewhere.test", False),
    ("http://elsewhere.test", False),
    ("http://elsewhere.test/{origin}", False),
    ("http://localhost:{port}@elsewhere.test", False),
    ("http://sub.localhost:{port}", False),
    ("http://xlocalhost:{port}", False),
    ("portal.example.com", False),
    ("http://portal.example.com", False),
    ("https://portal.example.com:8443", False),
    ("https://portal.example.com.elsewhere.test", False),
    ("{origin}, http://elsewhere.test", False),
    ("file://", False),
]


def origin_lines(qlik: Site, origin: str | None) -> list[str]:
    if origin is None:
        return []
    return ["Origin: " + origin.format(origin=qlik.origin, port=qlik.origin.rpartition(":")[2])]


@pytest.mark.parametrize(("origin", "allowed"), ORIGINS)
async def test_only_pages_of_this_host_and_of_the_portal_open_sockets(
    portal: Site, origin: str | None, allowed: bool
) -> None:
    _, cookie = await line_of(portal)
    async with wire(portal) as browser:
        answer = await browser.upgrade(ECHO, cookie, *origin_lines(portal, origin))
    assert answer.status == (101 if allowed else 403)
    assert len(portal.node.journal("ws")) == allowed


@pytest.mark.parametrize(("origin", "allowed"), ORIGINS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_only_pages_of_this_host_and_of_the_portal_and_programs_send_data(
    portal: Site, method: str, origin: str | None, allowed: bool
) -> None:
    _, cookie = await line_of(portal)
    async with wire(portal) as browser:
        answer = await browser.ask(f"{method} /sales/echo", cookie, *origin_lines(portal, origin), body=b"x")
    assert answer.status == (200 if allowed or origin is None else 403)


async def test_a_page_of_another_site_may_read_what_browsers_let_it_read(portal: Site) -> None:
    _, cookie = await line_of(portal)
    async with wire(portal) as browser:
        assert (await browser.ask("GET /sales/echo", cookie, "Origin: http://elsewhere.test")).status == 200


async def test_two_origins_in_one_request_are_refused(portal: Site) -> None:
    _, cookie = await line_of(portal)
    async with wire(portal) as browser:
        lines = [f"Origin: {portal.origin}", "Origin: http://elsewhere.test"]
        assert (await browser.upgrade(ECHO, cookie, *lines)).status == 400


async def test_programs_without_an_origin_may_be_allowed_to_open_sockets(tmp_path: Path) -> None:
    async with site(tmp_path, vp="require_origin: false") as qlik:
        _, cookie = await line_of(qlik)
        async with wire(qlik) as browser:
            assert (await browser.upgrade(ECHO, cookie)).status == 101
        async with wire(qlik) as browser:
            assert (await browser.upgrade(ECHO, cookie, "Origin: http://elsewhere.test")).status == 403
