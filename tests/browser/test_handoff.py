"""A portal's button in a real browser: into the same window, and into a frame of the portal's page."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from a_portal import Portal
from a_site import APP, site
from needs import require
from playwright.async_api import Browser, async_playwright, expect

SHEET = f"/sales/sense/app/{APP}/sheet/overview/state/analysis"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

pytestmark = pytest.mark.browser


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    require("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        await browser.close()


async def test_the_button_of_another_site_opens_qlik_in_the_same_window(chromium: Browser, tmp_path: Path) -> None:
    async with Portal(tmp_path).serving() as portal, site(tmp_path, vp=portal.login) as qlik:
        qlik.clock.now, portal.bi = time.time(), qlik.origin
        page = await chromium.new_page()
        await page.goto(qlik.origin + SHEET)
        await page.get_by_role("button", name="Open Qlik Sense").click()
        await expect(page).to_have_url(f"{qlik.origin}/sales/hub/")
        await page.goto(qlik.origin + SHEET)
        await expect(page.locator("#user")).to_contain_text("ann")


async def test_the_button_opens_qlik_in_a_frame_of_the_portals_page(chromium: Browser, tmp_path: Path) -> None:
    async with (
        Portal(tmp_path, host="localhost", target="bi").serving() as portal,
        site(tmp_path, vp=f"allowed_origins: {portal.origin}\n{portal.login}") as qlik,
    ):
        qlik.clock.now, portal.bi = time.time(), qlik.origin
        page = await chromium.new_page()
        await page.goto(qlik.origin + SHEET)
        await page.get_by_role("button", name="Open Qlik Sense").click()
        frame = page.frame_locator("iframe[name=bi]")
        await expect(frame.locator("#user")).to_contain_text("ann")
        await expect(frame.locator("#chart svg rect").first).to_be_visible()
