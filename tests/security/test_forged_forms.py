"""Forms that the person in front of the browser did not send: login CSRF, and forms of a size that nobody types."""

import asyncio
from pathlib import Path

import pytest
from a_site import PASSWORD
from hostile.wire import connected
from security.behind import Scripted, scripted
from security.forms import ENCODED, Form


def foreign(qlik: Scripted) -> list[tuple[str, ...]]:
    here = qlik.site.origin
    port = here.rpartition(":")[2]
    return [
        ("Origin: null",),
        ("Origin: null", "Sec-Fetch-Site: cross-site"),
        ("Origin: https://evil.example",),
        (f"Origin: {here}.",),
        (f"Origin: {here.replace('//', '//u@')}",),
        (f"Origin: {here.replace('http:', 'https:')}",),
        (f"Origin: http://localhost.:{port}",),
        ("Origin: http://localhost",),
        (f"Origin: http://xn--localhost-abc:{port}",),
        (f"Origin: {here}, {here}",),
        (f"Origin: {here}", "Sec-Fetch-Site: same-site"),
        ("Sec-Fetch-Site: cross-site",),
        ("Sec-Fetch-Site: Cross-Site",),
    ]


async def test_another_sites_form_logs_nobody_in(tmp_path: Path, subtests: pytest.Subtests) -> None:
    async with scripted(tmp_path) as qlik:
        form = await Form.of(qlik)
        for fields in foreign(qlik):
            with subtests.test(str(fields)):
                assert await form.post(*fields, name="ann", password=PASSWORD) == 403
        assert await form.post(f"Origin: {qlik.site.origin}", name="ann", password=PASSWORD) == 303


async def test_a_token_is_good_for_one_browser_one_virtual_proxy_and_one_purpose(tmp_path: Path) -> None:
    async with scripted(tmp_path) as qlik:
        mine, theirs = await Form.of(qlik), await Form.of(qlik)
        assert await Form(qlik, mine.cookie, theirs.token).post(name="ann", password=PASSWORD) == 403
        assert await Form(qlik, "a=b", theirs.token).post(name="ann", password=PASSWORD) == 403
        body = f"token={mine.token}".encode()
        for target in ("/qproxy/logout/sales", "/qproxy/login/finance"):
            reply = await qlik.ask(f"POST {target}", f"Cookie: {mine.cookie}", ENCODED, body=body)
            assert reply.status == 403


async def test_a_form_of_a_size_that_nobody_types_is_refused(tmp_path: Path) -> None:
    async with scripted(tmp_path) as qlik, connected(qlik.port) as browser:
        browser.send(qlik.request("POST /qproxy/login/sales", ENCODED, "Transfer-Encoding: chunked"))
        for _ in range(100):
            browser.send(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        assert (await browser.last_reply("POST")).status == 400


async def test_three_hundred_logins_at_once_are_all_answered(tmp_path: Path) -> None:
    """Each within its turn or with 503; who logged in from there before does not wait for them."""
    async with scripted(tmp_path) as qlik:
        form = await Form.of(qlik)
        assert await form.post(name="ann", password=PASSWORD) == 303
        posts = (form.post(name=f"nobody {number}", password="wrong") for number in range(300))
        flood = asyncio.gather(*posts)
        assert (await qlik.ask("GET /qproxy/healthz")).status == 200
        assert set(await flood) <= {403, 429, 503}
        assert await form.post(name="ann", password=PASSWORD) == 303
