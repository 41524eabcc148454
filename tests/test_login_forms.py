"""Whose form it is: forms of other sites, other browsers and other shapes log nobody in."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from login_site import PASSWORD, Browser, Reply, Site, sales_site
from waiting import eventually

from qproxy.web import form_guard
from qproxy.web.form_guard import LARGEST_FORM

LOGIN = "/qproxy/login/sales"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with sales_site(tmp_path) as opened:
        yield opened


async def post(site: Site, headers: Mapping[str, str]) -> Reply:
    """A right form with these header fields."""
    browser = site.browser()
    form = await browser.get(LOGIN)
    return await browser.post(LOGIN, {"token": form.token, "name": "ann", "password": PASSWORD}, headers)


async def test_all_tabs_share_one_binding(site: Site) -> None:
    browser = site.browser()
    first, second = await browser.get(LOGIN), await browser.get(f"{LOGIN}?state=another")
    assert len(first.set_cookies) == 1
    assert second.set_cookies == []
    assert first.token == second.token


async def test_a_browser_without_cookies_is_told_what_is_missing(site: Site) -> None:
    form = await site.browser().get(LOGIN)
    stranger: Browser = site.browser()
    reply = await stranger.post(LOGIN, {"token": form.token, "name": "ann", "password": PASSWORD})
    assert reply.status == 403
    assert "allow cookies" in reply.message


@pytest.mark.parametrize("token", ["", "0" * 64, "\N{SNOWMAN}"])
async def test_a_form_without_the_right_token_is_shown_again_and_then_works(site: Site, token: str) -> None:
    browser = site.browser()
    await browser.get(LOGIN)
    again = await browser.post(LOGIN, {"token": token, "name": "ann", "password": PASSWORD})
    assert (again.status, site.desk.sessions) == (403, {})
    assert 'value="ann"' in again.text
    reply = await browser.post(LOGIN, {"token": again.token, "name": "ann", "password": PASSWORD})
    assert reply.status == 303


async def test_the_form_of_an_attackers_browser_logs_nobody_in(site: Site) -> None:
    attacker, victim = site.browser(), site.browser()
    await victim.get(LOGIN)
    form = await attacker.get(LOGIN)
    reply = await victim.post(LOGIN, {"token": form.token, "name": "bob", "password": PASSWORD})
    assert (reply.status, site.desk.sessions) == (403, {})
    assert [event.outcome for event in site.desk.events] == ["token"]


async def test_the_token_for_logging_out_does_not_log_in(site: Site) -> None:
    browser = site.browser()
    form = await browser.get("/qproxy/logout/sales")
    reply = await browser.post(LOGIN, {"token": form.token, "name": "ann", "password": PASSWORD})
    assert reply.status == 403


@pytest.mark.parametrize("value", ["", "short", "x" * 22 + '"', "x" * 23])
async def test_a_binding_that_we_cannot_have_made_is_replaced(site: Site, value: str) -> None:
    reply = await site.browser().get(LOGIN, {"Cookie": f"qproxy-login={value}"})
    assert reply.set_cookies[0].startswith("qproxy-login=")


CROSS_SITE = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "odd"},
    {"Origin": "http://evil.example"},
    {"Origin": "https://bi.example.com"},
    {"Origin": "http://bi.example.com.evil.example"},
    {"Origin": "null"},
    {"Origin": "null", "Sec-Fetch-Site": "none"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
]


@pytest.mark.parametrize("headers", CROSS_SITE, ids=str)
async def test_a_form_that_another_site_sent_is_refused_and_shown_again(site: Site, headers: dict[str, str]) -> None:
    reply = await post(site, headers)
    assert (reply.status, site.desk.sessions) == (403, {})
    assert "another site" in reply.message
    assert site.desk.events[0].outcome == "cross_site"


OWN_SITE = [
    {},
    {"Origin": "http://bi.example.com", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://BI.example.com"},
    {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", OWN_SITE, ids=str)
async def test_a_form_of_our_own_page_is_taken(site: Site, headers: dict[str, str]) -> None:
    assert (await post(site, headers)).status == 303


BAD_BODIES = [
    ("text/plain", b"name=ann"),
    ("multipart/form-data; boundary=x", b"--x--"),
    ("application/json", b"{}"),
    (FORM, b"name=\xff"),
    (FORM, b"&".join(b"a=1" for _ in range(33))),
    (FORM, b"name=" + b"a" * LARGEST_FORM),
]


@pytest.mark.parametrize(("content_type", "body"), BAD_BODIES, ids=range(6))
async def test_what_is_no_small_plain_form_is_refused(site: Site, content_type: str, body: bytes) -> None:
    reply = await site.browser().send("POST", LOGIN, {"Content-Type": content_type}, data=body)
    assert reply.status == 400
    assert "bad_request" in reply.text


async def test_a_compressed_form_is_refused_unopened(site: Site) -> None:
    headers = {"Content-Type": FORM, "Content-Encoding": "gzip"}
    assert (await site.browser().send("POST", LOGIN, headers, data=b"no gzip at all")).status == 400


async def test_a_form_that_never_ends_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form_guard, "FORM_SECONDS", 0.05)
    head = f"POST {LOGIN} HTTP/1.1\r\nHost: bi.example.com\r\nContent-Type: {FORM}\r\nContent-Length: 100\r\n\r\n"
    assert (await site.raw(head.encode() + b"name=a")).startswith(b"HTTP/1.1 408 ")


EXPECTING = (
    f"POST {LOGIN} HTTP/1.1\r\nHost: bi.example.com\r\nContent-Type: {FORM}\r\n"
    "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
).encode()


async def test_a_form_that_breaks_in_the_middle_is_not_read_for_ever(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form_guard, "FORM_SECONDS", 0.05)
    answer = await site.raw(EXPECTING, later=b"5\r\nname=\r\ncanary\r\n")
    assert b"HTTP/1.1 408 " in answer
    assert b"canary" not in answer


async def test_a_browser_that_goes_away_in_the_middle_is_no_error(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    host, port = site.server.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    with caplog.at_level(logging.INFO):
        writer.write(EXPECTING)
        await asyncio.wait_for(reader.readline(), 5)
        writer.close()
        await writer.wait_closed()
        await eventually(lambda: "the browser went away" in caplog.text)
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
