"""Whoever comes is spoken to in their own language, by qproxy's pages and by the data plane, in an operator's words."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from a_site import PASSWORD, Site, site

DEEP = "/sales/sense/app/x"
PAGES = """
pages:
  product: Acme Zahlen
  footer: Nur intern
  texts: {fr: {login_button: "Entrer dans {product}"}}
"""


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, vp=f"{PAGES}wait_for_qlik: 0\n") as built:
        yield built


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as built:
        yield built


async def page(qlik: Site, target: str, **headers: str) -> tuple[str, str]:
    """The text, and the language that the answer says it has."""
    async with qlik.browser(**headers).get(qlik.url(target)) as answer:
        return await answer.text(), answer.headers["Content-Language"]


async def test_a_login_page_speaks_the_persons_language_and_the_operators_words(own: Site) -> None:
    text, language = await page(own, DEEP, **{"Accept-Language": "nl, fr-CH;q=0.9, en;q=0.5"})
    assert language == "fr"
    assert '<html lang="fr">' in text
    assert ">Entrer dans Acme Zahlen</button>" in text
    assert "<p>Nur intern</p>" in text


@pytest.mark.parametrize("target", ["/nowhere", "/qproxy/nowhere", "/qproxy/login/nobody"])
async def test_a_failure_is_told_in_the_persons_language(plain: Site, target: str) -> None:
    text, language = await page(plain, target, **{"Accept-Language": "sv-SE, sv;q=0.9"})
    assert language == "sv"
    assert "Det finns ingenting på den här adressen." in text


async def test_a_failure_of_qlik_is_told_in_the_virtual_proxys_own_look(own: Site) -> None:
    person = own.browser(**{"Accept-Language": "de"})
    await own.log_in(person)
    await own.node.stop()
    async with person.get(own.url("/sales/hub/")) as answer:
        text = await answer.text()
    assert answer.headers["Content-Language"] == "de"
    assert "<h1>Acme Zahlen startet gerade neu</h1>" in text
    assert "<p>Nur intern</p>" in text


async def test_a_refusal_is_in_the_language_of_the_form(plain: Site) -> None:
    person = plain.browser(**{"Accept-Language": "es"})
    async with person.get(plain.url(DEEP), allow_redirects=False) as away:
        login = away.headers["Location"]
    form = await plain.form(person, login) | {"name": "ann", "password": PASSWORD + "?"}
    async with person.post(plain.url(login), data=form) as answer:
        assert "El nombre de usuario o la contraseña no son correctos." in await answer.text()


async def test_programs_are_told_in_english_whatever_they_say(plain: Site) -> None:
    headers = {"Accept": "application/json", "Accept-Language": "ja"}
    async with plain.browser(**headers).get(plain.url(DEEP)) as answer:
        assert (await answer.json())["message"] == "Please log in."


async def test_qlik_gets_the_languages_of_a_person_as_they_came(plain: Site) -> None:
    person = plain.browser(**{"Accept-Language": "de-CH, de;q=0.9"})
    await plain.log_in(person)
    assert ["Accept-Language", "de-CH, de;q=0.9"] in [list(pair) for pair in (await plain.echo(person))["headers"]]
