"""What the benchmark writes: amounts, tables, warnings, the page and the plot."""

import re
from pathlib import Path

import pytest
from bench.some_results import results

from bench import plot, report
from bench.floors import Floor, judge
from bench.results import Results, Sample
from bench.workloads import chosen

FOUND = results(qproxy=[50.0, 52.0], nginx=[25.0, 26.0], caddy=[200.0, 208.0])
HALF = Floor("get-1k", "cpu_us", "why", peer="nginx", at_least=0.5)


def with_figure(figure: str, value: float, workload: str = "get-1k") -> Results:
    return Results({}, [Sample(workload, "nginx", 0, {"cpu_us": 1.0, figure: value})])


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (52.13, "us", "52.1 us"),
        (1240.0, "us", "1.24 ms"),
        (2_500_000.0, "us", "2.50 s"),
        (4290.0, "B", "4.29 kB"),
        (5_000_000.0, "B", "5.00 MB"),
        (-80.0, "B", "-80.0 B"),
        (14_563.4, "1/s", "14,563 /s"),
    ],
)
def test_amounts_have_three_digits_that_count(value: float, unit: str, text: str) -> None:
    assert report.amount(value, unit) == text


def test_the_terminal_shows_median_extremes_and_ratio() -> None:
    line = next(line for line in report.terminal_table(chosen(["get-1k"])[0], FOUND) if "nginx" in line)
    assert re.findall(r"\d+\.\d+", line) == ["25.5", "25.0", "26.0", "0.50", "0.50", "0.50"]


@pytest.mark.parametrize(
    ("figure", "value", "warning"),
    [
        ("busy", 0.5, "core not busy, so only CPU counts, not operations a second: nginx 50%"),
        ("idle_share", 0.04, "peers without load used the core meanwhile: nginx 4%"),
        ("strange_share", 0.3, "other programs used the core meanwhile, so figures are less sure: nginx 30%"),
    ],
)
def test_figures_that_are_not_sure_come_with_a_warning(figure: str, value: float, warning: str) -> None:
    assert report.warnings("get-1k", with_figure(figure, value)) == [warning]


@pytest.mark.parametrize(("figure", "value"), [("busy", 0.97), ("idle_share", 0.01), ("resumed", 0.0)])
def test_sure_figures_come_without(figure: str, value: float) -> None:
    assert report.warnings("get-1k", with_figure(figure, value)) == []


def test_a_core_that_a_fixed_rate_leaves_idle_is_no_warning() -> None:
    assert report.warnings("rate-1000", with_figure("busy", 0.1, "rate-1000")) == []


def test_sessions_that_were_not_resumed_come_with_a_warning() -> None:
    found = report.warnings("connect-resumed", with_figure("resumed", 0.0, "connect-resumed"))
    assert found == ["sessions were not all resumed: nginx 0%"]


def test_the_page_shows_in_bold_where_qproxy_loses() -> None:
    page = report.results_page(FOUND, judge([HALF], [FOUND]))
    assert "| nginx | 25.5 us | 25.0 us | 26.0 us |  | **0.50** |" in page
    assert "| Caddy | 204 us | 200 us | 208 us |  | 4.00 |" in page


def test_the_page_says_which_floors_hold() -> None:
    page = report.results_page(FOUND, judge([HALF], [FOUND]))
    assert "| get-1k | at least 0.5 of nginx (CPU per operation) | 0.50 | yes |" in page


def test_the_page_names_machine_date_and_versions() -> None:
    page = report.results_page(FOUND, [])
    assert all(word in page for word in ("A processor", "2026-11-22", "nginx: 1.22.1"))


def test_the_page_does_not_tell_why_a_peer_is_missing() -> None:
    """The reason names a path of the machine."""
    left_out = Results({"left_out": {"caddy": "neither on PATH nor in /some/folder"}}, FOUND.samples)
    page = report.results_page(left_out, [])
    assert "Caddy was not there" in page
    assert "/some/folder" not in page


def test_the_page_tells_of_workloads_that_were_left_out_and_why() -> None:
    setting = {"notice": "without a C compiler: nginx and wrk", "not_run": {"upload": "needs a C compiler: no bodies"}}
    page = report.results_page(Results(setting, FOUND.samples), [])
    assert (
        "* without a C compiler: nginx and wrk\n* 10 MB up (`upload`) is left out: needs a C compiler: no bodies\n"
        in page
    )


def test_verdicts_name_what_was_not_measured() -> None:
    text = report.verdict_table(judge([HALF], [results()]))
    assert re.search(r"NOT MEASURED +get-1k", text)


def test_the_readme_table_has_a_column_for_each_peer() -> None:
    head, rule, row = report.readme_table(FOUND).splitlines()
    assert head.count("|") == rule.count("|") == row.count("|")
    assert row == "| GET 1 KB | 51.0 us | 0.50 |  | 4.00 |  |  |  |"


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    text = f"before\n{report.START}\nold\n{report.END}\nafter"
    assert report.refreshed(text, "new") == f"before\n{report.START}\nnew\n{report.END}\nafter"


def test_a_readme_without_marks_stays_as_it_is() -> None:
    assert report.refreshed("no marks", "new") == "no marks"


def test_all_files_are_written(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "README.md").write_text(f"{report.START}{report.END}")
    report.write(FOUND, [], tmp_path)
    assert "GET 1 KB" in (tmp_path / "README.md").read_text()
    assert {one.name for one in (tmp_path / "bench").iterdir()} == {"RESULTS.md", "results.svg"}


def test_the_plot_shows_a_dot_for_each_peer_and_the_same_for_each_run() -> None:
    drawn = plot.svg(FOUND)
    assert re.findall(r"<title>(.*?)</title>", drawn) == ["nginx: 0.50", "Caddy: 4.00"]
    assert plot.svg(FOUND) == drawn


@pytest.mark.parametrize(("ratio", "edge"), [(0.001, plot.LOW), (1000.0, plot.HIGH)])
def test_ratios_beyond_the_scale_stand_at_its_end(ratio: float, edge: float) -> None:
    assert plot.place(ratio) == plot.place(edge)


def test_each_doubling_is_as_wide() -> None:
    assert plot.place(4) - plot.place(2) == pytest.approx(plot.place(2) - plot.place(1), abs=0.2)
