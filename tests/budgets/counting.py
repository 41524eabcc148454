"""Counts what one operation of the data plane costs: Python calls, writes, reads, and what stays in memory.

Figures that are the same on every machine, on every loop and in every run. A profile hook sees each call; what asyncio
and these tests call themselves is left out. Connections are on paper, and time stands still.
"""

import asyncio
import gc
import statistics
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from qproxy.ledger import BATCH

OFTEN = BATCH
"""Operations a batch: as many as the ledger writes down at once, so a batch holds its share of that exactly."""
BATCHES = 5
NOTHING = 16
"""Bytes: less than the smallest object is no growth but what the counting itself leaves."""
_NOT_COUNTED = (str(Path(__file__).parent), str(Path(asyncio.__file__).parent))


@dataclass
class Tally:
    """What happened on the connections. `asks`: calls of a transport or the loop that are no writes."""

    writes: int = 0
    reads: int = 0
    asks: int = 0


class Profile:
    """Calls that qproxy, and what it uses, made while the hook was set."""

    def __init__(self) -> None:
        self.calls = 0
        self.c_calls = 0
        self._counted: dict[str, bool] = {}

    def hook(self, frame: FrameType, event: str, _: Any) -> None:
        name = frame.f_code.co_filename
        counted = self._counted.get(name)
        if counted is None:
            counted = self._counted[name] = not name.startswith(_NOT_COUNTED)
        if counted and event == "call":
            self.calls += 1
        elif counted and event == "c_call":
            self.c_calls += 1


class StillLoop(asyncio.SelectorEventLoop):
    """A loop whose clock can be stopped, so that no timer of qproxy's rings while something is counted."""

    stopped: float | None = None
    tally: Tally | None = None

    def time(self) -> float:
        if self.stopped is None or self.tally is None:
            return super().time()
        if not sys._getframe(1).f_code.co_filename.startswith(_NOT_COUNTED):
            self.tally.asks += 1
        return self.stopped


Operation = Callable[[], None]
Settled = Callable[[], None]
"""Waits until what is left for later, such as log lines, is done."""
Figures = dict[str, float]


async def figures(operation: Operation, settled: Settled, tally: Tally, warm: int) -> Figures:
    """Of one operation, after `warm` batches that are not counted."""
    tracemalloc.start()
    try:
        for _ in range(warm):
            await _batch(operation)
        settled()
        kept = [await _kept(operation, settled) for _ in range(BATCHES)]
    finally:
        tracemalloc.stop()
    counted = [await _counted(operation, settled, tally) for _ in range(BATCHES)]
    middle = {name: statistics.median(one[name] for one in counted) for name in counted[0]}
    found = {name: round(total / OFTEN, 2) for name, total in middle.items()}
    bytes_kept = statistics.median(kept) / OFTEN
    return found | {"bytes_kept": float(round(bytes_kept)) if bytes_kept >= NOTHING else 0.0}


async def _batch(operation: Operation) -> None:
    for _ in range(OFTEN):
        operation()
        await asyncio.sleep(0)


async def _counted(operation: Operation, settled: Settled, tally: Tally) -> Figures:
    profile = Profile()
    tally.writes = tally.reads = tally.asks = 0
    gc.collect()
    gc.disable()
    sys.setprofile(profile.hook)
    try:
        await _batch(operation)
    finally:
        sys.setprofile(None)
        gc.enable()
    seen = {"calls": profile.calls, "c_calls": profile.c_calls, **vars(tally)}
    settled()
    return {name: float(count) for name, count in seen.items()}


async def _kept(operation: Operation, settled: Settled) -> float:
    """Bytes more after a batch than before it; tracemalloc has looked on since before the site was warm, so that what
    takes the place of something else is no growth."""
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    await _batch(operation)
    settled()
    gc.collect()
    return float(tracemalloc.get_traced_memory()[0] - before)
