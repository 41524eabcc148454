"""New passwords at the login, and accounts that are locked or have expired."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from local_people import KEY, LOGIN, NOON, go_on, people
from login_site import PASSWORD, Browser, Reply
from waiting import eventually

from qproxy.auth import Unavailable, users
from qproxy.auth.password_rules import PasswordRules
from qproxy.auth.user_marks import Marks
from qproxy.model import NO_TIE
from qproxy.sessions.store import StoreUnavailable

NEW = "seven blue otters"


# --- another password ---


async def choose(browser: Browser, page: Reply, new: str, again: str | None = None, at: str = LOGIN) -> Reply:
    return await go_on(browser, page, at, new=new, again=new if again is None else again)


async def test_who_must_change_the_password_does_so_after_the_old_one(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        those.mark(must_change=True)
        browser = those.site.browser()
        page = await those.first(browser)
        done = await choose(browser, page, NEW)
        statuses = [(await those.log_in(password)).status for password in (PASSWORD, NEW)]
    assert (page.status, done.status, statuses) == (200, 303, [403, 303])
    assert those.marks() == Marks(changed=date(2027, 1, 15))


@pytest.mark.parametrize(
    ("new", "again", "told"),
    [
        ("short", "short", "too short"),
        (NEW, "seven red otters!", "same new password twice"),
        (PASSWORD, PASSWORD, "your old password"),
        ("ann is too short", "ann is too short", ""),
        ("password2026!", "password2026!", "Too many people"),
        ("", "", "too short"),
    ],
)
async def test_a_poor_new_password_is_refused_and_the_old_one_stays(
    tmp_path: Path, new: str, again: str, told: str
) -> None:
    async with people(tmp_path) as those:
        those.mark(must_change=True)
        browser = those.site.browser()
        page = await choose(browser, await those.first(browser), new, again)
        done = await choose(browser, page, NEW) if told else page
    assert told in page.message
    assert done.status == 303


async def test_a_list_of_breached_passwords_that_went_away_lets_nobody_choose_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with people(tmp_path, password=PasswordRules(breached=tmp_path / "gone")) as those:
        those.mark(must_change=True)
        browser = those.site.browser()
        refused = await choose(browser, await those.first(browser), NEW)
    assert (refused.status, those.marks().must_change) == (503, True)
    assert "gone: the list of breached passwords cannot be read" in caplog.text


async def test_of_two_new_passwords_at_once_one_is_taken(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        those.mark(must_change=True)
        browsers = [those.site.browser() for _ in range(3)]
        pages = [await those.first(browser) for browser in browsers]
        new = ["seven blue otters", "eight red otters", "nine green otters"]
        done = await asyncio.gather(*map(choose, browsers, pages, new))
    assert sorted(one.status for one in done) == [303, 403, 403]


async def test_a_password_that_is_too_old_has_to_be_changed(tmp_path: Path) -> None:
    async with people(tmp_path, max_age=90 * 86400.0) as those:
        those.mark("ann", changed=date(2026, 10, 16))
        those.mark("bob", changed=date(2026, 10, 17))
        old, young = await those.log_in(), await those.log_in(name="bob")
    assert ("too old" in old.text, old.status, young.status) == (True, 200, 303)


async def test_a_password_of_unknown_age_is_too_old(tmp_path: Path) -> None:
    async with people(tmp_path, max_age=90 * 86400.0) as those:
        assert "too old" in (await those.log_in()).text


async def test_the_code_comes_before_the_new_password(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        those.mark(totp=KEY, must_change=True)
        browser = those.site.browser()
        asked = await those.first(browser)
        page = await go_on(browser, asked, code=those.code())
        done = await choose(browser, page, NEW)
    assert ('name="code"' in asked.text, 'name="new"' in page.text, done.status) == (True, True, 303)
    assert those.marks().totp == KEY


async def test_the_form_for_a_new_password_is_good_once(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        those.mark(must_change=True)
        browser = those.site.browser()
        page = await those.first(browser)
        await choose(browser, page, NEW)
        again = await choose(browser, page, "nine green otters")
    assert (again.status, those.outcomes) == (403, ["accepted", "stale"])


async def test_who_is_logged_in_can_choose_another_password(tmp_path: Path) -> None:
    change = f"{LOGIN}?login=password_file&change="
    async with people(tmp_path) as those:
        browser = those.site.browser()
        await those.first(browser)
        page = await those.first(browser, page=change)
        done = await choose(browser, page, NEW, at=change)
        sessions = those.site.desk.sessions
        assert (done.status, (await those.log_in(NEW)).status, len(sessions)) == (303, 303, 2)


# --- locked and expired accounts ---


@pytest.mark.parametrize(
    ("marks", "word"),
    [({"locked": True}, "account_locked"), ({"expires": date(2027, 1, 15)}, "account_expired")],
)
async def test_what_is_wrong_with_an_account_is_told_only_to_who_has_the_password(
    tmp_path: Path, marks: dict[str, Any], word: str
) -> None:
    async with people(tmp_path) as those:
        those.mark(**marks)
        wrong, nobody = await those.log_in("wrong"), await those.log_in("wrong", name="eve")
        right = await those.log_in()
    assert (wrong.message, right.status) == (nobody.message, 403)
    assert those.outcomes == ["wrong", "wrong", word]


async def test_an_account_is_good_until_the_day_on_which_it_expires(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        those.mark(expires=date(2027, 1, 16))
        before = await those.log_in()
        those.now[0] += 86400
        after = await those.log_in()
    assert (before.status, after.status) == (303, 403)


async def test_who_is_locked_while_a_form_is_open_gets_no_further(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        those.mark(must_change=True)
        browser = those.site.browser()
        page = await those.first(browser)
        those.mark(locked=True)
        refused = await choose(browser, page, NEW)
    assert (refused.status, those.outcomes, those.marks().must_change) == (403, ["account_locked"], True)


async def test_wrong_tries_lock_a_person_out_where_that_is_configured_until_an_administrator_unlocks(
    tmp_path: Path,
) -> None:
    async with people(tmp_path, lock_after=3) as those:
        for _ in range(3):
            await those.log_in("wrong")
        await eventually(lambda: those.marks().locked)
        locked = await those.log_in()
        those.mark(locked=False)
        await those.log_in("wrong")
        unlocked = await those.log_in()
    assert (locked.status, unlocked.status, those.marks().locked) == (403, 303, False)
    assert those.outcomes[3] == "account_locked"


async def test_a_right_login_makes_the_wrong_tries_before_it_count_no_more(tmp_path: Path) -> None:
    async with people(tmp_path, lock_after=3) as those:
        for password in ["wrong", "wrong", PASSWORD] * 3:
            await those.log_in(password)
    assert those.outcomes.count("accepted") == 3


async def test_wrong_codes_lock_out_too_and_right_passwords_between_them_do_not_help(tmp_path: Path) -> None:
    async with people(tmp_path, lock_after=3) as those:
        those.mark(totp=KEY)
        for _ in range(3):
            await those.log_in(code="000000")
        await eventually(lambda: those.marks().locked)
        assert (await those.log_in()).status == 403


async def test_by_default_nobody_can_lock_out_somebody_else(tmp_path: Path) -> None:
    async with people(tmp_path, clock=lambda: 0.0) as those:
        for _ in range(12):
            await those.log_in("wrong")
    assert not those.marks().locked


async def test_a_lock_that_cannot_be_written_holds_nevertheless_and_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    async with people(tmp_path, lock_after=2) as those:
        monkeypatch.setattr(users, "put_in_place", refuse)
        for _ in range(2):
            await those.log_in("wrong")
        await eventually(lambda: "should be locked out" in caplog.text)
        assert (await those.log_in()).status == 403
    assert those.outcomes[-1] == "account_locked"


async def test_a_store_that_goes_away_in_between_does_not_undo_the_lock(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with people(tmp_path, lock_after=1) as those:

        async def gone(*_: object) -> None:
            raise StoreUnavailable("the disk is full")

        those.notes.take = gone  # type: ignore[assignment, method-assign]
        await those.log_in("wrong")
        await eventually(lambda: "is locked out after 1" in caplog.text)
    assert those.marks().locked
    assert "cannot be forgotten, and count for a day: the disk is full" in caplog.text


# --- sessions that are checked against the file ---


@pytest.mark.parametrize(
    ("change", "stands"),
    [
        (lambda marks: marks, True),
        (lambda marks: replace(marks, expires=date(2027, 1, 16)), True),
        (lambda marks: replace(marks, expires=date(2027, 1, 15)), False),
        (lambda marks: replace(marks, locked=True), False),
        (lambda marks: replace(marks, totp=KEY), False),
    ],
)
async def test_a_session_stands_as_long_as_its_person_would_be_let_in(
    tmp_path: Path, change: Callable[[Marks], Marks], stands: bool
) -> None:
    async with people(tmp_path, recheck=300.0) as those:
        await those.log_in()
        (session,) = those.site.desk.sessions.values()
        users.mark(those.path, "ann", change)
        those.now[0] += 300
        tie = await those.method.recheck(session)
    assert session.tie.check_at == NOON + 300
    assert (tie is not None and tie.check_at == NOON + 600) is stands


async def test_a_session_does_not_outlive_the_password_or_the_person(tmp_path: Path) -> None:
    async with people(tmp_path, recheck=300.0) as those:
        await those.log_in()
        await those.log_in(name="bob")
        users.set_password(those.path, "ann", NEW)
        users.remove(those.path, "bob")
        ties = [await those.method.recheck(session) for session in those.site.desk.sessions.values()]
    assert ties == [None, None]


async def test_a_file_that_cannot_be_read_is_no_answer(tmp_path: Path) -> None:
    async with people(tmp_path, recheck=300.0) as those:
        await those.log_in()
        those.path.chmod(0o644)
        (session,) = those.site.desk.sessions.values()
        with pytest.raises(Unavailable, match="chmod 600"):
            await those.method.recheck(session)


async def test_a_session_keeps_nothing_where_it_is_not_checked(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        await those.log_in()
    assert [session.tie for session in those.site.desk.sessions.values()] == [NO_TIE]
