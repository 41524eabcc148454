"""What must hold: floors.yaml read and compared with results. A floor that is missed once is measured once more.

Pure but for reading the file. A floor with a `peer` bounds the ratio to it (above 1.0 is better than the peer); one
without bounds our own figure. It must not measure.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.results import OURS, Results
from bench.workloads import MEASURES, WORKLOADS

FILE = Path(__file__).with_name("floors.yaml")
KEYS = {"workload", "measure", "why"}
OPTIONAL = {"peer", "at_least", "at_most"}


class BadFloors(Exception):
    """floors.yaml cannot be used: which entry, and what is wrong."""


@dataclass(frozen=True)
class Floor:
    """Exactly one of `at_least` and `at_most` is given."""

    workload: str
    measure: str
    why: str
    peer: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def bound(self) -> float:
        return self.at_least if self.at_least is not None else self.at_most or 0.0

    def value(self, results: Results, ours: str = OURS) -> float | None:
        """The median that is compared; None when it was not measured."""
        if self.peer:
            spread = results.ratio(self.workload, self.measure, self.peer, ours)
        else:
            spread = results.spread(self.workload, ours, self.measure)
        return spread.median if spread else None

    def holds(self, value: float) -> bool:
        return value >= self.bound if self.at_least is not None else value <= self.bound


@dataclass(frozen=True)
class Verdict:
    """`values`: what was measured, one for each attempt; none when the workload or the peer is missing."""

    floor: Floor
    values: tuple[float, ...]

    @property
    def measured(self) -> bool:
        return bool(self.values)

    @property
    def held(self) -> bool:
        return any(self.floor.holds(value) for value in self.values)


def read(path: Path = FILE) -> tuple[Floor, ...]:
    """Raises BadFloors."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(entries, list):
        raise BadFloors(f"{path.name}: a list of floors is wanted")
    return tuple(_floor(number, entry) for number, entry in enumerate(entries, 1))


def _floor(number: int, entry: Any) -> Floor:
    keys = set(entry) if isinstance(entry, dict) else set()
    problem = ""
    if not keys >= KEYS or keys - KEYS - OPTIONAL:
        problem = f"wants the keys {', '.join(sorted(KEYS))} and of {', '.join(sorted(OPTIONAL))}"
    elif ("at_least" in keys) == ("at_most" in keys):
        problem = "wants at_least or at_most"
    elif entry["workload"] not in {one.name for one in WORKLOADS}:
        problem = f"no workload is called {entry['workload']!r}"
    elif entry["measure"] not in MEASURES:
        problem = f"no measure is called {entry['measure']!r}"
    if problem:
        raise BadFloors(f"floor {number}: {problem}")
    return Floor(**entry)


def needed(floors: Iterable[Floor]) -> dict[str, frozenset[str]]:
    """The peers, ours among them, that the floors of each workload compare."""
    found: dict[str, frozenset[str]] = {}
    for floor in floors:
        found[floor.workload] = found.get(floor.workload, frozenset({OURS})) | ({floor.peer} - {""})
    return found


def judge(floors: Iterable[Floor], attempts: Sequence[Results], ours: str = OURS) -> list[Verdict]:
    found = []
    for floor in floors:
        values = [floor.value(results, ours) for results in attempts]
        found.append(Verdict(floor, tuple(value for value in values if value is not None)))
    return found


def settle(
    floors: Sequence[Floor], first: Results, again: Callable[[set[str]], Results], ours: str = OURS
) -> list[Verdict]:
    """The verdicts after a second attempt at the workloads of those that were missed; `again` measures them."""
    verdicts = judge(floors, [first], ours)
    missed = {verdict.floor.workload for verdict in verdicts if verdict.measured and not verdict.held}
    if not missed:
        return verdicts
    second = again(missed)
    return [judge([verdict.floor], [first, second], ours)[0] if not verdict.held else verdict for verdict in verdicts]
