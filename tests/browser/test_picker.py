"""A person whose browser speaks German chooses a way to log in, and comes through to Qlik."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from a_site import APP, PASSWORD, Site, site
from login_site import quick_hasher
from playwright.async_api import Browser, expect

from qproxy.auth.user_file import Entry

WAYS = """
login:
  - {method: password_file, id: staff, name: Belegschaft, icon: building, file: users}
  - {method: password_file, id: guests, file: guests, icon: person}
pages: {product: Zahlenwerk, accent: "#7a1fa2"}
"""
SHEET = f"/sales/sense/app/{APP}/sheet/overview/state/analysis"

pytestmark = pytest.mark.browser


@pytest.fixture
async def qlik(tmp_path: Path) -> AsyncIterator[Site]:
    guests = tmp_path / "guests"
    guests.write_text(f"{Entry('gus', quick_hasher().hash(PASSWORD)).line}\n", "utf-8")
    guests.chmod(0o600)
    async with site(tmp_path, vp=WAYS) as built:
        yield built


async def test_a_german_person_comes_by_the_picker_through_to_qlik(chromium: Browser, qlik: Site) -> None:
    context = await chromium.new_context(locale="de-DE", java_script_enabled=False)
    page = await context.new_page()
    await page.goto(qlik.origin + SHEET)
    await expect(page).to_have_title("Anmelden - Zahlenwerk")
    await page.get_by_role("link", name="Benutzername und Passwort").click()
    await page.get_by_label("Benutzername").fill("gus")
    await page.get_by_label("Passwort").fill("falsch")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("Der Benutzername oder das Passwort stimmt nicht.")
    await page.get_by_label("Passwort").fill(PASSWORD)
    await page.get_by_role("button", name="Anmelden").click()
    await expect(page).to_have_url(qlik.origin + SHEET)
    await context.close()


async def test_the_operators_colour_is_that_of_the_button(chromium: Browser, qlik: Site) -> None:
    context = await chromium.new_context(locale="de-DE")
    page = await context.new_page()
    await page.goto(f"{qlik.origin}/qproxy/login/sales?login=staff")
    ground = await page.get_by_role("button").evaluate("one => getComputedStyle(one).backgroundColor")
    assert ground == "rgb(122, 31, 162)"
    await context.close()


async def test_the_person_who_logged_in_is_the_one_that_qlik_knows(chromium: Browser, qlik: Site) -> None:
    context = await chromium.new_context(locale="ja-JP")
    page = await context.new_page()
    await page.goto(qlik.origin + SHEET)
    await page.get_by_role("link", name="ユーザー名とパスワード").click()
    await page.get_by_label("ユーザー名").fill("gus")
    await page.get_by_label("パスワード").fill(PASSWORD)
    await page.get_by_role("button", name="ログイン").click()
    await expect(page.locator("#user")).to_contain_text("gus")
    await expect(page.locator("#chart svg rect").first).to_be_visible()
    await context.close()
