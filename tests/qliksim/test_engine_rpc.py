"""Patches as Qlik's clients apply them, parameters, handles."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qliksim.engine_client import Client

from qproxy.qliksim.engine_rpc import EngineError, Handles, Method, no_results, patches

KEYS = st.sampled_from(["qText", "a/b", "7", "", "title"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def applied(old: Any, found: list[Any]) -> Any:
    """What a client holds after the patches, by the rules of enigma.js."""
    for patch in found:
        if patch["path"] == "/":
            old = copy.deepcopy(patch["value"])
            continue
        *way, last = patch["path"].split("/")[1:]
        parent = old
        for key in way:
            parent = parent[int(key)] if isinstance(parent, list) else parent[key]
        if patch["op"] == "remove":
            del parent[last]
        else:
            parent[int(last) if isinstance(parent, list) else last] = copy.deepcopy(patch["value"])
    return old


def test_the_first_patch_adds_the_whole_value() -> None:
    assert patches(None, {"a": 1}) == [{"op": "add", "path": "/", "value": {"a": 1}}]


def test_an_unchanged_value_needs_no_patch() -> None:
    assert patches({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}) == []


def test_a_change_deep_inside_is_one_small_patch() -> None:
    old = {"qHyperCube": {"qSize": {"qcy": 8}, "qMode": "S"}}
    new = {"qHyperCube": {"qSize": {"qcy": 1}, "qMode": "S"}}
    assert patches(old, new) == [{"op": "replace", "path": "/qHyperCube/qSize/qcy", "value": 1}]


def test_a_key_that_a_path_cannot_name_replaces_its_parent() -> None:
    assert patches({"x": {"a/b": 1}}, {"x": {"a/b": 2}}) == [{"op": "replace", "path": "/x", "value": {"a/b": 2}}]


def test_true_and_one_are_different_values() -> None:
    assert patches({"a": True}, {"a": 1}) == [{"op": "replace", "path": "/a", "value": 1}]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.dictionaries(KEYS, VALUES, max_size=4))
def test_applied_patches_give_the_new_value(old: Any, new: Any) -> None:
    found = applied(copy.deepcopy(old), patches(old, new))
    assert json.dumps(found, sort_keys=True) == json.dumps(new, sort_keys=True)


def test_parameters_are_taken_by_position_or_by_name() -> None:
    method = Method(("qPath", "qPages"), no_results)
    assert method.values(["/x"]) == ["/x", None]
    assert method.values({"qPages": [1], "other": 2}) == [None, [1]]


@pytest.mark.parametrize("params", ["text", 7, [1, 2, 3]])
def test_parameters_of_another_shape_are_refused(params: Any) -> None:
    with pytest.raises(EngineError, match="Invalid Params"):
        Method(("qPath", "qPages"), no_results).values(params)


async def test_a_handle_that_was_never_given_is_refused(sales: Client) -> None:
    error = await sales.error(99, "GetLayout")
    assert (error["code"], error["message"]) == (-32602, "Invalid handle")


def test_taking_the_notices_forgets_them() -> None:
    handles = Handles(changed={3, 1}, closed={2})
    assert handles.take() == {"change": [1, 3], "close": [2]}
    assert handles.take() == {}
