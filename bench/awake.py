"""Keeps cores awake while one socket's messages are measured, as the kernel's `idle=poll` would.

A core with nothing to do falls asleep, and waking it costs a proxy more than a small message does, on a virtual machine
above all: one socket's echo then measures the processor's sleep. Here a program of the lowest class (SCHED_IDLE) pauses
on each core and gives way at once. It ends when this process does. It must not know what is measured.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path


@contextlib.contextmanager
def awake(program: Path, cores: Iterable[int]) -> Iterator[dict[int, int]]:
    """The process that keeps each core awake, by core. Raises OSError."""
    with contextlib.ExitStack() as stops:
        started = {core: _start(program, core, stops) for core in cores}
        yield {core: spinner.pid for core, spinner in started.items()}


def _start(program: Path, core: int, stops: contextlib.ExitStack) -> subprocess.Popen[bytes]:
    spinner = subprocess.Popen([program, str(core), str(os.getpid())], stdout=subprocess.PIPE)
    stops.callback(_stop, spinner)
    assert spinner.stdout is not None
    if not spinner.stdout.readline():
        raise OSError(f"core {core} cannot be kept awake: a program of the class SCHED_IDLE did not start there")
    return spinner


def _stop(spinner: subprocess.Popen[bytes]) -> None:
    spinner.kill()
    spinner.communicate()
