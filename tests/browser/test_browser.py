"""A person in a real browser: Debian's Chromium, driven by playwright, through qproxy to the stand-in node."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from a_site import APP, Site, site
from login_site import PASSWORD
from playwright.async_api import Browser, BrowserContext, Page, expect

from qproxy.auth import totp, users

SHEET = f"/sales/sense/app/{APP}/sheet/overview/state/analysis"

OPENS_SOCKET = """url => new Promise(done => {
    const socket = new WebSocket(url);
    socket.onopen = () => done(true);
    socket.onerror = () => done(false);
})"""

pytestmark = pytest.mark.browser


@pytest.fixture
async def qlik(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as built:
        yield built


async def new_page(browser: Browser, **context: Any) -> tuple[BrowserContext, Page]:
    opened = await browser.new_context(**context)
    opened.set_default_timeout(10_000)
    return opened, await opened.new_page()


async def log_in(page: Page, name: str = "ann", password: str = PASSWORD) -> None:
    await page.get_by_label("User name").fill(name)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button").click()


async def test_a_person_logs_in_sees_a_chart_over_the_socket_and_logs_out(chromium: Browser, qlik: Site) -> None:
    context, page = await new_page(chromium)
    await page.goto(qlik.origin + SHEET)
    await log_in(page)
    await expect(page).to_have_url(qlik.origin + SHEET)
    await expect(page.locator("#user")).to_contain_text("ann")
    await expect(page.locator("#chart svg rect").first).to_be_visible()
    await page.locator("#logout").click()
    await expect(page.get_by_label("Password")).to_be_visible()
    await page.goto(qlik.origin + SHEET)
    await expect(page.get_by_label("Password")).to_be_visible()
    await context.close()


async def test_a_person_opens_an_app_from_the_hub_and_sees_its_chart(chromium: Browser, qlik: Site) -> None:
    context, page = await new_page(chromium)
    await page.goto(qlik.origin + "/sales/hub/")
    await log_in(page)
    await expect(page).to_have_url(qlik.origin + "/sales/hub/")
    await page.get_by_role("link", name="Sales").first.click()
    await expect(page.locator("#chart svg rect").first).to_be_visible()
    assert page.url.startswith(qlik.origin + "/sales/sense/app/")
    await context.close()


async def test_the_fragment_of_a_deep_link_survives_the_login_without_javascript(chromium: Browser, qlik: Site) -> None:
    context, page = await new_page(chromium, java_script_enabled=False)
    await page.goto(qlik.origin + SHEET + "?a=%2Fb#state/select=x")
    await log_in(page)
    await expect(page).to_have_url(qlik.origin + SHEET + "?a=%2Fb#state/select=x")
    await context.close()


async def test_a_wrong_password_is_told_on_the_same_page_and_the_fragment_still_survives(
    chromium: Browser, qlik: Site
) -> None:
    context, page = await new_page(chromium, java_script_enabled=False, viewport={"width": 320, "height": 640})
    await page.goto(qlik.origin + SHEET + "#here")
    await log_in(page, password="not the one")
    await expect(page.get_by_role("alert")).to_contain_text("not right")
    await log_in(page)
    await expect(page).to_have_url(qlik.origin + SHEET + "#here")
    await context.close()


async def test_another_site_cannot_open_a_socket_in_a_persons_name(chromium: Browser, qlik: Site) -> None:
    context, page = await new_page(chromium)
    await page.goto(qlik.origin + SHEET)
    await log_in(page)
    await expect(page.locator("#user")).to_contain_text("ann")
    await page.goto("data:text/html,<title>elsewhere</title>")
    socket = qlik.origin.replace("http", "ws") + f"/sales/app/{APP}"
    assert await page.evaluate(OPENS_SOCKET, socket) is False
    await context.close()


async def test_the_chart_is_told_when_the_session_ends_elsewhere(chromium: Browser, qlik: Site) -> None:
    context, page = await new_page(chromium)
    await page.goto(qlik.origin + SHEET)
    await log_in(page)
    await expect(page.locator("#chart svg rect").first).to_be_visible()
    other = await context.new_page()
    await other.goto(qlik.origin + "/qproxy/logout/sales")
    await other.get_by_role("button").click()
    await expect(page.locator("#status")).to_contain_text("ended")
    await context.close()


REQUIRED = "login: [{method: password_file, file: users, totp: required}]"
PICTURE = "image => image.complete && image.naturalWidth === image.naturalHeight && image.naturalWidth > 100"


async def test_a_person_sets_up_an_authenticator_app_at_the_first_login_without_javascript(
    chromium: Browser, tmp_path: Path
) -> None:
    async with site(tmp_path, vp=REQUIRED) as qlik:
        context, page = await new_page(chromium, java_script_enabled=False, viewport={"width": 320, "height": 640})
        await page.goto(qlik.origin + SHEET)
        await log_in(page)
        assert await page.get_by_role("img").evaluate(PICTURE)
        key = (await page.locator("code").inner_text()).replace(" ", "")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320
        await page.get_by_label("Code that the app shows").fill(totp.code_of(key, totp.step_at(qlik.clock.now)))
        await page.get_by_role("button").click()
        await expect(page.locator("code")).to_have_count(8)
        await page.get_by_role("button").click()
        await expect(page).to_have_url(qlik.origin + SHEET)
        await context.close()


async def test_the_second_login_asks_for_a_code_and_says_when_it_is_wrong(chromium: Browser, qlik: Site) -> None:
    key = totp.new_key()
    users.mark(qlik.directory / "users", "ann", lambda marks: replace(marks, totp=key))
    context, page = await new_page(chromium)
    await page.goto(qlik.origin + SHEET)
    await log_in(page)
    field = page.get_by_label("Code of your authenticator app")
    await expect(field).to_be_focused()
    await field.fill("000000")
    await page.get_by_role("button").click()
    await expect(page.get_by_role("alert")).to_contain_text("not right")
    await field.fill(totp.code_of(key, totp.step_at(qlik.clock.now)))
    await page.get_by_role("button").click()
    await expect(page.locator("#user")).to_contain_text("ann")
    await context.close()
