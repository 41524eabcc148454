"""An evening with a directory: from a deep link through its form to the name that Qlik's engine says."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from a_site import Site, call, greeting, site
from click.testing import CliRunner
from ldap_server import GROUPS, PASSWORD, PEOPLE, SERVICE, Slapd, running

from qproxy.cli import main

TARGET = "/sales/sense/app/x?sheet=1"
LOGIN = """
who:
  case: upper
  attributes: [{{name: Group, claim: groups, keep: [sales, "eu*"]}}, {{name: Email, claim: mail}}]
  deny: [{{claims: {{groups: others}}}}]
login:
  - method: ldap
    name: The company
    servers: {servers}
    ca: {ca}
    subtree: {subtree}
    bind_as: {service}
    password_file: {secret}
    filter: (uid={{account}})
    user_id: uid
    groups: {{how: member, subtree: "{groups}"}}
"""


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with running(tmp_path_factory.mktemp("slapd")) as server:
        yield server


@pytest.fixture
async def company(slapd: Slapd, tmp_path: Path) -> AsyncIterator[Site]:
    keys = {"servers": slapd.ldaps, "ca": slapd.ca, "subtree": PEOPLE, "service": SERVICE, "secret": slapd.secret}
    async with site(tmp_path, vp=LOGIN.format(groups=GROUPS, **keys)) as built:
        yield built


async def test_who_is_in_the_directory_is_that_user_for_qlik(company: Site) -> None:
    person = company.browser()
    assert await company.log_in(person, TARGET, "Anna", PASSWORD) == company.origin + TARGET
    async with company.engine(person) as ws:
        await greeting(ws)
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=ANNA"


async def test_qlik_gets_the_groups_in_groups_and_the_attributes_that_the_rules_name(company: Site) -> None:
    person = company.browser()
    await company.log_in(person, TARGET, "anna", PASSWORD)
    async with company.engine(person) as ws:
        await greeting(ws)
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=ANNA"
    [session] = company.node.sessions("sales")
    assert session.attributes == [{"Group": "europe"}, {"Group": "sales"}, {"Email": "anna@acme.example"}]


async def test_a_group_that_is_denied_stays_out(company: Site) -> None:
    await refused(company, "bob", PASSWORD)
    assert '"denied_by_rule"' in (company.directory / "audit.log").read_text("utf-8")


async def test_an_administrator_asks_who_somebody_would_be_without_a_password(company: Site) -> None:
    question = ["whoami", str(company.directory), "--vp", "sales", "--as", "anna"]
    found = await asyncio.to_thread(CliRunner().invoke, main, question)
    assert (found.exit_code, "ANNA" in found.output, "europe" in found.output) == (0, True, True)


async def refused(company: Site, name: str, password: str) -> str:
    person = company.browser()
    async with person.get(company.url(TARGET), allow_redirects=False) as away:
        page = away.headers["Location"]
    form = await company.form(person, page) | {"name": name, "password": password}
    async with person.post(company.url(page), data=form, allow_redirects=False) as answer:
        assert answer.status == 403
        return await answer.text()


async def test_a_person_is_told_of_an_expired_password_and_a_stranger_is_not(company: Site) -> None:
    assert "Your password has expired" in await refused(company, "old", PASSWORD)
    assert "password is not right" in await refused(company, "old", "wrong")


async def test_the_audit_log_has_the_exact_reason(company: Site) -> None:
    await refused(company, "new", PASSWORD)
    assert '"ldap_must_change_password"' in (company.directory / "audit.log").read_text("utf-8")
