"""Keeps cores awake while something is measured, as the kernel's `idle=poll` would.

A core with nothing to do falls asleep, and waking it costs a proxy more than a small message does, on a virtual machine
above all: one socket's echo then measures the processor's sleep. Here a program of the lowest class (SCHED_IDLE) runs
on each core and gives way at once. It ends when this process does. It must not know what is measured.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator

_SPIN = """\
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
print("awake", flush=True)
parent = int(sys.argv[2])
while os.getppid() == parent:
    for _ in range(100_000):
        pass
"""


@contextlib.contextmanager
def awake(cores: Iterable[int]) -> Iterator[dict[int, int]]:
    """The process that keeps each core awake, by core."""
    with contextlib.ExitStack() as stops:
        started = {core: _start(core, stops) for core in cores}
        yield {core: spinner.pid for core, spinner in started.items()}


def _start(core: int, stops: contextlib.ExitStack) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-I", "-S", "-c", _SPIN, str(core), str(os.getpid())]
    spinner = subprocess.Popen(words, stdout=subprocess.PIPE)
    stops.callback(_stop, spinner)
    assert spinner.stdout is not None
    if not spinner.stdout.readline():
        raise OSError(f"core {core} cannot be kept awake: a program of the class SCHED_IDLE did not start there")
    return spinner


def _stop(spinner: subprocess.Popen[bytes]) -> None:
    spinner.kill()
    spinner.communicate()
