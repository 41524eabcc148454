"""An evening with a SAML identity provider: from a deep link to Qlik and out again, on both sides."""

from collections.abc import AsyncIterator, Iterator
from html import unescape
from pathlib import Path

import pytest
from a_site import Site, call, greeting, site
from aiohttp import ClientSession
from needs import require
from saml_site import Idp, fields_of, running_idp
from yarl import URL

TARGET = "/sales/sense/app/x?sheet=1"


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Idp]:
    require("xmlsec1")
    with running_idp(tmp_path_factory.mktemp("idp")) as running:
        yield running


@pytest.fixture
async def company(idp: Idp, tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "idp.xml").write_text(idp.metadata)
    idp.next()
    keys = f"certificate: {idp.folder / 'sp.pem'}, key: {idp.folder / 'sp_key.pem'}"
    async with site(tmp_path, vp=f"login: [{{method: saml, idp_metadata: idp.xml, {keys}}}]") as built:
        async with built.browser().get(built.url("/qproxy/login/sales/saml/metadata")) as described:
            idp.ask("/trust", await described.read())
        yield built


async def log_in(company: Site, idp: Idp, person: ClientSession) -> str:
    """Through the provider's page, as a browser posts it."""
    async with person.get(company.url(TARGET), allow_redirects=False) as turned_away:
        login = turned_away.headers["Location"]
    async with person.get(company.url(login), allow_redirects=False) as away:
        provider = away.headers["Location"]
    form = fields_of(idp.ask(provider))
    address = company.url("/qproxy/login/sales/saml/acs")
    async with person.post(address, data=form, allow_redirects=False) as back:
        assert back.status == 303, unescape(await back.text())
        return back.headers["Location"]


async def test_a_person_logs_in_at_the_provider_and_is_that_person_for_qlik(company: Site, idp: Idp) -> None:
    person = company.browser()
    assert await log_in(company, idp, person) == company.origin + TARGET
    async with company.engine(person) as ws:
        await greeting(ws)
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=ann"


async def test_a_logout_at_the_provider_is_one_here_and_the_provider_hears_of_it(company: Site, idp: Idp) -> None:
    person = company.browser()
    await log_in(company, idp, person)
    address = idp.ask("/begin?name_id=ann")
    async with person.get(URL(address, encoded=True), allow_redirects=False) as told:
        assert told.status == 303
        assert told.headers["Location"].startswith(idp.origin)
    assert await company.status(person, "/sales/hub/") == 302
    assert '"outcome": "provider_logout"' in (company.directory / "audit.log").read_text().replace('":"', '": "')


async def test_another_browser_cannot_use_an_answer(company: Site, idp: Idp) -> None:
    person, thief = company.browser(), company.browser()
    async with person.get(company.url("/qproxy/login/sales"), allow_redirects=False) as away:
        form = fields_of(idp.ask(away.headers["Location"]))
    async with thief.post(company.url("/qproxy/login/sales/saml/acs"), data=form, allow_redirects=False) as refused:
        assert refused.status == 403
        assert "stale" in await refused.text()
