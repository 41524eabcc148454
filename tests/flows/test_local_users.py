"""An evening of somebody in a file of users: enrolment, codes, another password, and who that is for Qlik."""

import re
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from html import unescape
from pathlib import Path

import aiohttp
import pytest
from a_site import PASSWORD, Site, call, farewell, greeting, site
from waiting import eventually

from qproxy.auth import totp, users
from qproxy.auth.user_marks import Marks

TARGET = "/sales/hub/?deep=link"
NEW = "seven blue otters"
REQUIRED = "login: [{method: password_file, file: users, totp: required, password: {max_age: 90d}}]"
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')


class Evening:
    """One browser at the login page: `page` is what it shows, `status` what it was answered with."""

    def __init__(self, qlik: Site) -> None:
        self.qlik = qlik
        self.person: aiohttp.ClientSession = qlik.browser()
        self.page, self.status, self.login, self.onward = "", 0, "", ""

    async def begin(self, password: str = PASSWORD) -> "Evening":
        async with self.person.get(self.qlik.url(TARGET), allow_redirects=False) as away:
            self.login = away.headers["Location"]
        async with self.person.get(self.qlik.url(self.login)) as form:
            self.page = await form.text()
        return await self.fill_in(name="ann", password=password)

    async def fill_in(self, **fields: str) -> "Evening":
        form = dict(HIDDEN.findall(self.page)) | fields
        async with self.person.post(self.qlik.url(self.login), data=form, allow_redirects=False) as answer:
            self.page, self.status, self.onward = await answer.text(), answer.status, answer.headers.get("Location", "")
        return self

    @property
    def shown(self) -> list[str]:
        return [unescape(one) for one in re.findall(r"<code>([^<]*)</code>", self.page)]

    async def who(self) -> str:
        """What Qlik's engine says of the person behind its socket."""
        async with self.qlik.engine(self.person) as ws:
            return str((await call(ws, "GetAuthenticatedUser"))["qReturn"])


def file_of(qlik: Site) -> Path:
    return qlik.directory / "users"


def noted(qlik: Site) -> Marks:
    return next(entry.marks for entry in users.people(file_of(qlik)) if entry.name == "ann")


def code(qlik: Site, key: str) -> str:
    return totp.code_of(key, totp.step_at(qlik.clock.now))


async def enrolled(qlik: Site) -> Evening:
    users.mark(file_of(qlik), "ann", lambda marks: replace(marks, changed=date(2027, 1, 1)))
    evening = await Evening(qlik).begin()
    await evening.fill_in(code=code(qlik, evening.shown[0].replace(" ", "")))
    return evening


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, vp=REQUIRED) as built:
        yield built


async def test_the_first_login_sets_the_second_step_up_and_qlik_knows_the_person(strict: Site) -> None:
    evening = await enrolled(strict)
    assert len(evening.shown) == 8
    await evening.fill_in()
    assert (evening.status, evening.onward) == (303, strict.origin + TARGET)
    assert await evening.who() == "UserDirectory=SALES; UserId=ann"
    assert stat.S_IMODE(file_of(strict).stat().st_mode) == 0o600


async def test_the_second_login_takes_a_code_once_and_a_recovery_code_once(strict: Site) -> None:
    codes = (await enrolled(strict)).shown
    strict.clock.now += totp.STEP
    typed = code(strict, noted(strict).totp)
    statuses = [(await (await Evening(strict).begin()).fill_in(code=one)).status for one in (typed, typed)]
    statuses += [(await (await Evening(strict).begin()).fill_in(code=codes[0])).status for _ in range(2)]
    assert statuses == [303, 403, 303, 403]


async def test_an_old_password_is_changed_on_the_way_and_only_the_new_one_is_good_then(strict: Site) -> None:
    await enrolled(strict)
    strict.clock.now += 90 * 86400
    evening = await Evening(strict).begin()
    await evening.fill_in(code=code(strict, noted(strict).totp))
    assert "too old" in evening.page
    await evening.fill_in(new=NEW, again=NEW)
    assert (evening.status, evening.onward) == (303, strict.origin + TARGET)
    assert await evening.who() == "UserDirectory=SALES; UserId=ann"
    assert [(await Evening(strict).begin(password)).status for password in (PASSWORD, NEW)] == [403, 200]


async def test_somebody_changes_the_password_by_the_link_on_the_login_page(tmp_path: Path) -> None:
    async with site(tmp_path, vp="login: [{method: password_file, file: users, password: {link: true}}]") as qlik:
        evening = Evening(qlik)
        async with evening.person.get(qlik.url(TARGET)) as form:
            [link] = [unescape(one) for one in re.findall(r'href="([^"]*&amp;change=)"', await form.text())]
        evening.login = link
        async with evening.person.get(qlik.url(link)) as form:
            evening.page = await form.text()
        assert "change=" not in evening.page
        await evening.fill_in(name="ann", password=PASSWORD)
        await evening.fill_in(new=NEW, again=NEW)
        assert (evening.status, evening.onward) == (303, qlik.origin + TARGET)
        assert [(await Evening(qlik).begin(password)).status for password in (PASSWORD, NEW)] == [403, 303]


async def test_half_a_login_is_none(strict: Site) -> None:
    evening = await enrolled(strict)
    assert strict.cookie(evening.person) == ""
    assert await strict.status(evening.person, "/sales/hub/") == 302


async def test_locked_by_wrong_tries_and_unlocked_by_an_administrator(tmp_path: Path) -> None:
    login = "login: [{method: password_file, file: users, lock_after: 3}]"
    async with site(tmp_path, vp=login) as qlik:
        for _ in range(3):
            await Evening(qlik).begin("wrong")
        await eventually(lambda: noted(qlik).locked)
        locked = await Evening(qlik).begin()
        users.mark(file_of(qlik), "ann", lambda marks: replace(marks, locked=False))
        unlocked = await Evening(qlik).begin()
    assert (locked.status, "Your account is locked" in locked.page, unlocked.status) == (403, True, 303)


async def test_who_is_locked_while_working_is_out_within_the_recheck_and_others_are_not(tmp_path: Path) -> None:
    async with site(tmp_path, vp="login: [{method: password_file, file: users, recheck: 5m}]") as qlik:
        ann, bob = qlik.browser(), qlik.browser()
        await qlik.log_in(ann)
        await qlik.log_in(bob, name="bob")
        async with qlik.engine(ann) as socket, qlik.engine(bob) as other:
            await greeting(socket)
            await greeting(other)
            users.mark(file_of(qlik), "ann", lambda marks: replace(marks, locked=True))
            assert await qlik.status(ann, "/sales/hub/") == 200
            qlik.clock.now += 301
            for person in (ann, bob):
                await qlik.status(person, "/sales/hub/")
            assert (await farewell(socket))[1:] == (1001, "provider")
            assert not other.closed
        assert [await qlik.status(person, "/sales/hub/") for person in (ann, bob)] == [302, 200]
