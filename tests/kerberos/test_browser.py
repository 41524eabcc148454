"""Chromium with and without a ticket: straight into Qlik, or the form on the page below the challenge."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from a_site import APP, PASSWORD, Site
from needs import require
from playwright.async_api import Page, async_playwright, expect

SHEET = f"/sales/sense/app/{APP}/sheet/overview/state/analysis"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

pytestmark = pytest.mark.browser


@asynccontextmanager
async def chromium(profile: Path, environ: dict[str, str], more: Sequence[str] = ()) -> AsyncIterator[Page]:
    """With a profile of its own: a private window would show no ticket."""
    require("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch_persistent_context(
            profile, executable_path="/usr/bin/chromium", args=[*FLAGS, *more], env={**os.environ, **environ}
        )
        yield await browser.new_page()
        await browser.close()


async def test_a_browser_that_is_told_to_shows_its_ticket_and_nobody_types(
    ticket: dict[str, str], qlik: Site, tmp_path: Path
) -> None:
    told = "--auth-server-allowlist=localhost"
    async with chromium(tmp_path, ticket, [told]) as page:
        await page.goto(qlik.origin + SHEET)
    async with chromium(tmp_path, ticket, [told]) as page:  # on Linux it can from the start after it was asked first
        await page.goto(qlik.origin + SHEET)
        await expect(page).to_have_url(qlik.origin + SHEET)
        await expect(page.locator("#user")).to_contain_text("ann")


async def test_a_browser_that_has_none_shows_the_form(qlik: Site, tmp_path: Path) -> None:
    async with chromium(tmp_path, {}) as page:
        await page.goto(qlik.origin + SHEET)
        await page.get_by_label("User name").fill("ann")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button").click()
        await expect(page).to_have_url(qlik.origin + SHEET)
        await expect(page.locator("#user")).to_contain_text("ann")
