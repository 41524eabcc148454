"""The benchmark's command, run once and small, as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

import needs
import pytest

from bench.results import Results

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = ("--peers", "naive", "--rounds", "1", "--seconds", "0.05")
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="needs Linux and two cores"
)


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "bench" / "run.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_a_small_run_measures_and_writes_samples(tmp_path: Path) -> None:
    needs.require("cc")
    file = tmp_path / "samples.jsonl"
    done = bench("--only", "get-1k,ws-200b-1,hub", *SMALL, "--json", str(file))
    assert done.returncode == 0, done.stderr
    found = Results.read(file)
    assert {one.workload for one in found.samples} == {"get-1k", "hub"}
    assert all(one.figures["cpu_us"] > 0 for one in found.samples)


def test_a_peer_that_nobody_knows_is_told() -> None:
    done = bench("--only", "get-1k", "--peers", "apache")
    assert (done.returncode, done.stderr) == (2, "bench: no peer is called 'apache'\n")


def test_a_workload_that_nobody_knows_is_told() -> None:
    done = bench("--only", "get-2k")
    assert (done.returncode, done.stderr) == (2, "bench: no workload is called 'get-2k'; `--list` shows them\n")


def test_stored_samples_can_be_checked_without_measuring(tmp_path: Path) -> None:
    Results({"thrown_away": ["get-1k: it failed"]}).save(tmp_path / "samples.jsonl")
    done = bench("--read", str(tmp_path / "samples.jsonl"))
    assert (done.returncode, done.stderr) == (1, "THROWN AWAY: get-1k: it failed\n")


def test_the_pages_are_not_written_from_a_part_of_a_run(tmp_path: Path) -> None:
    """Neither measured now nor read from a file; and nothing is measured for it."""
    for words in (["--only", "get-1k"], ["--read", str(tmp_path / "part.jsonl")]):
        Results({}, []).save(tmp_path / "part.jsonl")
        done = bench("--results", *words)
        assert (done.returncode, "--results needs a full run" in done.stderr) == (2, True)
