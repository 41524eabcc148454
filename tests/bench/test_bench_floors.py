"""Floors: how they are read, when they hold, and that one miss is not enough."""

from pathlib import Path

import pytest
from bench.some_results import results

from bench.floors import BadFloors, Floor, judge, read, settle
from bench.results import Results
from bench.workloads import WORKLOADS

HALF = Floor("get-1k", "cpu_us", "why", peer="nginx", at_least=0.5)
GOOD, BAD = results(qproxy=[20.0], nginx=[10.0]), results(qproxy=[21.0], nginx=[10.0])


def never(_: set[str]) -> Results:
    raise AssertionError("nothing was missed")


def test_a_ratio_at_the_bound_holds() -> None:
    assert judge([HALF], [GOOD])[0].held


def test_a_ratio_below_the_bound_does_not_hold() -> None:
    assert not judge([HALF], [BAD])[0].held


@pytest.mark.parametrize(("memory", "held"), [(5999.0, True), (6000.0, True), (6001.0, False)])
def test_a_bound_for_our_own_figure_is_compared_with_it(memory: float, held: bool) -> None:
    floor = Floor("idle-1000", "tunnel_bytes", "why", at_most=6000)
    measured = results("idle-1000", "tunnel_bytes", qproxy=[memory])
    assert judge([floor], [measured])[0].held is held


def test_what_was_not_measured_does_not_hold() -> None:
    (verdict,) = judge([HALF], [results(qproxy=[20.0])])
    assert (verdict.measured, verdict.held) == (False, False)


def test_a_floor_that_holds_is_measured_once() -> None:
    assert settle([HALF], GOOD, never)[0].values == (0.5,)


def test_a_missed_floor_that_holds_at_the_second_attempt_holds() -> None:
    assert settle([HALF], BAD, lambda _: GOOD)[0].held


def test_a_floor_that_is_missed_twice_is_missed() -> None:
    (verdict,) = settle([HALF], BAD, lambda _: BAD)
    assert (verdict.held, len(verdict.values)) == (False, 2)


def test_the_second_attempt_is_at_the_missed_workloads_only() -> None:
    asked: list[set[str]] = []

    def again(missed: set[str]) -> Results:
        asked.append(missed)
        return BAD

    held = Floor("idle-1000", "tunnel_bytes", "why", at_most=6000)
    first = Results({}, [*BAD.samples, *results("idle-1000", "tunnel_bytes", qproxy=[1.0]).samples])
    settle([HALF, held], first, again)
    assert asked == [{"get-1k"}]


def test_a_workload_that_was_not_measured_gets_no_second_attempt() -> None:
    assert not settle([HALF], results(), never)[0].measured


def test_the_floors_of_this_repository_can_be_read() -> None:
    assert {floor.workload for floor in read()} <= {one.name for one in WORKLOADS}


def test_each_floor_is_measured_of_a_peer_that_takes_part() -> None:
    peers = {one.name: one.peers for one in WORKLOADS}
    assert [floor for floor in read() if not {"qproxy", floor.peer or "qproxy"} <= set(peers[floor.workload])] == []


def test_each_floor_bounds_a_figure_that_its_workload_shows() -> None:
    measures = {one.name: one.measures for one in WORKLOADS}
    assert [floor for floor in read() if floor.measure not in measures[floor.workload]] == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("at_least: 1", "a list"),
        ("- {workload: get-1k, measure: cpu_us, at_least: 1}", "floor 1: wants the keys measure, why, workload"),
        ("- {workload: get-1k, measure: cpu_us, why: x, at_least: 1, mood: 2}", "floor 1: wants the keys"),
        ("- {workload: get-1k, measure: cpu_us, why: x}", "at_least or at_most"),
        ("- {workload: get-1k, measure: cpu_us, why: x, at_least: 1, at_most: 2}", "at_least or at_most"),
        ("- {workload: get-2k, measure: cpu_us, why: x, at_least: 1}", "no workload is called 'get-2k'"),
        ("- {workload: get-1k, measure: mood, why: x, at_least: 1}", "no measure is called 'mood'"),
    ],
)
def test_a_floor_that_cannot_be_used_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "floors.yaml").write_text(text)
    with pytest.raises(BadFloors, match=complaint):
        read(tmp_path / "floors.yaml")
