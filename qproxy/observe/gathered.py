"""The numbers of all workers as one: whichever worker is asked, `/metrics` tells of the whole qproxy.

Each worker puts its numbers on its board now and then, and whoever is asked adds up what stands there. A counter never
falls: a worker that died has left its numbers, and the next of that number begins with them. So nobody waits for a
worker that hangs; it is named instead (`qproxy_worker_up`).
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from qproxy.observe.board import Board
from qproxy.observe.metrics import Metrics

log = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds between two times that a worker puts up its numbers."""
SILENT = 6.0
"""Seconds after which a worker that has put up nothing new is taken for one that does not answer."""
UP = "qproxy_worker_up"
ADDED = frozenset(
    {
        "qproxy_tunnels_open",
        "qproxy_upstream_connections",
        "qproxy_waiting_for_qlik",
        "qproxy_process_virtual_memory_bytes",
        "qproxy_process_resident_memory_bytes",
        UP,
    }
)
"""Gauges of which each worker has its part."""
LARGEST = frozenset(
    {
        "qproxy_sessions",
        "qproxy_audit_sequence",
        "qproxy_build",
        "qproxy_process_open_fds",
        "qproxy_process_start_time_seconds",
    }
)
"""Gauges that are the same for all, or of which the largest tells most; all others: the least does."""

Labels = tuple[tuple[str, str], ...]
Samples = dict[tuple[str, Labels], float]


@dataclass(slots=True)
class Family:
    kind: str
    text: str
    samples: Samples = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether it only ever grows."""
        return self.kind in {"counter", "histogram"}


Families = dict[str, Family]


class Gathered:
    """`metrics` are this worker's own, `number` is its own, from 1; `boards` are all workers' in their order."""

    def __init__(self, metrics: Metrics, number: int, boards: Sequence[Board], clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._number = number
        self._boards = boards
        self._clock = clock
        self._own = boards[number - 1]
        left = self._own.get()
        self._before = _counting(_read(left.data)) if left is not None else {}
        self._complained = False

    def put_up(self) -> None:
        """Let the others see this worker's numbers as they are now."""
        self._metrics.fill()
        current = add(families_of(self._metrics.registry), self._before)
        if not self._own.put(_written(current)) and not self._complained:
            self._complained = True
            log.error("worker %d has more numbers than the others can read: /metrics is without them", self._number)

    def text(self) -> bytes:
        """The exposition of all workers together, of content type CONTENT_TYPE."""
        self.put_up()
        total: Families = {}
        for number, board in enumerate(self._boards, 1):
            total = add(total, self._of(number, board))
        return generate_latest(_Collected(total))

    def _of(self, number: int, board: Board) -> Families:
        found = board.get()
        seen = {} if found is None else _read(found.data)
        if found is not None and self._clock() - found.when <= SILENT:
            return seen
        silent = Family("gauge", "", {(UP, (("worker", str(number)),)): 0.0})
        return _counting(seen) | {UP: silent}


def families_of(registry: CollectorRegistry) -> Families:
    return {
        metric.name: Family(
            metric.type,
            metric.documentation,
            {(one.name, tuple(sorted(one.labels.items()))): one.value for one in metric.samples},
        )
        for metric in registry.collect()
    }


def add(one: Families, other: Families) -> Families:
    """Both together; what is in one only stays."""
    return {name: _together(name, one.get(name), other.get(name)) for name in one | other}


def _together(name: str, one: Family | None, other: Family | None) -> Family:
    if one is None or other is None:
        found = one or other
        assert found is not None
        return found
    samples = dict(one.samples)
    join = _join(name, one)
    for key, value in other.samples.items():
        samples[key] = join((samples[key], value)) if key in samples else value
    return Family(one.kind, one.text or other.text, samples)


def _join(name: str, family: Family) -> Callable[[Iterable[float]], float]:
    if family.counts or name in ADDED:
        return sum
    return max if name in LARGEST else min


def _counting(families: Families) -> Families:
    return {name: family for name, family in families.items() if family.counts}


def _written(families: Families) -> bytes:
    rows = [
        [name, one.kind, one.text, [[*key, value] for key, value in one.samples.items()]]
        for name, one in families.items()
    ]
    return json.dumps(rows).encode()


def _read(data: bytes) -> Families:
    return {
        name: Family(
            kind, text, {(sample, tuple((key, word) for key, word in labels)): value for sample, labels, value in rows}
        )
        for name, kind, text, rows in json.loads(data)
    }


class _Collected(Collector):
    def __init__(self, families: Families) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for name, family in self._families.items():
            metric = Metric(name, family.text, family.kind)
            for (sample, labels), value in family.samples.items():
                metric.add_sample(sample, dict(labels), value)
            yield metric
