"""What keeps the cores awake gives way to everything, and does not outlive the benchmark."""

import os
import subprocess
import sys
from pathlib import Path

import needs
import psutil
import pytest
from waiting import wait_until

from bench.awake import awake
from bench.build import build

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmark runs on Linux only")

if sys.platform == "linux":

    def test_it_runs_on_its_core_in_the_lowest_class() -> None:
        needs.require("cc")
        core = min(os.sched_getaffinity(0))
        with awake(build().awake, [core]) as spinners:
            assert os.sched_getaffinity(spinners[core]) == {core}
            assert os.sched_getscheduler(spinners[core]) == os.SCHED_IDLE

    def test_it_ends_with_the_measurement() -> None:
        needs.require("cc")
        with awake(build().awake, [min(os.sched_getaffinity(0))]) as spinners:
            pass
        assert not any(psutil.pid_exists(pid) for pid in spinners.values())

    def test_it_ends_when_the_benchmark_is_killed() -> None:
        needs.require("cc")
        program = (
            "import sys\nfrom bench.awake import awake\nfrom bench.build import build\n"
            f"with awake(build().awake, [{min(os.sched_getaffinity(0))}]) as found:\n"
            "    print(*found.values(), flush=True)\n    sys.stdin.read()"
        )
        words = [sys.executable, "-c", program]
        with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as benchmark:
            assert benchmark.stdout is not None
            spinner = int(benchmark.stdout.readline())
            benchmark.kill()
        wait_until(lambda: not psutil.pid_exists(spinner))
