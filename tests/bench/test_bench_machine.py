"""What the benchmark reads of Linux about real processes."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from waiting import wait_until

from bench import machine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
BUSY = "while True: pass"
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
print(child.pid, flush=True)
sys.stdin.read()
child.kill()
"""
HOLDER = "held = b'x' * 50_000_000; print('held', flush=True); import sys; sys.stdin.read()"


@contextmanager
def python(*words: str) -> Iterator[tuple[int, str]]:
    """A Python with its first line of output; it ends when its input does."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", *words], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.pid, process.stdout.readline().strip()
        finally:
            process.stdin.close()


def test_a_tree_holds_the_process_and_its_children() -> None:
    with python(PARENT, BUSY) as (pid, child):
        assert machine.tree(pid) == [pid, int(child)]


def test_the_cpu_of_a_busy_child_is_seen_at_its_parent() -> None:
    with python(PARENT, BUSY) as (pid, _):
        before = machine.cpu_seconds(pid)
        wait_until(lambda: machine.cpu_seconds(pid) > before + 0.05)
        assert machine.cpu_seconds(pid) > before


def test_a_process_that_waits_uses_no_cpu() -> None:
    with python(HOLDER) as (pid, _):
        before = machine.cpu_seconds(pid)
        assert machine.cpu_seconds(pid) == pytest.approx(before, abs=0.05)


def test_threads_are_told_apart_by_number() -> None:
    with python(HOLDER) as (pid, _):
        assert list(machine.seconds_by_thread(pid)) == [pid]


def test_memory_that_a_process_holds_is_seen() -> None:
    with python(HOLDER) as (pid, _):
        assert 50_000_000 < machine.pss(pid) < 100_000_000


def test_a_process_that_has_ended_counts_nothing() -> None:
    with python(HOLDER) as (pid, _):
        pass
    assert (machine.cpu_seconds(pid), machine.pss(pid)) == (0.0, 0)


def test_a_process_stays_on_a_core_for_as_long_as_it_wants() -> None:
    before = machine.cores()
    with machine.staying_on(before[1]), pytest.raises(machine.Unfit):
        machine.cores()
    assert machine.cores() == before


def test_one_core_is_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    with pytest.raises(machine.Unfit, match="needs two cores"):
        machine.cores()


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(machine.Unfit, match="needs Linux"):
        machine.cores()


def test_a_machine_is_described_without_its_name() -> None:
    here = machine.Machine.here()
    assert here.cores == os.cpu_count()
    assert platform.node() not in str(here.as_data())


def test_an_idle_core_is_seen_to_be_idle() -> None:
    first = machine.idle_seconds(0)
    assert 0 < first <= machine.idle_seconds(0)
