"""The systemd unit: systemd itself accepts it and rates it, and its numbers agree with one another."""

import re
import subprocess
from pathlib import Path

import pytest
from needs import require

from qproxy.config.models import TimeoutsConfig

UNIT = Path(__file__).resolve().parent.parent / "deploy" / "qproxy.service"
# systemd's own scale, 0 (locked in) to 10: what a service on the Internet gets with little effort is above 9.
EXPOSURE = 1.7


@pytest.fixture
def systemd() -> None:
    require("systemd-analyze")


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


def settings(section: str) -> dict[str, list[str]]:
    """Key -> its values, in order: systemd lets a key stand several times."""
    text = UNIT.read_text(encoding="utf-8").partition(f"[{section}]\n")[2].partition("\n[")[0]
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def verify(unit: Path, folder: Path) -> str:
    """What systemd says of a unit whose program exists. Empty when it has nothing to say."""
    program = folder / "qproxy"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copy = folder / "qproxy.service"
    copy.write_text(unit.read_text(encoding="utf-8").replace("/opt/qproxy/bin/qproxy", str(program)))
    done = analyze("verify", "--man=no", str(copy))
    return done.stdout + done.stderr + (f"status {done.returncode}" if done.returncode else "")


@pytest.mark.usefixtures("systemd")
def test_systemd_has_nothing_to_say_against_the_unit(tmp_path: Path) -> None:
    assert verify(UNIT, tmp_path) == ""


@pytest.mark.usefixtures("systemd")
def test_systemd_complains_of_a_unit_with_an_unknown_key(tmp_path: Path) -> None:
    worse = tmp_path / "worse.service"
    worse.write_text(UNIT.read_text(encoding="utf-8").replace("Restart=", "Restrat="))
    assert "Restrat" in verify(worse, tmp_path)


@pytest.mark.usefixtures("systemd")
def test_the_unit_exposes_little() -> None:
    done = analyze("security", "--offline=true", f"--threshold={int(EXPOSURE * 10)}", "--no-pager", str(UNIT))
    assert done.returncode == 0, done.stdout


def test_only_low_ports_are_a_privilege() -> None:
    service = settings("Service")
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == ["CAP_NET_BIND_SERVICE"]


def test_systemd_waits_longer_than_qproxy_drains() -> None:
    assert int(settings("Service")["TimeoutStopSec"][0]) > TimeoutsConfig().drain + 5


def test_a_wrong_configuration_is_not_started_again() -> None:
    assert "78" in settings("Service")["RestartPreventExitStatus"][0].split()


def test_private_keys_are_lent_not_opened() -> None:
    lent = [value.partition(":")[0] for value in settings("Service")["LoadCredential"]]
    assert lent == ["server_key.pem", "session.key"]
