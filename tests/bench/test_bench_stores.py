"""bench/stores.py: every store is measured, and what it says can be read."""

import re
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parent.parent.parent / "bench" / "stores.py"


def said(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_each_store_gets_a_line_with_its_figures() -> None:
    lines = said("--sessions", "10000", "memory", "redis").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["memory", "10,000"], ["redis", "10,000"]]
    assert all(re.search(r"put +[\d,]+/s  look-up +[\d.]+ us median .* bytes each$", line) for line in lines)


def test_too_few_sessions_are_refused() -> None:
    assert "at least 10000 sessions are needed" in said("--sessions", "10").stderr
