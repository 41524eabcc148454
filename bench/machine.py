"""What the benchmark asks of Linux: which cores there are, what a tree of processes cost, how much memory it holds.

CPU comes from /proc/PID/task/TID/schedstat, which counts nanoseconds; a tick (some milliseconds) may be missing of a
thread that runs at the moment of reading. Memory is PSS, so pages that workers share count once. It must not know what
is measured.
"""

import contextlib
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

PROC = Path("/proc")
NANO = 1_000_000_000
USER_HZ = 100
"""Ticks a second in /proc/stat, on every kind of machine that matters here (proc(5))."""


class Unfit(Exception):
    """This machine cannot run the benchmark; the text says why and what to do."""


def cores() -> tuple[int, int]:
    """The core of the proxies and the core of load, upstream and this program."""
    mine = _allowed()
    if not mine:
        raise Unfit("the benchmark reads /proc and pins to cores: it needs Linux")
    if len(mine) < 2:
        raise Unfit("the benchmark needs two cores, one for the proxy alone; this machine lets it use one")
    return mine[0], mine[1]


def _allowed() -> list[int]:
    """The cores that this process may use; empty where the system is another one."""
    found: list[int] = []
    if sys.platform == "linux":
        found += sorted(os.sched_getaffinity(0))
    return found


@contextlib.contextmanager
def staying_on(core: int) -> Iterator[None]:
    """Keeps this process, and all that it starts inside, to one core."""
    before = _allowed()
    _allow([core])
    try:
        yield
    finally:
        _allow(before)


def _allow(mine: list[int]) -> None:
    if sys.platform == "linux":
        os.sched_setaffinity(0, mine)


def tree(pid: int) -> list[int]:
    """The process and all its living descendants, the process first."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            parent = _parent(entry)
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def _parent(entry: Path) -> int:
    """0 when the process has just ended. The name, in parentheses, may hold blanks and parentheses itself."""
    try:
        stat = (entry / "stat").read_text(errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def cpu_seconds(pid: int) -> float:
    """User and system time of all living threads of the tree."""
    return sum(_thread_nanoseconds(task) for one in tree(pid) for task in _tasks(one)) / NANO


def seconds_by_thread(pid: int) -> dict[int, float]:
    """User and system time of each living thread of one process; the thread that it started with has its number."""
    return {int(task.name): _thread_nanoseconds(task) / NANO for task in _tasks(pid)}


def _tasks(pid: int) -> list[Path]:
    try:
        return list((PROC / str(pid) / "task").iterdir())
    except OSError:
        return []


def _thread_nanoseconds(task: Path) -> int:
    try:
        return int((task / "schedstat").read_text().split()[0])
    except OSError:
        return 0


def idle_seconds(core: int) -> float:
    """How long a core had nothing to do since the machine was started; in ticks of 10 ms."""
    idle, waiting = _first_line(PROC / "stat", f"cpu{core} ").split()[4:6]
    return (int(idle) + int(waiting)) / USER_HZ


def _first_line(path: Path, start: str) -> str:
    """The first line that begins like this. StopIteration when there is none."""
    return next(line for line in path.read_text().splitlines() if line.startswith(start))


def pss(pid: int) -> int:
    """Bytes that the tree holds in memory; a page that n processes share counts 1/n for each."""
    return sum(_kilobytes(one) for one in tree(pid)) * 1024


def _kilobytes(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


@dataclass(frozen=True)
class Machine:
    """What a reader must know to place the figures."""

    processor: str
    cores: int
    memory_gb: int
    kernel: str
    python: str

    @classmethod
    def here(cls) -> "Machine":
        total = _first_line(PROC / "meminfo", "MemTotal:").split()[1]
        return cls(
            processor=_processor(),
            cores=os.cpu_count() or 1,
            memory_gb=round(int(total) / 2**20),
            kernel=platform.release().partition("-")[0],
            python=platform.python_version(),
        )

    def as_data(self) -> dict[str, object]:
        return asdict(self)


def _processor() -> str:
    """As it calls itself; the kind of machine where it does not."""
    lines = (PROC / "cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
