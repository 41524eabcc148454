"""Medians, spreads and ratios of what the benchmark measured."""

from pathlib import Path

import pytest
from bench.some_results import results

from bench.results import Results, Sample, Spread, better


def test_a_spread_is_the_median_between_the_extremes() -> None:
    assert Spread.of([9.0, 1.0, 2.0]) == Spread(2.0, 1.0, 9.0)


def test_a_ratio_above_one_says_that_ours_needs_less() -> None:
    assert better(10.0, 25.0) == 2.5


def test_a_ratio_above_one_says_that_ours_does_more() -> None:
    assert better(30.0, 15.0, higher=True) == 2.0


@pytest.mark.parametrize("mine", [0.0, -3.0])
def test_a_difference_within_the_noise_makes_no_huge_ratio(mine: float) -> None:
    assert better(mine, 4.0) == 4.0


def test_ratios_compare_what_was_measured_in_the_same_round() -> None:
    slowing = results(qproxy=[20.0, 40.0, 80.0], nginx=[10.0, 20.0, 40.0])
    assert slowing.ratio("get-1k", "cpu_us", "nginx") == Spread(0.5, 0.5, 0.5)


def test_rounds_that_one_of_two_peers_missed_are_no_part_of_their_ratio() -> None:
    found = results(qproxy=[20.0, 20.0], nginx=[10.0, 20.0, 90.0])
    assert found.ratio("get-1k", "cpu_us", "nginx") == Spread(0.75, 0.5, 1.0)


def test_what_was_not_measured_has_no_ratio() -> None:
    assert results(qproxy=[20.0]).ratio("get-1k", "cpu_us", "nginx") is None


def test_peers_come_in_the_order_of_their_measurement() -> None:
    assert results(nginx=[1.0, 1.0], qproxy=[1.0, 1.0]).peers("get-1k") == ["nginx", "qproxy"]


def test_results_are_read_back_as_they_were_saved(tmp_path: Path) -> None:
    saved = results(qproxy=[20.5], nginx=[10.25])
    saved.save(tmp_path / "new" / "results.jsonl")
    assert Results.read(tmp_path / "new" / "results.jsonl") == saved


def test_each_sample_is_a_line_of_its_own(tmp_path: Path) -> None:
    results(qproxy=[1.0, 2.0]).save(tmp_path / "lines")
    assert len((tmp_path / "lines").read_text().splitlines()) == 3


def test_figures_that_a_sample_lacks_are_left_out() -> None:
    found = Results({}, [Sample("hub", "nginx", 0, {"cpu_us": 1.0})])
    assert found.rounds("hub", "nginx", "busy") == {}
