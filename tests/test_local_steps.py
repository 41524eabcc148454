"""The second step through the login page: codes, recovery codes, the enrolment of an authenticator app."""

import asyncio
import re
from pathlib import Path

import pytest
from local_people import KEY, LOGIN, People, go_on, people, shown
from login_site import PASSWORD, Browser, Reply

from qproxy.auth import totp, users

RECOVERY = "abcd-efgh-ijkl-mnop"
NEW = "seven blue otters"


# --- codes ---


async def test_who_has_a_key_is_asked_for_a_code_and_let_in_with_it(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        those.mark(totp=KEY)
        asked = await those.log_in()
        done = await those.log_in(code=those.code())
    assert (asked.status, 'autocomplete="one-time-code"' in asked.text, done.status) == (200, True, 303)
    assert those.outcomes == ["accepted"]


async def test_the_field_of_the_code_is_empty_and_has_the_focus(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        those.mark(totp=KEY)
        (field,) = re.findall(r'<input id="field-code"[^>]*>', (await those.log_in()).text)
    assert 'value=""' in field
    assert "autofocus" in field


async def test_a_code_counts_once(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        those.mark(totp=KEY)
        first = await those.log_in(code=those.code())
        replayed = await those.log_in(code=those.code())
        those.now[0] += totp.STEP
        later = await those.log_in(code=those.code())
    assert (first.status, replayed.status, later.status) == (303, 403, 303)
    assert "used before" in replayed.message
    assert those.outcomes == ["accepted", "code_used", "accepted"]


async def test_a_wrong_code_is_told_and_may_be_typed_again(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        those.mark(totp=KEY)
        browser = those.site.browser()
        wrong = await go_on(browser, await those.first(browser), code="000000")
        done = await go_on(browser, wrong, code=those.code())
    assert (wrong.status, "This code is not right" in wrong.message, done.status) == (403, True, 303)


async def test_codes_cannot_be_guessed_in_peace_by_who_has_the_password(tmp_path: Path) -> None:
    async with people(tmp_path, clock=lambda: 0.0) as those:
        those.mark(totp=KEY)
        for _ in range(6):
            await those.log_in(code="000000")
    assert those.outcomes[:6] == ["code_wrong"] * 5 + ["throttled"]


async def test_a_code_alone_is_no_login(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        those.mark(totp=KEY)
        browser = those.site.browser()
        form = await browser.get(LOGIN)
        refused = await browser.post(LOGIN, {"token": form.token, "name": "ann", "code": those.code()})
    assert (refused.status, those.outcomes) == (403, ["wrong"])


async def test_the_form_of_the_code_is_no_good_once_the_password_is_another_one(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        those.mark(totp=KEY)
        browser = those.site.browser()
        asked = await those.first(browser)
        users.set_password(those.path, "ann", NEW)
        refused = await go_on(browser, asked, code=those.code())
    assert (refused.status, those.outcomes) == (403, ["stale"])


async def test_a_second_step_of_one_person_does_not_let_in_another(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        those.mark("ann", totp=KEY)
        those.mark("bob", totp=totp.new_key())
        browser = those.site.browser()
        asked = await those.first(browser)
        await go_on(browser, asked, code="000000", name="bob")
        await go_on(browser, asked, code=those.code(), name="bob")
    assert [event.user for event in those.site.desk.events] == ["ann", "ACME\\ann"]


async def test_a_clock_that_is_off_by_a_step_is_put_up_with_and_noted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "qproxy.auth")
    async with people(tmp_path) as those:
        those.mark(totp=KEY)
        code = those.code()
        those.now[0] += totp.STEP
        statuses = [(await those.log_in(code=code)).status]
        those.now[0] += totp.STEP
        statuses.append((await those.log_in(code=code)).status)
    assert statuses == [303, 403]
    assert "authenticator app of 'ann' is off by -1 steps" in caplog.text


async def test_a_recovery_code_that_two_use_at_once_lets_one_in(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        those.mark(totp=KEY, recovery=(totp.recovery_hash(RECOVERY),))
        browsers = [those.site.browser() for _ in range(4)]
        asked = [await those.first(browser) for browser in browsers]
        done = await asyncio.gather(*(go_on(*pair, code=RECOVERY) for pair in zip(browsers, asked, strict=True)))
    assert sorted(one.status for one in done) == [303, 403, 403, 403]


async def test_a_recovery_code_stands_in_for_a_code_once(tmp_path: Path) -> None:
    async with people(tmp_path) as those:
        those.mark(totp=KEY, recovery=(totp.recovery_hash(RECOVERY), totp.recovery_hash("another")))
        done = await those.log_in(code=RECOVERY.upper())
        again = await those.log_in(code=RECOVERY)
    assert (done.status, again.status) == (303, 403)
    assert those.marks().recovery == (totp.recovery_hash("another"),)


# --- enrolment ---


async def enrol(those: People, browser: Browser) -> tuple[Reply, str]:
    """The page with the recovery codes, and the key."""
    page = await those.first(browser)
    (shown_key,) = shown(page)
    key = shown_key.replace(" ", "")
    return await go_on(browser, page, code=those.code(key)), key


async def test_where_a_second_step_is_required_the_first_login_sets_it_up(tmp_path: Path) -> None:
    async with people(tmp_path, second_step=True) as those:
        browser = those.site.browser()
        codes, key = await enrol(those, browser)
        done = await go_on(browser, codes)
        those.now[0] += totp.STEP
        second = await those.log_in(code=those.code(key))
    assert (codes.status, len(shown(codes)), done.status, second.status) == (200, 8, 303, 303)
    assert those.marks().recovery == tuple(map(totp.recovery_hash, shown(codes)))


async def test_the_key_is_shown_as_text_and_as_a_picture_that_the_policy_allows(tmp_path: Path) -> None:
    async with people(tmp_path, second_step=True) as those:
        page = await those.log_in()
    assert re.search(r'<img class="code" src="data:image/svg\+xml[^"]+" alt="[^"]+"', page.text)
    assert "img-src data:" in page.headers["Content-Security-Policy"]


async def test_a_wrong_first_code_leaves_the_key_as_it_is_shown(tmp_path: Path) -> None:
    async with people(tmp_path, second_step=True) as those:
        browser = those.site.browser()
        page = await those.first(browser)
        wrong = await go_on(browser, page, code="000000")
    assert (wrong.status, shown(wrong), those.marks().totp) == (403, shown(page), "")


async def test_the_code_of_the_enrolment_counts_once_too(tmp_path: Path) -> None:
    async with people(tmp_path, second_step=True) as those:
        _, key = await enrol(those, those.site.browser())
        replayed = await those.log_in(code=those.code(key))
    assert (replayed.status, those.outcomes) == (403, ["code_used"])


async def test_the_page_with_the_recovery_codes_lets_in_once(tmp_path: Path) -> None:
    async with people(tmp_path, second_step=True) as those:
        browser = those.site.browser()
        codes, _ = await enrol(those, browser)
        await go_on(browser, codes)
        those.site.desk.sessions.clear()
        back = await go_on(browser, codes)
    assert (back.status, those.site.desk.sessions, those.outcomes) == (403, {}, ["accepted", "stale"])


async def test_an_enrolment_that_was_done_in_another_tab_is_not_done_again(tmp_path: Path) -> None:
    async with people(tmp_path, second_step=True) as those:
        browser = those.site.browser()
        other = await those.first(browser)
        _, key = await enrol(those, browser)
        late = await go_on(browser, other, code=those.code(shown(other)[0].replace(" ", "")))
    assert (late.status, those.marks().totp) == (403, key)


async def test_no_log_line_shows_a_key_a_code_or_a_password(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "qproxy")
    async with people(tmp_path, second_step=True) as those:
        browser = those.site.browser()
        codes, key = await enrol(those, browser)
        await go_on(browser, codes)
        await those.log_in(code=shown(codes)[0])
    assert "recovery code" in caplog.text
    assert [one for one in (key, PASSWORD, *shown(codes)) if one in caplog.text] == []
