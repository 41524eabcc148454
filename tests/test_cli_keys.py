"""`qproxy keys`, as an administrator calls it."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from config_site import SALES, SERVER, ConfigSite
from some_sessions import a_key, key_file

from qproxy.cli import main
from qproxy.key_files import Key, read_keys

LONG_AGO = 1_600_000_000.0
OLDEST, OLD = Key(a_key(), LONG_AGO, LONG_AGO), Key(a_key(), LONG_AGO + 60, LONG_AGO + 60)


def keys(*words: object) -> Result:
    return CliRunner().invoke(main, ["keys", *map(str, words)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return key_file(tmp_path, OLD, OLDEST)


@pytest.fixture
def directory(tmp_path: Path, path: Path) -> Path:
    sqlite = f"  store: sqlite\n  path: sessions.db\n  key_file: {path}\n"
    return ConfigSite(tmp_path).write(SERVER.replace("  store: memory\n", sqlite), sales=SALES).directory


def states(result: Result) -> list[str]:
    return [re.sub(r"\d{4}-\S+Z", "TIME", line.split("  ", 2)[2]) for line in result.stdout.splitlines()]


def test_a_file_is_made_once(tmp_path: Path) -> None:
    made = [keys("new", tmp_path / "new.key") for _ in range(2)]
    assert [one.exit_code for one in made] == [0, 1]
    assert "exists already" in made[1].output


def test_a_rotation_adds_a_key_that_seals_soon(path: Path) -> None:
    done = keys("rotate", path)
    assert done.exit_code == 0
    assert states(done) == ["opens; seals from TIME on", "seals since TIME", "old: opens"]
    assert len(read_keys(path)) == 3


def test_with_the_configuration_known_a_rotation_drops_what_no_session_needs(directory: Path, path: Path) -> None:
    done = keys("rotate", directory)
    assert (done.exit_code, done.stdout.count("dropped")) == (0, 1)
    assert OLDEST not in read_keys(path)
    assert OLD in read_keys(path)


def test_a_key_is_staged_first_and_activated_later(path: Path) -> None:
    assert states(keys("rotate", path, "--stage"))[0] == "staged: opens, does not seal"
    assert states(keys("rotate", path, "--activate"))[:2] == ["seals since TIME", "old: opens"]


def test_as_many_old_keys_are_kept_as_wanted(path: Path) -> None:
    keys("rotate", path, "--keep", 0)
    assert OLDEST not in read_keys(path)


def test_a_list_says_until_when_an_old_key_is_needed(directory: Path) -> None:
    listed = keys("list", directory)
    assert states(listed) == ["seals since TIME", "old: opens; needed until TIME"]


def test_no_command_prints_a_key(path: Path) -> None:
    printed = keys("list", path).output + keys("rotate", path).output
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if line.split()[0] in printed] == []


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--stage", "--activate"], 2, "--stage goes with neither"),
        (["--after", "1s"], 2, "at least 15s"),
        (["--after", "soon"], 2, "30s"),
        (["--activate"], 1, "has no staged key"),
    ],
)
def test_a_slip_is_said_and_changes_nothing(path: Path, words: list[str], status: int, said: str) -> None:
    before = path.read_text()
    done = keys("rotate", path, *words)
    assert (done.exit_code, said in done.output, path.read_text()) == (status, True, before)


def test_a_configuration_without_a_key_file_has_nothing_to_rotate(tmp_path: Path) -> None:
    done = keys("rotate", ConfigSite(tmp_path).write(sales=SALES).directory)
    assert (done.exit_code, "sessions.key_file is not configured" in done.output) == (1, True)


def test_a_configuration_with_a_mistake_is_told_as_by_check(tmp_path: Path) -> None:
    done = keys("list", tmp_path)
    assert (done.exit_code, "has no server.yaml" in done.output) == (78, True)
