"""nginx logs a person in and says so in a header: the way to Qlik, and what nobody reaches who only says so."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from a_site import Site, call, greeting, site
from front_nginx import nginx
from site_plan import free_port

SECRET = "the-secret-of-the-proxy-32-letters"
FORGED = {"Remote-User": "bob", "X-Login-Secret": SECRET, "X-Login-Groups": "Admins"}
LOGIN = "/qproxy/login/sales"

VP = """
login:
  - method: trusted_header
    networks: 127.0.0.1
    user_header: Remote-User
    lists: {groups: X-Login-Groups}
    separator: ";"
    """


def with_secret(folder: Path) -> str:
    file = folder / "front.secret"
    file.write_text(SECRET)
    file.chmod(0o600)
    return f"{VP}secret_header: X-Login-Secret\n    secret_file: {file}\n"


@contextlib.asynccontextmanager
async def behind_nginx(folder: Path, **wishes: object) -> AsyncIterator[Site]:
    """qproxy on a port of its own, nginx on that of the public address."""
    port = free_port()
    async with site(folder, server=f"public: {{listen: '127.0.0.1:{port}'}}", vp=with_secret(folder), **wishes) as qlik:
        with nginx(
            folder / "nginx",
            int(qlik.origin.rpartition(":")[2]),
            f"http://127.0.0.1:{port}",
            user="Remote-User",
            secret=SECRET,
        ):
            yield qlik


@pytest.fixture
async def qlik(tmp_path: Path) -> AsyncIterator[Site]:
    async with behind_nginx(tmp_path) as built:
        yield built


def at(front: Site) -> str:
    """qproxy itself, past nginx."""
    return f"http://127.0.0.1:{front.server.public_ports[0]}"


def host_of(front: Site) -> str:
    return front.origin.partition("://")[2]


def as_ann(qlik: Site) -> aiohttp.ClientSession:
    return qlik.browser(Authorization=aiohttp.encode_basic_auth("ann", "front"))


async def test_who_nginx_logged_in_is_that_person_in_qlik(qlik: Site) -> None:
    person = as_ann(qlik)
    async with person.get("/sales/hub/?x=1", allow_redirects=True) as page:
        assert (page.status, page.url.raw_path_qs) == (200, "/sales/hub/?x=1")
    async with qlik.engine(person) as ws:
        await greeting(ws)
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=ann"
    assert '"outcome":"accepted"' in (qlik.directory / "audit.log").read_text().replace(" ", "")


async def test_what_a_browser_says_of_itself_does_not_pass_nginx(qlik: Site) -> None:
    person = as_ann(qlik)
    async with person.get("/sales/hub/", headers=FORGED) as page:
        assert page.status == 200
    async with qlik.engine(person) as ws:
        await greeting(ws)
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=ann"


async def test_who_nginx_does_not_know_gets_nowhere(qlik: Site) -> None:
    async with qlik.browser().get("/sales/hub/", headers=FORGED) as page:
        assert page.status == 401
    assert qlik.node.journal("http") == []


# --- past nginx: who reaches qproxy itself ---


async def outcome(qlik: Site, **headers: str) -> tuple[int, str]:
    """Status and failure word of the login page, asked past nginx without and with what it would send."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()} | {"Host": host_of(qlik)}
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.get(at(qlik) + LOGIN, headers=fields, allow_redirects=False) as page,
    ):
        text = await page.text()
    words = [word for word in text.replace("<", " ").replace(">", " ").split() if word.startswith("header_")]
    return page.status, words[0] if words else ""


async def test_without_the_secret_the_right_address_is_not_enough(qlik: Site) -> None:
    assert await outcome(qlik, Remote_User="bob") == (403, "header_wrong_secret")
    assert await outcome(qlik, Remote_User="bob", X_Login_Secret="wrong") == (403, "header_wrong_secret")


async def test_a_forwarded_address_does_not_make_anybody_the_proxy(tmp_path: Path) -> None:
    vp = with_secret(tmp_path).replace("networks: 127.0.0.1", "networks: 127.0.0.9")
    async with site(tmp_path, vp=vp, server="trusted_proxies: 127.0.0.1") as qlik:
        headers = {"X_Forwarded_For": "127.0.0.9", "Remote_User": "bob", "X_Login_Secret": SECRET}
        assert await outcome(qlik, **headers) == (403, "header_wrong_network")


async def raw(qlik: Site, *lines: str) -> bytes:
    """The status line of the answer to a login with these header lines, and the right secret."""
    reader, writer = await asyncio.open_connection("127.0.0.1", qlik.server.public_ports[0])
    head = [f"GET {LOGIN} HTTP/1.1", f"Host: {host_of(qlik)}", f"X-Login-Secret: {SECRET}", *lines, "", ""]
    writer.write("\r\n".join(head).encode("latin-1"))
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    return answer


SMUGGLED = {
    "underscore": ("Remote_User: bob",),
    "dot": ("Remote.User: bob",),
    "space before the colon": ("Remote-User : bob",),
    "folded": ("X-A: 1", " Remote-User: bob"),
    "bare LF": ("X-A: 1\nRemote-User: bob",),
    "NUL": ("Remote-User: bob\0",),
    "taken away by Connection": ("Remote-User: ann", "X-Login-Groups: Sales", "Connection: close, X-Login-Groups"),
    "taken away in other letters": ("Remote-User: ann", "Connection: close, remote-USER"),
    "in a trailer": ("Transfer-Encoding: chunked", "Trailer: Remote-User", "", "0", "Remote-User: bob"),
}


@pytest.mark.parametrize("lines", SMUGGLED.values(), ids=SMUGGLED)
async def test_a_smuggled_name_opens_no_session(qlik: Site, lines: tuple[str, ...]) -> None:
    answer = await raw(qlik, *lines)
    assert answer.split(b" ")[1] in (b"400", b"403")
    assert b"Set-Cookie: X-Qlik" not in answer


TWICE = {
    "same": ("Remote-User: ann", "Remote-User: ann"),
    "other letters": ("Remote-User: ann", "REMOTE-user: bob"),
    "empty first": ("Remote-User:", "Remote-User: bob"),
    "secret": ("Remote-User: ann", f"x-login-secret: {SECRET}"),
}


@pytest.mark.parametrize("lines", TWICE.values(), ids=TWICE)
async def test_what_stands_twice_opens_no_session(qlik: Site, lines: tuple[str, ...]) -> None:
    answer = await raw(qlik, *lines)
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"header_twice" in answer or b"header_wrong_secret" in answer


async def test_none_of_these_headers_reaches_qlik_from_anybody(qlik: Site) -> None:
    person = as_ann(qlik)
    async with person.get("/sales/hub/") as page:
        assert page.status == 200
    cookies = "; ".join(f"{cookie.key}={cookie.value}" for cookie in person.cookie_jar)
    headers = FORGED | {"Cookie": cookies, "Host": host_of(qlik)}
    async with (
        aiohttp.ClientSession() as past_nginx,
        past_nginx.get(at(qlik) + "/sales/echo", headers=headers) as answer,
    ):
        assert answer.status == 200
    sent = {name.lower() for entry in qlik.node.journal("http") for name, _ in entry.headers}
    assert sent.isdisjoint({"remote-user", "x-login-secret", "x-login-groups"})


async def test_nor_do_they_by_another_virtual_proxy(tmp_path: Path) -> None:
    async with behind_nginx(tmp_path) as qlik:
        person = as_ann(qlik)
        async with person.get("/finance/hub/") as page:
            assert page.status == 200
        headers = dict((await qlik.echo(person, "/finance/echo", headers=FORGED))["headers"])
        assert not {name for name in headers if name.lower().startswith(("remote-", "x-login-"))}


# --- mutual TLS ---


@pytest.mark.parametrize(("names", "status"), [("qlikclient", 200), ("other.internal", 403)])
async def test_a_certificate_does_instead_of_a_secret(tmp_path: Path, names: str, status: int) -> None:
    port = free_port()
    server = f"public: {{listen: '127.0.0.1:{port}', client_ca: root.pem}}"
    async with site(tmp_path, tls=True, server=server, vp=f"{VP}certificate_names: {names}\n") as qlik:
        assert qlik.certificates is not None
        with nginx(
            tmp_path / "nginx",
            int(qlik.origin.rpartition(":")[2]),
            f"https://127.0.0.1:{port}",
            user="Remote-User",
            tls=f"ssl_certificate {qlik.certificates.certificate}; ssl_certificate_key {qlik.certificates.key};"
            f"proxy_ssl_certificate {qlik.certificates.client_certificate};"
            f"proxy_ssl_certificate_key {qlik.certificates.client_key};",
        ):
            for _ in range(2):  # the second time nginx resumes its TLS session
                async with as_ann(qlik).get("/sales/hub/") as page:
                    assert page.status == status


async def test_without_a_certificate_nobody_is_the_proxy(tmp_path: Path) -> None:
    server = "public: {client_ca: root.pem}"
    async with site(tmp_path, tls=True, server=server, vp=f"{VP}certificate_names: qlikclient\n") as qlik:
        assert qlik.certificates is not None
        trusting = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=qlik.certificates.root))
        async with (
            aiohttp.ClientSession(qlik.origin, connector=trusting) as stranger,
            stranger.get(LOGIN, headers={"Remote-User": "bob"}) as page,
        ):
            assert page.status == 403
            assert "header_wrong_certificate" in await page.text()
