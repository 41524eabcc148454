"""qproxy's pages in a real browser, judged by axe-core: in each language, by day and night, on telephone and desk.

The pages come with their own header fields, so that the policy that keeps scripts out holds here too.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote

import pytest
from needs import require
from playwright.async_api import Browser, BrowserContext, Page, Route
from some_pages import pages_in

from qproxy.config import PagesConfig
from qproxy.errors import Failure
from qproxy.texts import TABLES
from qproxy.web.look import PLAIN, Look, Looks

AXE = Path(__file__).parent.parent / "clients" / "node_modules" / "axe-core" / "axe.min.js"
HOST = "https://pages.example/"
FAILURES = (Failure.SESSION_NOT_ACCEPTED, Failure.UPSTREAM_TIMEOUT)
"""One page for all: these have the longest texts."""
NAMES = list(pages_in(PLAIN.of("", "en"), *FAILURES))
SEEN: tuple[tuple[int, Literal["light", "dark"]], ...] = ((320, "light"), (1280, "dark"))
"""On a telephone by day, at a desk by night: colours are the same at both, and places by day and by night."""
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="40"><rect width="90" height="40"/></svg>'
FINDINGS = """async () => (await axe.run({resultTypes: ['violations']})).violations
    .map(found => `${found.id}: ${found.nodes.map(node => node.html).join(' ')}`)"""
WIDER_THAN_SHOWN = "() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth"

pytestmark = pytest.mark.browser


@pytest.fixture
async def context(chromium: Browser) -> AsyncIterator[BrowserContext]:
    opened = await chromium.new_context()
    yield opened
    await opened.close()


async def visits(context: BrowserContext, look: Look, *names: str) -> AsyncIterator[tuple[str, Page]]:
    """One page after the other, as qproxy answers with it."""
    pages = pages_in(look, *FAILURES)

    async def answer(route: Route) -> None:
        headers, body = pages[unquote(route.request.url).removeprefix(HOST)]  # nothing else may be loaded
        stays = {name: value for name, value in headers if name != "Refresh"}
        await route.fulfill(status=200, headers=stays, body=body)

    page = await context.new_page()
    await page.route("**", answer)
    for name in names:
        await page.goto(HOST + quote(name))
        yield name, page


async def visit(context: BrowserContext, look: Look, name: str) -> Page:
    [page] = [page async for _, page in visits(context, look, name)]
    return page


async def findings(page: Page) -> dict[str, Any]:
    """What axe has to say, by size and scheme; the page's own policy lets no script in but the debugger's."""
    await page.evaluate(AXE.read_text("utf-8"))
    found = {}
    for width, scheme in SEEN:
        await page.set_viewport_size({"width": width, "height": 700})
        await page.emulate_media(color_scheme=scheme)
        found[scheme] = await page.evaluate(FINDINGS)
    return {where: what for where, what in found.items() if what}


@pytest.mark.parametrize("language", TABLES)
async def test_axe_finds_nothing_on_any_page(context: BrowserContext, language: str) -> None:
    require("npm-clients")
    async for name, page in visits(context, PLAIN.of("", language), *NAMES):
        assert await findings(page) == {}, name


async def test_axe_finds_what_is_wrong(context: BrowserContext) -> None:
    require("npm-clients")
    page = await visit(context, PLAIN.of("", "en"), "login")
    await page.evaluate("() => document.querySelector('label').remove()")
    await page.evaluate("() => document.querySelector('h1').style.color = '#ccc'")
    said = str(await findings(page))
    assert "color-contrast" in said
    assert "label" in said


async def test_axe_finds_nothing_on_pages_of_an_operators_own_look(context: BrowserContext, tmp_path: Path) -> None:
    require("npm-clients")
    (tmp_path / "logo.svg").write_text(LOGO, "utf-8")
    own = PagesConfig(
        logo=tmp_path / "logo.svg",
        accent="#767676",
        support="Service desk",
        support_url="https://help.example/",
        footer="Ours only",
    )
    async for name, page in visits(context, Looks(own, {}).of("", "en"), "refused", "picker", "turned away"):
        assert await findings(page) == {}, name


@pytest.mark.parametrize("language", TABLES)
async def test_nothing_has_to_be_scrolled_sideways(context: BrowserContext, language: str) -> None:
    async for name, page in visits(context, PLAIN.of("", language), *NAMES):
        for width, text in ((320, "100%"), (640, "200%")):
            await page.set_viewport_size({"width": width, "height": 640})
            await page.evaluate("size => document.documentElement.style.fontSize = size", text)
            assert await page.evaluate(WIDER_THAN_SHOWN) == 0, (name, width, text)


@pytest.mark.parametrize(
    ("name", "focused"),
    [("login", "field-name"), ("refused", "field-password"), ("turned away", "message"), ("picker again", "message")],
)
async def test_the_cursor_is_where_the_person_goes_on(context: BrowserContext, name: str, focused: str) -> None:
    page = await visit(context, PLAIN.of("", "en"), name)
    assert await page.evaluate("() => document.activeElement.id") == focused


async def test_the_keyboard_alone_goes_through_a_form_in_its_order(context: BrowserContext) -> None:
    page = await visit(context, PLAIN.of("", "en"), "login")
    order = []
    for _ in range(4):
        order.append(await page.evaluate("() => document.activeElement.id || document.activeElement.localName"))
        await page.keyboard.press("Tab")
    assert order == ["field-name", "field-password", "button", "a"]


async def test_a_screen_reader_is_told_what_was_wrong_with_the_fields(context: BrowserContext) -> None:
    page = await visit(context, PLAIN.of("", "fr"), "refused")
    tree = await page.locator("main").aria_snapshot()
    assert "alert" in tree
    field = page.get_by_role("textbox", name="Mot de passe")
    assert await field.get_attribute("aria-invalid") == "true"
    described = await field.get_attribute("aria-describedby")
    assert "incorrect" in await page.locator(f"#{described}").inner_text()
    assert await page.title() == "Erreur\u00a0: Connexion - Qlik Sense"


async def test_with_forced_colours_every_button_has_an_edge(chromium: Browser) -> None:
    context = await chromium.new_context(forced_colors="active")
    page = await visit(context, PLAIN.of("", "en"), "login")
    edge = await page.locator("button").evaluate("one => getComputedStyle(one).borderTopColor")
    ground = await page.locator("button").evaluate("one => getComputedStyle(one).backgroundColor")
    assert edge != ground
    await context.close()
