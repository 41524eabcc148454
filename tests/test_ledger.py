"""Finished requests are written down together, a moment later, and none is lost."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import eventually

from qproxy.ledger import BATCH, Ledger
from qproxy.observe import LogTargets, Metrics, Observer
from qproxy.records import Record


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


@pytest.fixture
def observer(log: Path) -> Iterator[Observer]:
    opened = Observer(LogTargets(access=str(log), audit="off"), Metrics(("sales",)), lambda: 0.0)
    yield opened
    opened.close()


def record(number: int) -> Record:
    return Record("192.0.2.1", 0.0, request_id=f"r-{number}", vp="sales", status=200)


def ids(log: Path) -> list[str]:
    return [json.loads(line)["id"] for line in log.read_text().splitlines()]


async def test_one_alone_is_written_within_a_moment(observer: Observer, log: Path) -> None:
    Ledger(observer, lambda: 0.0).finished(record(1))
    await eventually(lambda: ids(log) == ["r-1"])


async def test_a_full_batch_is_counted_at_once(observer: Observer) -> None:
    ledger = Ledger(observer, lambda: 0.0)
    for number in range(BATCH):
        ledger.finished(record(number))
    assert f'status="2xx",vp="sales"}} {BATCH}.0' in observer.metrics.text().decode()


async def test_a_flush_leaves_nothing_behind_and_keeps_the_order(observer: Observer, log: Path) -> None:
    ledger = Ledger(observer, lambda: 7.0)
    for number in range(3):
        ledger.finished(record(number))
    ledger.flush()
    observer.close()
    assert ids(log) == ["r-0", "r-1", "r-2"]
