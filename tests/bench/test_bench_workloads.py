"""Which workloads there are, and how they are chosen."""

import pytest

from bench.report import README_PEERS, README_ROWS, TITLES
from bench.rounds import QUICK, Plan
from bench.run import listing, options, plan
from bench.workloads import MEASURES, WORKLOADS, Unknown, chosen


def names(*wanted: str) -> list[str]:
    return [one.name for one in chosen(wanted)]


def test_no_two_workloads_have_one_name() -> None:
    assert len({one.name for one in WORKLOADS}) == len(WORKLOADS)


def test_without_names_all_are_chosen() -> None:
    assert chosen(()) == WORKLOADS


def test_a_whole_name_chooses_that_one_only() -> None:
    assert names("ws-200b-1") == ["ws-200b-1"]


def test_the_beginning_of_names_chooses_them_all() -> None:
    assert names("slow", "get-1k") == ["get-1k", "slow-reader", "slow-reader-tls"]


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(Unknown, match="'get-2k'"):
        chosen(["get-2k"])


def test_a_million_bytes_over_a_thousand_sockets_are_counted_not_timed() -> None:
    heavy = [one for one in WORKLOADS if one.name.startswith("ws-1mb-1000")]
    assert [one.options[-2:] for one in heavy] == [("--count", "1000")] * 2


def test_every_measure_is_known() -> None:
    assert {measure for one in WORKLOADS for measure in one.measures} <= set(MEASURES)


def test_what_the_readme_and_the_quick_run_name_exists() -> None:
    assert {*README_ROWS, *QUICK.workloads} <= {one.name for one in WORKLOADS}
    assert {*README_PEERS, *QUICK.peers} <= set(TITLES)


def test_peers_that_were_asked_for_are_the_only_ones() -> None:
    wanted = plan(options(["--only", "get-1k", "--peers", "qproxy,nginx"]))
    assert wanted.of(wanted.workloads[0]) == ("nginx", "qproxy")


def test_a_compiled_build_takes_part_where_qproxy_does() -> None:
    wanted = plan(options(["--only", "logins", "--compiled", "bin/python"]))
    assert wanted.of(wanted.workloads[0]) == ("qproxy", "qproxy-compiled")


def test_a_check_leaves_out_what_has_no_floor() -> None:
    assert [one.name for one in plan(options(["--check", "--only", "hub,get-1k"])).workloads] == ["get-1k"]


def test_a_check_takes_only_the_peers_that_floors_compare() -> None:
    wanted = plan(options(["--check", "--only", "get-1k,upload"]))
    assert [wanted.of(one) for one in wanted.workloads] == [
        ("nginx", "qproxy", "caddy", "naive", "qproxy-quiet"),
        ("nginx", "qproxy"),
    ]


def test_a_check_that_also_writes_results_takes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.compiled.python", lambda: None)  # an earlier --install may have left a compiled build
    wanted = plan(options(["--check", "--results"]))
    assert wanted.workloads == WORKLOADS
    assert wanted.of(wanted.workloads[0]) == WORKLOADS[0].peers


def test_a_second_attempt_keeps_the_plan_but_for_its_workloads() -> None:
    again = Plan(WORKLOADS, ("nginx",), 5).only({"hub"})
    assert ([one.name for one in again.workloads], again.peers, again.rounds) == (["hub"], ("nginx",), 5)


def test_the_list_names_each_workload() -> None:
    text = listing()
    assert [one.name for one in WORKLOADS if one.name not in text] == []
