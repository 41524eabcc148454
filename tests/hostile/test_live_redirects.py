"""The corpus of redirects against a live qproxy: whoever logs in ends on the public host, whatever the address was."""

import re
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
from a_site import Site, site
from hostile.wire import Reply, ask

PLAIN = "X-Qlik-Session-sales-HTTP"
PAYLOADS = [
    line.encode().decode("unicode_escape").encode("latin-1")
    for line in (Path(__file__).parent / "redirects.txt").read_text("ascii").splitlines()
    if not line.startswith("# ")
]


async def get(opened: Site, target: bytes, cookie: str = "") -> Reply:
    host = opened.origin.partition("://")[2]
    lines = [b"GET %b HTTP/1.1" % target, f"Host: {host}".encode(), b"Accept: text/html", b"Connection: close"]
    if cookie:
        lines.append(f"Cookie: {PLAIN}={cookie}".encode())
    return await ask(int(host.rpartition(":")[2]), b"\r\n".join([*lines, b"", b""]))


def stays_here(opened: Site, reply: Reply) -> bool:
    """No redirect, or one to an address that begins with the public origin or is a plain path."""
    location = reply.header("Location")
    plain = re.compile(rf"(?:{re.escape(opened.origin)})?/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
    return location is None or plain.fullmatch(location) is not None


async def test_no_parameter_of_the_login_page_leads_elsewhere(tmp_path: Path, subtests: pytest.Subtests) -> None:
    async with site(tmp_path) as opened:
        person = opened.browser()
        await opened.log_in(person)
        for payload in PAYLOADS:
            value = quote_from_bytes(payload, safe="").encode()
            query = b"&".join(name + b"=" + value for name in (b"state", b"next", b"proxyRestUri", b"targetUri"))
            with subtests.test(repr(payload)):
                reply = await get(opened, b"/qproxy/login/sales?" + query, opened.cookie(person))
                assert (reply.status, reply.header("Location")) == (303, f"{opened.origin}/sales/hub/")


async def test_no_address_leads_elsewhere_by_way_of_the_login(tmp_path: Path, subtests: pytest.Subtests) -> None:
    async with site(tmp_path) as opened:
        person = opened.browser()
        await opened.log_in(person)
        turned_away = 0
        for payload in PAYLOADS:
            with subtests.test(repr(payload)):
                first = await get(opened, payload)
                assert stays_here(opened, first)
                if first.status == 302:
                    turned_away += 1
                    login = (first.header("Location") or "").encode()
                    assert stays_here(opened, await get(opened, login, opened.cookie(person)))
        assert turned_away > 10
