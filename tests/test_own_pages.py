"""What holds for every answer under /qproxy/, whatever was asked."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from login_site import PASSWORD, Site, sales_site

LOGIN = "/qproxy/login/sales"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with sales_site(tmp_path) as opened:
        yield opened


async def test_a_bug_shows_a_neutral_page_and_logs_neither_text_nor_traceback(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.desk.broken = RuntimeError("canary-in-an-exception")
    with caplog.at_level(logging.INFO):
        reply = await site.browser().log_in()
    assert reply.status == 500
    assert "canary" not in reply.text + caplog.text
    assert "RuntimeError at" in caplog.text


async def test_every_answer_closes_the_connection_and_names_no_software(site: Site) -> None:
    browser = site.browser()
    replies = [
        await browser.get(target) for target in (LOGIN, "/qproxy/logout/sales", "/qproxy/healthz", "/qproxy/", "/x")
    ]
    replies += [await browser.log_in(), await browser.send("PUT", LOGIN)]
    assert {reply.headers.get("Connection") for reply in replies} == {"close"}
    assert [reply.headers.get("Server") for reply in replies] == [None] * 7
    assert {reply.headers["Cache-Control"] for reply in replies} == {"no-store"}


async def test_the_health_page_says_ok_and_no_more(site: Site) -> None:
    assert (await site.browser().get("/qproxy/healthz")).text == "ok"


@pytest.mark.parametrize(
    "target", ["/qproxy/", "/qproxy/login/", "/qproxy/login/none", "/qproxy/login/a/b", "/qproxy/x"]
)
async def test_there_is_nothing_else(site: Site, target: str) -> None:
    reply = await site.browser().get(target)
    assert reply.status == 404
    assert "unknown_path" in reply.text


async def test_a_program_gets_its_failure_as_json(site: Site) -> None:
    reply = await site.browser().get("/qproxy/x", {"Accept": "application/json"})
    assert reply.headers["Content-Type"] == "application/json"


async def test_other_methods_are_refused_by_name(site: Site) -> None:
    reply = await site.browser().send("DELETE", LOGIN)
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD, POST")


async def test_an_odd_expectation_is_ignored(site: Site) -> None:
    assert (await site.browser().get(LOGIN, {"Expect": "the-unexpected"})).status == 200


async def test_a_form_is_read_after_the_browser_was_told_to_continue(site: Site) -> None:
    browser = site.browser()
    form = {"token": (await browser.get(LOGIN)).token, "name": "ann", "password": PASSWORD}
    reply = await browser.send("POST", LOGIN, data=form, expect100=True)
    assert reply.status == 303


@pytest.mark.parametrize("target", ["/qproxy/login/sales?%", "/qproxy/%zz", "/qproxy/login/%ff", "/qproxy/login/a%00b"])
async def test_an_odd_address_gets_a_page_of_ours(site: Site, target: str) -> None:
    reply = await site.browser().get(target)
    assert reply.status in (200, 404)
    assert "<main>" in reply.text


async def test_a_cookie_jar_and_a_deep_link_of_many_kilobytes_are_read(site: Site) -> None:
    reply = await site.browser().get(f"{LOGIN}?state={'A' * 7900}", {"Cookie": f"foreign={'x' * 7000}"})
    assert reply.status == 200


BROKEN = [
    b"Transfer-Encoding: chunked\r\n\r\nzz<b>canary\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nname=\r\nZZcanary\r\n",
    b"Content-Length: canary\r\n\r\n",
]


@pytest.mark.parametrize("rest", BROKEN, ids=range(3))
async def test_broken_bytes_are_neither_repeated_nor_logged(
    site: Site, rest: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await site.raw(f"POST {LOGIN} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\n".encode() + rest)
    assert b" 400 Bad Request" in answer.partition(b"\r\n")[0]
    assert b"Server:" not in answer
    assert b"canary" not in answer
    assert "canary" not in caplog.text
