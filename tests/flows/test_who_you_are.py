"""Who somebody is for Qlik, and who stays out: from the rules of the configuration to what Qlik's engine says."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from a_site import PASSWORD, Site, call, greeting, site
from login_site import quick_hasher

from qproxy.auth.user_file import Entry
from qproxy.model import Attributes

HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')
WAYS = """
attributes_cap: 60
attributes: {site: north}
who:
  case: lower
  deny: [{users: bob}]
login:
  - {method: password_file, file: users, who: {user_directory: STAFF}}
  - {method: password_file, id: guests, file: guests, who: {allow: [{networks: 192.0.2.0/24}]}}
"""


def a_file(path: Path, *people: Entry) -> None:
    path.write_text("".join(f"{entry.line}\n" for entry in people), "utf-8")
    path.chmod(0o600)


@pytest.fixture
async def rules(tmp_path: Path) -> AsyncIterator[Site]:
    hashed = quick_hasher().hash(PASSWORD)
    groups = Attributes((("group", "Sales"), ("group", "Europe"), ("group", "x" * 30)))
    a_file(tmp_path / "users", Entry("Anna", hashed, groups), Entry("Bob", hashed))
    a_file(tmp_path / "guests", Entry("gus", hashed))
    async with site(tmp_path, vp=WAYS) as built:
        yield built


async def posted(qlik: Site, name: str, way: str = "password_file") -> int:
    person, page = qlik.browser(), f"/qproxy/login/sales?login={way}"
    form = await qlik.form(person, page) | {"name": name, "password": PASSWORD}
    async with person.post(qlik.url(page), data=form, allow_redirects=False) as answer:
        return answer.status


async def test_the_mapped_user_is_who_qliks_engine_says(rules: Site) -> None:
    person = rules.browser()
    await rules.fill_in(person, "/qproxy/login/sales?login=password_file", "anna")
    async with rules.engine(person) as ws:
        await greeting(ws)
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=STAFF; UserId=anna"


async def test_the_session_module_gives_the_attributes_that_have_room_and_the_log_names_the_rest(
    rules: Site, caplog: pytest.LogCaptureFixture
) -> None:
    person = rules.browser()
    await rules.fill_in(person, "/qproxy/login/sales?login=password_file", "anna")
    async with rules.engine(person) as ws:
        await greeting(ws)
    [session] = rules.node.sessions("sales")
    assert session.attributes == [{"group": "Sales"}, {"group": "Europe"}, {"site": "north"}]
    assert rf"Qlik does not get of STAFF\anna: group={'x' * 30}" in caplog.text


async def test_who_is_denied_sees_a_page_and_the_audit_log_says_why(rules: Site) -> None:
    assert await posted(rules, "bob") == 403
    assert rules.node.sessions("sales") == []
    assert '"denied_by_rule"' in (rules.directory / "audit.log").read_text("utf-8")


async def test_who_is_denied_keeps_the_session_that_the_browser_had(rules: Site) -> None:
    person, page = rules.browser(), "/qproxy/login/sales?login=password_file"
    await rules.fill_in(person, page, "anna")
    before = rules.cookie(person)
    async with person.get(rules.url("/qproxy/login/sales?login=password_file&change=")) as answer:
        form = dict(HIDDEN.findall(await answer.text())) | {"name": "bob", "password": PASSWORD}
    async with person.post(rules.url(page), data=form, allow_redirects=False) as answer:
        assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)
    assert rules.cookie(person) == before
    assert await rules.status(person, "/sales/hub/") == 200


async def test_rules_of_one_way_to_log_in_hold_for_that_way_only(rules: Site) -> None:
    assert await posted(rules, "gus", "guests") == 403
    assert await posted(rules, "anna") == 303
