"""What a virtual proxy's file may say of its Qlik nodes, and what becomes of it."""

from pathlib import Path
from typing import Any

import pytest
from config_site import SALES, ConfigSite
from pydantic import ValidationError

from qproxy.config import PublicConfig, VirtualProxyConfig
from qproxy.pools import open_pool

KEYS = {"name": "sales", "prefix": "sales", "cookie": "X-Qlik-Session", "user_directory": "SALES"}
PUBLIC = PublicConfig.model_validate({"url": "https://bi.example.com:8443"})


def vp(**changes: Any) -> VirtualProxyConfig:
    return VirtualProxyConfig.model_validate(KEYS | {"upstreams": "http://qlik1"} | changes)


@pytest.mark.parametrize(
    "written",
    ["http://qlik1:81", ["http://qlik1:81"], {"url": "http://qlik1:81"}, [{"url": "http://qlik1:81"}]],
)
def test_a_node_is_its_url_or_a_mapping_alone_or_in_a_list(written: object) -> None:
    (node,) = vp(upstreams=written).upstreams
    assert (str(node), node.scheme, node.host, node.port, node.drain) == ("http://qlik1:81", "http", "qlik1", 81, False)


def test_a_node_may_be_drained() -> None:
    pool = open_pool(vp(upstreams=["http://qlik1", {"url": "http://qlik2", "drain": "true"}]), PUBLIC, 3.0)
    assert [node.drain for node in pool.nodes] == [False, True]


@pytest.mark.parametrize(("prefix", "path"), [("sales", "/sales/qps/user"), ("", "/qps/user")])
def test_a_check_asks_what_qps_answers_without_a_session_by_the_public_name(prefix: str, path: str) -> None:
    rules = open_pool(vp(prefix=prefix), PUBLIC, 3.0)._rules
    assert (rules.path, rules.host) == (path, "bi.example.com:8443")


def test_what_is_configured_of_health_is_what_holds() -> None:
    health = {"path": "/x", "interval": "1m", "timeout": 9, "unhealthy_after": 4, "healthy_after": 5, "slow_start": 7}
    rules = open_pool(vp(health=health, wait_for_qlik="20s"), PUBLIC, 3.0)._rules
    assert (rules.path, rules.interval, rules.timeout) == ("/x", 60, 9)
    assert (rules.unhealthy_after, rules.healthy_after, rules.slow_start, rules.wait) == (4, 5, 7, 20)


@pytest.mark.parametrize("written", [0, "0", "0s"])
def test_nobody_has_to_wait_for_qlik(written: object) -> None:
    assert vp(wait_for_qlik=written).wait_for_qlik == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"wait_for_qlik": "-1"},
        {"wait_for_qlik": False},
        {"health": {"path": "qps/user"}},
        {"health": {"path": "//qlik2/x"}},
        {"health": {"path": "/a b"}},
        {"health": {"path": "/a\r\nX: y"}},
        {"health": {"path": "/ü"}},
        {"health": {"unhealthy_after": 0}},
        {"upstreams": []},
        {"upstreams": [{"drain": True}]},
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        vp(**changes)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("{url: http://localhost, drian: true}", "4:36: upstreams.drian: is not a known key: did you mean drain?"),
        ("[{url: http://localhost, drain: maybe}]", "4:44: upstreams[0].drain: must be true or false (got 'maybe')"),
        ("[http://localhost, {url: http://localhost}]", "4:31: upstreams[1]: is listed twice"),
    ],
)
def test_a_problem_says_where_and_what(tmp_path: Path, written: str, problem: str) -> None:
    site = ConfigSite(tmp_path).write(sales=SALES.replace("http://localhost:8080", written))
    assert site.problems() == [f"sales.yaml:{problem}"]


def test_a_site_whose_nodes_are_all_drained_is_warned_of(tmp_path: Path) -> None:
    drained = SALES.replace("http://localhost:8080", "{url: http://localhost, drain: true}")
    warnings = ConfigSite(tmp_path).write(sales=drained).warnings()
    assert [one for one in warnings if one.startswith("sales.yaml:4:12: upstreams: has drain: true at every node")]
