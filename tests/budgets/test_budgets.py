"""What one operation of the data plane costs stays within budgets.yaml: counts, so the same on every machine."""

import base64
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from budgets.counting import Profile
from budgets.operations import OPERATIONS
from budgets.verdict import COMPILED, complaints

FOLDER = Path(__file__).parent
BUDGETS = yaml.safe_load((FOLDER / "budgets.yaml").read_text(encoding="utf-8"))
SAME_BUILD = not COMPILED and platform.python_version().startswith(f"{BUDGETS['python']}.")
Found = dict[str, dict[str, float]]


def begun(seed: str) -> subprocess.Popen[bytes]:
    """A process of its own: what other tests left behind, or watch, must not be counted."""
    command = [sys.executable, str(FOLDER / "measure.py"), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONHASHSEED": seed})


@pytest.fixture(scope="module")
def runs() -> list[Found]:
    """Two runs, whose sets and dictionaries are in different orders."""
    children = [begun("1"), begun("2")]
    printed = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    return [json.loads(one) for one in printed]


def test_the_figures_are_the_same_in_every_run(runs: list[Found]) -> None:
    assert runs[0] == runs[1]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_stays_within_its_budget(runs: list[Found], name: str) -> None:
    budget = {key: value for key, value in BUDGETS["operations"][name].items() if key != "why"}
    assert complaints(budget, runs[0][name], same_build=SAME_BUILD) == []


def test_every_operation_has_a_budget_and_a_reason_for_it() -> None:
    assert set(BUDGETS["operations"]) == set(OPERATIONS)
    assert all(one["why"] for one in BUDGETS["operations"].values())


@pytest.mark.parametrize(
    ("figure", "same_build", "said"),
    [
        (100, True, ""),
        (101, True, "find what was added"),
        (76, True, ""),
        (74, True, "lower it"),
        (74, False, ""),
        (109, False, ""),
        (111, False, "find what was added"),
    ],
)
def test_a_figure_out_of_its_budget_is_named(figure: float, same_build: bool, said: str) -> None:
    found = complaints({"calls": 100}, {"calls": figure}, same_build=same_build)
    assert (said in found[0]) if said else not found


def test_calls_are_counted_by_their_kind() -> None:
    profile = Profile()
    before = sys.getprofile()
    sys.setprofile(profile.hook)
    base64.b64encode(b"x")
    sys.setprofile(before)
    assert (profile.calls, profile.c_calls) == (1, 1)
