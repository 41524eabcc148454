"""A person in a real browser logs out, by our button or in the hub, and is not logged in again without being asked."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from oidc_evening import SHEET, Evening
from oidc_logout_evening import evening_with_logout
from playwright.async_api import Browser, Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture
async def oidc(tmp_path: Path) -> AsyncIterator[Evening]:
    """The provider speaks http, which is taken on this machine: the browser does not know its authority."""
    async with evening_with_logout(tmp_path, tls=False) as built:
        yield built


async def logged_in(chromium: Browser, oidc: Evening) -> Page:
    page = await (await chromium.new_context()).new_page()
    await page.goto(oidc.site.origin + SHEET)
    await page.get_by_placeholder("Enter any login").fill("ann")
    await page.get_by_placeholder("and password").fill("any")
    await page.get_by_role("button", name="Sign-in").click()
    await expect(page.locator("#user")).to_contain_text("ann")
    return page


async def log_out_there(page: Page) -> None:
    """On the provider's page, to which the browser has come by itself, and back to ours."""
    await page.get_by_role("button", name="Yes, sign me out").click()
    await expect(page.get_by_role("heading", name="You are logged out")).to_be_visible()


async def test_our_button_logs_out_at_the_provider_too(chromium: Browser, oidc: Evening) -> None:
    page = await logged_in(chromium, oidc)
    await page.goto(f"{oidc.site.origin}/qproxy/logout/sales")
    await page.get_by_role("button", name="Log out").click()
    await log_out_there(page)
    await page.get_by_role("link", name="Log in again").click()
    await expect(page.get_by_placeholder("Enter any login")).to_be_visible()


async def test_after_a_logout_in_the_hub_the_next_page_logs_nobody_in(chromium: Browser, oidc: Evening) -> None:
    page = await logged_in(chromium, oidc)
    status = await page.evaluate("fetch('/sales/qps/user', {method: 'DELETE'}).then(answer => answer.status)")
    assert status == 200
    await page.goto(oidc.site.origin + SHEET)
    await log_out_there(page)
    await page.get_by_role("link", name="Log in again").click()
    await expect(page.get_by_placeholder("Enter any login")).to_be_visible()
