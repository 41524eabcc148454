"""A portal's button leads into Qlik: the documentation's own lines sign the token, a browser posts it."""

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from a_portal import Portal
from a_site import Site, call, greeting, site

HANDOFF = "/qproxy/login/sales/portal/handoff"


@pytest.fixture
async def portal(tmp_path: Path) -> AsyncIterator[Portal]:
    async with Portal(tmp_path).serving() as opened:
        yield opened


@pytest.fixture
async def qlik(tmp_path: Path, portal: Portal) -> AsyncIterator[Site]:
    async with site(tmp_path, vp=portal.login) as built:
        built.clock.now = time.time()
        portal.bi = built.origin
        yield built


def fields(page: str) -> dict[str, str]:
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))


async def post(qlik: Site, person: aiohttp.ClientSession, form: dict[str, str], origin: str) -> tuple[int, str, str]:
    """Status, Location and text of the answer to a form that a page of that origin posts."""
    headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
    async with person.post(HANDOFF, data=form, headers=headers, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", ""), await answer.text()


async def test_a_deep_link_leads_through_the_portal_to_qlik(qlik: Site, portal: Portal) -> None:
    person = qlik.browser()
    async with person.get("/sales/sense/app/1?x=2") as page:
        assert str(page.url).startswith(f"{portal.origin}/qlik?state=")
        form = fields(await page.text())
    assert await post(qlik, person, form, portal.origin) == (303, f"{qlik.origin}/sales/sense/app/1?x=2", "")
    async with qlik.engine(person) as ws:
        await greeting(ws)
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=ann"


async def test_the_portal_opens_qlik_by_itself(qlik: Site, portal: Portal) -> None:
    person = qlik.browser()
    status, where, _ = await post(qlik, person, fields(portal.form()), portal.origin)
    assert (status, where) == (303, f"{qlik.origin}/sales/hub/")
    assert await qlik.status(person, "/sales/hub/") == 200


async def test_the_back_button_posts_a_token_twice_and_finds_the_session_that_it_made(
    qlik: Site, portal: Portal
) -> None:
    person, form = qlik.browser(), fields(portal.form())
    await post(qlik, person, form, portal.origin)
    made = qlik.cookie(person)
    assert (await post(qlik, person, form, portal.origin))[:2] == (303, f"{qlik.origin}/sales/hub/")
    assert qlik.cookie(person) == made


async def test_a_token_that_somebody_else_found_later_is_worth_nothing(qlik: Site, portal: Portal) -> None:
    form = fields(portal.form())
    await post(qlik, qlik.browser(), form, portal.origin)
    thief = qlik.browser()
    status, _, text = await post(qlik, thief, form, portal.origin)
    assert status == 403
    assert "handoff_replayed" in text
    assert not qlik.cookie(thief)


async def test_another_sites_page_logs_nobody_in(qlik: Site, portal: Portal) -> None:
    person = qlik.browser()
    for origin in ("https://evil.example.com", "null", qlik.origin):
        status, _, text = await post(qlik, person, fields(portal.form()), origin)
        assert status == 403
        assert "handoff_wrong_origin" in text
    assert not qlik.cookie(person)


async def test_a_token_in_the_address_logs_nobody_in(qlik: Site, portal: Portal) -> None:
    person = qlik.browser(Origin=portal.origin)
    token = fields(portal.form())["token"]
    async with person.get(f"{HANDOFF}?token={token}", allow_redirects=False) as page:
        assert page.status == 403
        assert "handoff_not_posted" in await page.text()
    assert not qlik.cookie(person)


async def test_a_token_that_is_posted_twice_in_one_form_is_refused(qlik: Site, portal: Portal) -> None:
    token = fields(portal.form())["token"]
    headers = {"Origin": portal.origin, "Content-Type": "application/x-www-form-urlencoded"}
    status = await qlik.status(
        qlik.browser(), HANDOFF, method="POST", data=f"token={token}&token={token}", headers=headers
    )
    assert status == 400


async def test_no_log_holds_the_token(qlik: Site, portal: Portal) -> None:
    form = fields(portal.form())
    await post(qlik, qlik.browser(), form, portal.origin)
    await post(qlik, qlik.browser(), form, portal.origin)
    qlik.server.ledger.flush()
    logs = "".join(file.read_text() for file in qlik.directory.glob("*.log"))
    assert "handoff_replayed" in logs
    assert form["token"].split(".")[1] not in logs
