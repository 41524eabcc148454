"""A person in a real browser, through a real OpenID provider's form, into the stand-in node."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from oidc_evening import SHEET, Evening, evening
from oidc_site import at_the_provider
from playwright.async_api import Browser, Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture
async def oidc(tmp_path: Path) -> AsyncIterator[Evening]:
    """The provider speaks http, which is taken on this machine: the browser does not know its authority."""
    async with evening(tmp_path, tls=False) as built:
        yield built


async def sign_in(page: Page, name: str = "ann") -> None:
    await page.get_by_placeholder("Enter any login").fill(name)
    await page.get_by_placeholder("and password").fill("any")
    await page.get_by_role("button", name="Sign-in").click()


async def test_a_deep_link_leads_through_the_provider_to_its_chart(chromium: Browser, oidc: Evening) -> None:
    page = await (await chromium.new_context()).new_page()
    await page.goto(oidc.site.origin + SHEET + "#state/select=x")
    await sign_in(page)
    await expect(page.locator("#user")).to_contain_text("ann")
    assert page.url.startswith(oidc.site.origin + SHEET)


async def test_two_tabs_log_in_at_once_and_each_shows_its_own_page(chromium: Browser, oidc: Evening) -> None:
    context = await chromium.new_context()
    tabs = [await context.new_page() for _ in range(2)]
    for number, tab in enumerate(tabs):
        await tab.goto(f"{oidc.site.origin}{SHEET}&tab={number}")
    for tab in reversed(tabs):
        await sign_in(tab)
        await expect(tab.locator("#user")).to_contain_text("ann")
    assert [tab.url.endswith(f"&tab={number}") for number, tab in enumerate(tabs)] == [True, True]


async def test_the_back_button_after_a_login_leads_to_qlik_and_not_to_an_error(
    chromium: Browser, oidc: Evening
) -> None:
    page = await (await chromium.new_context()).new_page()
    await page.goto(oidc.site.origin + SHEET)
    await sign_in(page)
    await expect(page.locator("#user")).to_contain_text("ann")
    await page.go_back()
    await page.goto(oidc.site.origin + SHEET)
    await expect(page.locator("#user")).to_contain_text("ann")


async def test_the_address_that_brought_somebody_back_is_no_use_in_another_browser(
    chromium: Browser, oidc: Evening
) -> None:
    villain = oidc.site.browser()
    async with oidc.provider.visitor() as there:
        back = await at_the_provider(there, await oidc.away(villain), "eve", oidc.back)
    victim = await (await chromium.new_context()).new_page()
    await victim.goto(oidc.site.origin + SHEET)
    answer = await victim.goto(back)
    assert answer is not None
    assert answer.status == 403
    await expect(victim.get_by_role("link", name="Try again")).to_be_visible()
    assert oidc.site.node.sessions("sales") == []


async def test_who_cancels_at_the_provider_is_told_and_may_try_again(chromium: Browser, oidc: Evening) -> None:
    page = await (await chromium.new_context()).new_page()
    await page.goto(oidc.site.origin + SHEET)
    await page.get_by_role("link", name="Cancel").click()
    await expect(page.get_by_text("oidc_access_denied")).to_be_visible()
    await page.get_by_role("link", name="Try again").click()
    await sign_in(page)
    await expect(page.locator("#user")).to_contain_text("ann")


async def test_an_email_address_on_the_login_page_leads_to_the_provider_of_its_domain(
    chromium: Browser, tmp_path: Path
) -> None:
    more = [{"method": "password_file", "file": "users"}]
    async with evening(tmp_path, tls=False, more=more, hint={"email_domains": ["acme.example"]}) as oidc:
        page = await (await chromium.new_context()).new_page()
        await page.goto(oidc.site.origin + SHEET)
        await page.get_by_label("e-mail address").fill("ann@acme.example")
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_placeholder("Enter any login")).to_have_value("ann@acme.example")
        await sign_in(page)
        await expect(page.locator("#user")).to_contain_text("ann")
