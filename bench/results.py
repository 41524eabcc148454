"""What was measured, kept in the order of its rounds, and what follows from it: medians, spreads, ratios.

Pure but for JSON lines. A ratio compares two peers within the same round, so that a machine that slows down in between
does not count; it is turned so that above 1.0 means that ours is better. It must not know floors or text.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.workloads import MEASURES

OURS = "qproxy"
COMPILED = "qproxy-compiled"
BUSY = 0.9
"""A proxy whose core was less busy could have done more: its operations a second then say nothing."""
LEAST = 1.0
"""Microseconds or bytes below which a difference of two measurements is noise: it counts as this much."""


@dataclass(frozen=True)
class Sample:
    """One load through one peer: figures by name, see workloads.MEASURES."""

    workload: str
    peer: str
    round: int
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Spread:
    """The median of the rounds, and the extremes."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """At least one value."""
        known = sorted(values)
        return cls(median(known), known[0], known[-1])


@dataclass
class Results:
    """`setting` is what a reader must know of the run: machine, date, versions."""

    setting: dict[str, Any] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)

    def rounds(self, workload: str, peer: str, figure: str) -> dict[int, float]:
        """Values by round; empty when nothing was measured."""
        return {
            one.round: one.figures[figure]
            for one in self.samples
            if (one.workload, one.peer) == (workload, peer) and figure in one.figures
        }

    def spread(self, workload: str, peer: str, figure: str) -> Spread | None:
        values = self.rounds(workload, peer, figure)
        return Spread.of(values.values()) if values else None

    def ratio(self, workload: str, figure: str, peer: str, ours: str = OURS) -> Spread | None:
        """How many times better ours is than the peer, round by round; None when they share no round."""
        mine, theirs = self.rounds(workload, ours, figure), self.rounds(workload, peer, figure)
        higher = MEASURES[figure].higher
        shared = [(mine[one], theirs[one]) for one in mine if one in theirs]
        return Spread.of(better(*pair, higher=higher) for pair in shared) if shared else None

    def peers(self, workload: str) -> list[str]:
        """In the order in which they were first measured."""
        return list(dict.fromkeys(one.peer for one in self.samples if one.workload == workload))

    def workloads(self) -> list[str]:
        return list(dict.fromkeys(one.workload for one in self.samples))

    def without(self, workloads: Iterable[str]) -> "Results":
        gone = set(workloads)
        return Results(self.setting, [one for one in self.samples if one.workload not in gone])

    def save(self, path: Path) -> None:
        """One JSON line for the setting, then one for each sample."""
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [self.setting, *(asdict(one) for one in self.samples)]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Results":
        first, *rest = path.read_text(encoding="utf-8").splitlines()
        return cls(json.loads(first), [Sample(**json.loads(line)) for line in rest])


def better(mine: float, theirs: float, *, higher: bool = False) -> float:
    """How many times better mine is: theirs / mine where less is better, mine / theirs where more is."""
    mine, theirs = max(mine, LEAST), max(theirs, LEAST)
    return mine / theirs if higher else theirs / mine
