"""`qproxy users`: what an administrator does to a person in the file, and what is printed."""

import hashlib
import re
import stat
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from login_site import user_file

from qproxy.auth import totp, users
from qproxy.auth.user_file import Entry
from qproxy.cli import main

NEW = "seven blue otters"


def run(*words: object, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, ["users", *(str(word) for word in words)], input=typed)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return user_file(tmp_path, "anna", "bob")


def entry(file: Path, name: str = "anna") -> Entry:
    return next(one for one in users.people(file) if one.name == name)


def test_a_new_password_leaves_all_else_as_it_is(file: Path) -> None:
    run("expire", file, "anna", "2027-04-01")
    before, bob = entry(file), entry(file, "bob")
    assert run("password", file, "ANNA", "--password-stdin", typed=f"{NEW}\n").exit_code == 0
    after = entry(file)
    assert (after.hash != before.hash, after.marks.expires) == (True, date(2027, 4, 1))
    assert after.marks.changed == datetime.now(UTC).date()
    assert entry(file, "bob") == bob


def test_a_password_can_be_good_for_one_login(file: Path) -> None:
    run("password", file, "anna", "--must-change", "--password-stdin", typed=f"{NEW}\n")
    assert entry(file).marks.must_change


def test_adding_somebody_again_keeps_the_second_step_the_lock_and_the_attributes(file: Path) -> None:
    file.write_text(file.read_text().replace("\n", " locked:Group=Sales\n", 1))
    run("totp", file, "anna")
    before = entry(file)
    run("add", file, "anna", "--replace", "--password-stdin", typed=f"{NEW}\n")
    after = entry(file)
    assert (after.marks.totp, after.marks.locked) == (before.marks.totp, True)
    assert after.attributes == before.attributes


@pytest.mark.parametrize("verb", ["add", "password"])
@pytest.mark.parametrize("password", ["short", "password2026!", "anna anna anna"])
def test_a_poor_password_is_refused_and_not_repeated(file: Path, verb: str, password: str) -> None:
    refused = run(verb, file, "anna", "--password-stdin", typed=f"{password}\n")
    assert refused.exit_code == 1
    assert password not in refused.output.replace("user name", "")


def test_a_breached_password_is_refused(file: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_text("7F1B1C0E4F1D5B8A3C9E2D6F7A8B9C0D1E2F3A4B:2\n")
    assert run("password", file, "anna", "--breached", listed, "--password-stdin", typed=f"{NEW}\n").exit_code == 0
    listed.write_text(f"{sha1(NEW)}:2\n")
    refused = run("password", file, "anna", "--breached", listed, "--password-stdin", typed=f"{NEW}\n")
    assert (refused.exit_code, "known from a breach" in refused.output) == (1, True)


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


def test_a_file_that_is_no_list_of_hashes_is_named_before_a_password_is_asked_for(file: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("password\n")
    refused = run("password", file, "anna", "--breached", tmp_path / "list")
    assert (refused.exit_code, "Password for" in refused.output) == (1, False)


def test_a_person_is_locked_and_unlocked(file: Path) -> None:
    run("lock", file, "anna")
    assert entry(file).marks.locked
    run("unlock", file, "anna")
    assert not entry(file).marks.locked


def test_a_person_expires_on_a_day_today_or_never(file: Path) -> None:
    days = []
    for day in (["2027-04-01"], [], ["never"]):
        run("expire", file, "anna", *day)
        days.append(entry(file).marks.expires)
    assert days == [date(2027, 4, 1), datetime.now(UTC).date(), None]


@pytest.mark.parametrize("words", [["1.4.2027"], ["2027-04-01", "--password"]])
def test_what_is_no_day_changes_nothing(file: Path, words: list[str]) -> None:
    before = file.read_bytes()
    assert run("expire", file, "anna", *words).exit_code == 2
    assert file.read_bytes() == before


def test_a_password_expires_at_once(file: Path) -> None:
    run("expire", file, "anna", "--password")
    assert entry(file).marks.must_change


def test_a_second_step_is_made_and_shown_once(file: Path) -> None:
    made = run("totp", file, "anna", "--issuer", "Example")
    marks = entry(file).marks
    codes = re.findall(r"(?:[a-z2-7]{4}-){3}[a-z2-7]{4}", made.output)
    assert totp.address_of(marks.totp, "anna", "Example") in made.output
    assert marks.recovery == tuple(map(totp.recovery_hash, codes))
    assert len(codes) == 8
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_terminal_shows_the_qr_code(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qproxy.cli_users._is_terminal", lambda: True)
    assert "\u2580" in run("totp", file, "anna").output


def test_a_terminal_without_such_characters_shows_the_rest(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qproxy.cli_users._is_terminal", lambda: True)
    made = CliRunner(charset="ascii").invoke(main, ["users", "totp", str(file), "anna"])
    assert made.output.startswith("otpauth://totp/")
    assert totp.readable(entry(file).marks.totp) in made.output


def test_a_second_step_can_be_taken_away(file: Path) -> None:
    run("totp", file, "anna")
    run("totp", file, "anna", "--remove")
    assert (entry(file).marks.totp, entry(file).marks.recovery) == ("", ())


def test_the_long_list_tells_what_is_noted_and_no_secret(file: Path) -> None:
    run("totp", file, "anna")
    run("lock", file, "anna")
    told = run("list", file, "--long").output
    assert told.splitlines() == ["anna\tlocked\tsecond step, 8 recovery codes", "bob"]
    assert run("list", file).output == "anna\nbob\n"


@pytest.mark.parametrize("verb", ["lock", "unlock", "expire", "totp"])
def test_nobody_of_that_name_is_said(file: Path, verb: str) -> None:
    refused = run(verb, file, "eve")
    assert (refused.exit_code, "there is no 'eve'" in refused.output) == (1, True)


def test_a_line_that_cannot_be_understood_is_left_alone_and_named(file: Path) -> None:
    file.write_text("anna:old\n")
    refused = run("lock", file, "anna")
    assert (refused.exit_code, "cannot be understood" in refused.output, file.read_text()) == (1, True, "anna:old\n")
