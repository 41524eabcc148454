"""The verbs that edit and verify files; `check` and `run` have tests of their own."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qproxy import __version__, builds
from qproxy.cli import main

GOOD = "correct horse battery\n"


def run(*words: object, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], input=typed)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sales.users"


def test_the_version_is_printed() -> None:
    assert run("--version").output == f"qproxy, version {__version__} ({builds.described()})\n"


def test_a_user_is_added_with_a_password_asked_for_twice(file: Path) -> None:
    added = run("users", "add", file, "anna", typed=GOOD * 2)
    assert (added.exit_code, "anna can log in" in added.output, GOOD.strip() in added.output) == (0, True, False)
    assert run("users", "list", file).output == "anna\n"


def test_a_password_can_come_from_standard_input_and_attributes_along(file: Path) -> None:
    run("users", "add", file, "anna", "--password-stdin", "-a", "Group=Sales", "-a", "Group=Europe", typed=GOOD)
    assert "Group=Sales; Group=Europe" in file.read_text()


def test_an_existing_user_is_only_replaced_on_request(file: Path) -> None:
    run("users", "add", file, "anna", "--password-stdin", typed=GOOD)
    again = run("users", "add", file, "anna", "--password-stdin", typed=GOOD)
    assert (again.exit_code, "exists already" in again.output) == (1, True)
    assert run("users", "add", file, "anna", "--password-stdin", "--replace", typed=GOOD).exit_code == 0


@pytest.mark.parametrize(("name", "password"), [("anna", "short\n"), ("", GOOD), ("a\\b", GOOD)])
def test_what_qlik_or_reason_would_refuse_is_refused(file: Path, name: str, password: str) -> None:
    refused = run("users", "add", file, name, "--password-stdin", typed=password)
    assert (refused.exit_code, refused.output.startswith("Error: "), file.exists()) == (1, True, False)


def test_a_removed_user_is_gone_and_cannot_be_removed_again(file: Path) -> None:
    run("users", "add", file, "anna", "--password-stdin", typed=GOOD)
    assert run("users", "remove", file, "ANNA").exit_code == 0
    assert run("users", "list", file).output == ""
    assert run("users", "remove", file, "anna").exit_code == 1


def test_an_audit_log_that_was_changed_is_found(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text('{"seq":1,"event":"login"}\n')
    changed = run("audit", log)
    assert changed.exit_code == 1
    assert changed.output


def test_the_stand_in_says_what_does_not_fit_together() -> None:
    refused = run("sim", "--session-module", "other=http://127.0.0.1:1")
    assert (refused.exit_code, "other" in refused.output) == (1, True)
