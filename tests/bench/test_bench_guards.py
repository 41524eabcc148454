"""A measurement counts only when every answer was right and the upstream saw exactly what was sent."""

from dataclasses import asdict, replace

import pytest

from bench.load import Counters, Failed, Report
from bench.measure import Ran, check

REPORT = Report(
    operations=10, requests=10, errors=0, bad_status=0, bad_length=0, bad_content=0, unserved=0, resumed=0,
    p50_us=50.0, p99_us=90.0,
)  # fmt: skip
RAN = Ran(REPORT, Counters(requests=10), cpu=0.5, seconds=2.0)


def test_a_load_that_went_well_counts() -> None:
    assert check(RAN, 10) is RAN


@pytest.mark.parametrize("count", ["errors", "bad_status", "bad_length", "bad_content", "unserved"])
def test_one_wrong_answer_is_enough_to_throw_all_away(count: str) -> None:
    wrong = replace(RAN, report=Report(**(asdict(REPORT) | {count: 1})))
    with pytest.raises(Failed, match=f"1 {count}"):
        check(wrong, 10)


def test_a_load_that_did_nothing_does_not_count() -> None:
    with pytest.raises(Failed, match="no operation was completed"):
        check(Ran(replace(REPORT, operations=0), Counters(), 0.0, 1.0), 0)


@pytest.mark.parametrize(
    "seen", [Counters(requests=9), Counters(requests=11), Counters(10, messages=1), Counters(10, bodies=1)]
)
def test_an_upstream_that_saw_something_else_throws_it_away(seen: Counters) -> None:
    with pytest.raises(Failed, match="but the upstream saw"):
        check(replace(RAN, counters=seen), 10)


def test_what_went_wrong_first_is_told() -> None:
    wrong = replace(RAN, report=replace(REPORT, errors=2, first_error="connection reset"))
    with pytest.raises(Failed, match="2 errors; the first error was: connection reset"):
        check(wrong, 10)


def test_cpu_is_counted_for_each_operation() -> None:
    assert RAN.figures()["cpu_us"] == pytest.approx(50_000)


def test_the_share_of_the_core_is_that_of_the_time_of_the_load() -> None:
    assert RAN.figures()["busy"] == 0.25


def test_operations_a_core_are_those_of_a_second_of_cpu() -> None:
    assert RAN.figures()["per_core_s"] == 20.0
