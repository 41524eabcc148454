"""The audit log: written at once, chained, and whatever was done to it afterwards is found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qproxy.observe.audit import AuditLog, verify_audit
from qproxy.observe.redact import Secrets

Lines = list[bytes]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


def opened(path: Path | str, key: bytes = b"") -> AuditLog:
    return AuditLog(str(path), lambda: 1_700_000_000.25, Secrets(), key)


def write(path: Path, *events: str, key: bytes = b"") -> None:
    log = opened(path, key)
    for event in events:
        assert log.write(event, vp="sales", user="SSO\\john")
    log.close()


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_line_tells_the_event_with_its_place_in_the_chain(path: Path) -> None:
    write(path, "login")
    first, line = read(path)
    assert (line["time"], line["event"], line["user"], line["seq"]) == (
        "2023-11-14T22:13:20.250Z", "login", "SSO\\john", 2,
    )  # fmt: skip
    assert line["before"] == first["hash"]


def test_a_line_is_there_as_soon_as_the_call_returns(path: Path) -> None:
    log = opened(path)
    log.write("login")
    assert read(path)[-1]["event"] == "login"
    log.close()


def test_fields_cannot_pretend_to_be_the_chain_or_break_the_line(path: Path) -> None:
    log = opened(path)
    log.write("login", seq=99, user="a\n{}\u2028\udcff\x1b[31m")
    log.close()
    assert (read(path)[-1]["seq"], len(path.read_bytes().splitlines())) == (2, 2)
    assert verify_audit(path) == []


def test_an_untouched_file_has_no_problems(path: Path) -> None:
    write(path, "login", "logout")
    write(path, "login")
    assert verify_audit(path) == []


def test_two_workers_may_write_one_file(path: Path) -> None:
    logs = [opened(path), opened(path)]
    for number in range(6):
        logs[number % 2].write("login", number=number)
    for log in logs:
        log.close()
    assert verify_audit(path) == []


def drop(index: int) -> Callable[[Lines], Lines]:
    return lambda lines: lines[:index] + lines[index + 1 :]


TAMPERING: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "a line removed": (drop(2), "line 3: lines are missing or out of order: 2 is followed by 4"),
    "the first line removed": (drop(0), "line 1: lines before it are missing"),
    "a line before a restart removed": (drop(3), "line 4: the line that it refers to is missing"),
    "a line changed": (lambda lines: [line.replace(b"logout", b"login!") for line in lines], "line 3: its content"),
    "two lines swapped": (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "line 2: lines are missing"),
    "a line cut off": (lambda lines: [lines[0], lines[1][:30] + b"\n", *lines[2:]], "line 2: not an audit line"),
    "a line that is no object": (lambda lines: [*lines, b"[1]\n"], "line 7: not an audit line"),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_is_found(path: Path, what: str) -> None:
    write(path, "login", "logout", "login")
    write(path, "login")
    tamper, problem = TAMPERING[what]
    path.write_bytes(b"".join(tamper(path.read_bytes().splitlines(keepends=True))))
    assert verify_audit(path)[0].startswith(problem)


def test_a_line_forged_with_a_fresh_hash_does_not_fit_the_next(path: Path) -> None:
    write(path, "login", "logout")
    lines = path.read_bytes().splitlines(keepends=True)
    write(path.with_name("other"), "logged")
    forged = json.loads(lines[1]) | {"hash": json.loads(path.with_name("other").read_bytes().splitlines()[1])["hash"]}
    path.write_bytes(lines[0] + json.dumps(forged).encode() + b"\n" + lines[2])
    assert any("line 3: it does not follow" in problem for problem in verify_audit(path))


def test_with_a_key_only_its_owner_can_make_a_chain(path: Path) -> None:
    write(path, "login", key=b"secret")
    assert verify_audit(path, b"secret") == []
    assert len(verify_audit(path, b"other")) == len(verify_audit(path)) == 2


def test_the_chain_goes_on_in_a_rotated_file(path: Path) -> None:
    log = opened(path)
    log.write("login")
    path.rename(path.with_suffix(".1"))
    log.reopen()
    log.write("logout")
    log.close()
    assert [line["seq"] for line in read(path)] == [3, 4]
    assert verify_audit(path) == verify_audit(path.with_suffix(".1")) == []


def test_a_line_that_cannot_be_written_is_said_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    log = opened("/dev/full")
    assert log.write("login", user="SSO\\john", password="CANARY") is False
    assert (log.errors, log.sequence) == (2, 0)
    assert "login" in caplog.text
    assert "CANARY" not in caplog.text
    log.close()


def test_after_a_torn_line_the_next_one_starts_afresh(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = opened(path)
    with monkeypatch.context() as patch:
        patch.setattr("qproxy.observe.audit.write_all", tear)
        assert not log.write("login")
    log.write("logout")
    log.close()
    assert [problem.split(":")[0] for problem in verify_audit(path)] == ["line 2"]


def tear(descriptor: int, data: bytes) -> None:
    """A disk that is full in the middle of the line."""
    import os  # noqa: PLC0415

    os.write(descriptor, data[:20])
    raise OSError(28, "No space left on device")


def test_the_audit_log_may_go_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    log = opened("stderr")
    log.write("login")
    log.close()
    assert [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()] == ["audit_opened", "login"]
