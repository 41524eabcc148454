"""tools/extras.py: probes tell what is there, one apt and one npm call bring the rest, what stays missing is named."""

import json
from pathlib import Path

import extras
import needs
import pytest
from extras import Part

THERE = Part("there", "tests/test_a.py", lambda: True, ("there-deb",))
GONE = Part("gone", "tests/test_b.py", lambda: False, ("gone-deb", "more-deb"))
GONE_TOO = Part("gone-too", "tests/test_c.py", lambda: False, ("too-deb",))
GONE_NPM = Part("gone-npm", "tests/test_d.py", lambda: False)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """What would be run; nothing is installed."""
    said: list[list[str]] = []

    def note(command: list[str], cwd: Path = extras.ROOT) -> bool:
        said.append(command)
        return True

    monkeypatch.setattr(extras, "run", note)
    monkeypatch.setattr(extras, "may_use_apt", lambda: True)
    monkeypatch.setattr(extras, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr("shutil.which", lambda name, **_: f"/bin/{name}")
    monkeypatch.delenv("QPROXY_EXTRAS", raising=False)
    monkeypatch.delenv("QPROXY_REQUIRE_EXTRAS", raising=False)
    return said


def with_parts(monkeypatch: pytest.MonkeyPatch, *parts: Part) -> None:
    monkeypatch.setattr(extras, "PARTS", parts)


def test_nothing_is_run_when_all_is_there(commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    with_parts(monkeypatch, THERE)
    assert (extras.main(), commands) == (0, [])


def test_all_missing_packages_come_with_one_apt_call_each_of_update_and_install(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_parts(monkeypatch, GONE, THERE, GONE_TOO)
    extras.main()
    assert [command[1] for command in commands] == ["update", "install"]
    assert commands[1][-3:] == ["gone-deb", "more-deb", "too-deb"]


def test_npm_comes_after_apt(commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    with_parts(monkeypatch, GONE_NPM, GONE)
    extras.main()
    assert [command[0] for command in commands] == ["apt-get", "apt-get", "npm"]


def test_without_apt_nothing_is_installed_by_it(commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    with_parts(monkeypatch, GONE)
    monkeypatch.setattr(extras, "may_use_apt", lambda: False)
    assert (extras.main(), commands) == (0, [])


def test_skip_installs_nothing(commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    with_parts(monkeypatch, GONE, GONE_NPM)
    monkeypatch.setenv("QPROXY_EXTRAS", "skip")
    assert (extras.main(), commands) == (0, [])


@pytest.mark.usefixtures("commands")
def test_a_missing_part_is_named_with_its_tests_and_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_parts(monkeypatch, GONE)
    extras.main()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("extras: gone ")]
    assert all(word in line for word in ("MISSING", "tests/test_b.py", "apt-get install", "gone-deb"))


@pytest.mark.usefixtures("commands")
def test_a_part_that_was_brought_is_called_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = iter([False, True])
    with_parts(monkeypatch, Part("late", "tests/test_e.py", lambda: next(looks), ("late-deb",)))
    assert extras.main() == 0
    assert capsys.readouterr().out.split() == ["extras:", "late", "installed"]


@pytest.mark.usefixtures("commands")
def test_a_missing_part_is_an_error_where_parts_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    with_parts(monkeypatch, GONE)
    monkeypatch.setenv("QPROXY_REQUIRE_EXTRAS", "1")
    assert extras.main() == 1


def test_a_failing_install_shows_why(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert not extras.run(["sh", "-c", "echo no such package; exit 100"], cwd=tmp_path)
    assert "status 100:\n    no such package" in capsys.readouterr().out


def test_an_install_gets_no_input_to_wait_for(tmp_path: Path) -> None:
    assert extras.run(["sh", "-c", "! read answer"], cwd=tmp_path)


def test_no_service_may_start_during_an_install(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with extras.no_service_starts(policy):
        assert policy.read_text().endswith("exit 101\n")
        assert policy.stat().st_mode & 0o111
    assert not policy.exists()


def test_a_policy_that_stood_there_before_is_put_back(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    policy.chmod(0o700)
    with pytest.raises(KeyboardInterrupt), extras.no_service_starts(policy):
        raise KeyboardInterrupt
    assert (policy.read_text(), policy.stat().st_mode & 0o777) == ("#!/bin/sh\nexit 0\n", 0o700)


def lock(folder: Path, name: str, version: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    packages = {"": {"name": "clients"}, "node_modules/enigma.js": {"version": version}}
    (folder / name).write_text(json.dumps({"packages": packages}))


@pytest.mark.parametrize(("installed", "found"), [("2.15.0", True), ("2.14.0", False), (None, False)])
def test_npm_packages_are_there_when_their_versions_are_those_of_the_lock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: str | None, found: bool
) -> None:
    monkeypatch.setattr(extras, "CLIENTS", tmp_path)
    lock(tmp_path, "package-lock.json", "2.15.0")
    if installed:
        lock(tmp_path / "node_modules", ".package-lock.json", installed)
    assert extras.npm_clients_installed() is found


def test_a_program_is_found_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "swan").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert extras.on_path("swan")()
    assert not extras.on_path("swan", "goose")()


def test_a_test_whose_part_is_missing_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    with_parts(monkeypatch, GONE)
    monkeypatch.delenv("QPROXY_REQUIRE_EXTRAS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs gone; get it with: apt-get"):
        needs.require("gone")


def test_a_test_whose_part_is_missing_fails_where_parts_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    with_parts(monkeypatch, GONE)
    monkeypatch.setenv("QPROXY_REQUIRE_EXTRAS", "1")
    with pytest.raises(pytest.fail.Exception, match="needs gone"):
        needs.require("gone")


def test_a_test_whose_part_is_there_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with_parts(monkeypatch, THERE)
    assert extras.part_missing("there") is None
    needs.require("there")


def test_only_parts_of_the_table_can_be_required() -> None:
    with pytest.raises(KeyError):
        needs.require("swan")
