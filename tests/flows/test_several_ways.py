"""Several ways to log in on one virtual proxy, from the configuration to the name that Qlik's engine says."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest
from a_site import PASSWORD, Site, call, greeting, site
from aiohttp import ClientSession
from login_site import quick_hasher

from qproxy.auth.user_file import Entry

WAYS = """
login:
  - {method: password_file, id: staff, name: Staff, file: users}
  - {method: password_file, id: guests, name: Guests, file: guests, hint: {email_domains: guest.example}}
"""
TARGET = "/sales/sense/app/x?sheet=1"


@pytest.fixture
async def two_ways(tmp_path: Path) -> AsyncIterator[Site]:
    guests = tmp_path / "guests"
    guests.write_text(f"{Entry('gus', quick_hasher().hash(PASSWORD)).line}\n", "utf-8")
    guests.chmod(0o600)
    async with site(tmp_path, vp=WAYS) as built:
        yield built


async def login_page(qlik: Site, person: ClientSession) -> str:
    async with person.get(qlik.url(TARGET), allow_redirects=False) as away:
        return str(away.headers["Location"])


async def test_a_guest_chooses_the_guests_form_and_is_that_guest_for_qlik(two_ways: Site) -> None:
    person = two_ways.browser()
    async with person.get(two_ways.url(await login_page(two_ways, person))) as page:
        [address] = [unescape(one) for one in re.findall(r'href="([^"]*login=guests)"', await page.text())]
    assert await two_ways.fill_in(person, address, "gus") == two_ways.origin + TARGET
    async with two_ways.engine(person) as ws:
        await greeting(ws)
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=gus"


async def test_a_guest_does_not_get_in_by_the_form_of_the_staff(two_ways: Site) -> None:
    person = two_ways.browser()
    page = f"{await login_page(two_ways, person)}&login=staff"
    form = await two_ways.form(person, page) | {"name": "gus", "password": PASSWORD}
    async with person.post(two_ways.url(page), data=form, allow_redirects=False) as refused:
        assert refused.status == 403
        assert 'value="staff"' in await refused.text()


async def test_an_email_address_leads_to_the_form_of_its_domain(two_ways: Site) -> None:
    person = two_ways.browser()
    page = await login_page(two_ways, person)
    form = await two_ways.form(person, page) | {"email": "gus@Guest.example"}
    async with person.post(two_ways.url(page), data=form, allow_redirects=False) as led:
        address = led.headers["Refresh"].removeprefix("0; url=").removeprefix(two_ways.origin)
    assert await two_ways.fill_in(person, address, "gus") == two_ways.origin + TARGET


async def test_the_audit_log_says_by_which_way(two_ways: Site) -> None:
    person = two_ways.browser()
    await two_ways.fill_in(person, f"{await login_page(two_ways, person)}&login=guests", "gus")
    lines = (two_ways.directory / "audit.log").read_text("utf-8").splitlines()
    assert '"method":"guests"' in next(line for line in lines if '"outcome":"accepted"' in line).replace('": "', '":"')
