"""Real Qlik clients straight against the stand-in node: the yardstick for the same evenings through qproxy."""

import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from clients.evenings import (
    ENIGMA,
    LOUD_WAYS,
    QLIK_API,
    SCENARIOS,
    SILENT_WAYS,
    after_each_way,
    direct_visit,
    events,
    node_config,
    spend,
)
from clients.runner import Line, require_node_clients

from qproxy.qliksim import QlikNode

pytestmark = pytest.mark.clients


@pytest.fixture(autouse=True)
def _clients() -> None:
    require_node_clients()


@pytest.fixture
async def node() -> AsyncIterator[QlikNode]:
    node = QlikNode(node_config())
    await node.start()
    yield node
    await node.stop()


async def evening(node: QlikNode, script: str, scenario: str, **more: Any) -> list[Line]:
    return await spend(node, direct_visit(node), script, scenario, **more)


def outcome(lines: list[Line]) -> list[tuple[str, object, object]]:
    found = events(lines, "closed", "suspended", "resuming", "resumed")
    return [(line["event"], line.get("code"), line.get("reason")) for line in found]


@pytest.mark.parametrize(("script", "scenario"), SCENARIOS)
async def test_two_runs_have_equal_transcripts(node: QlikNode, script: str, scenario: str) -> None:
    first = await evening(node, script, scenario)
    assert len(first) > 3
    assert await evening(node, script, scenario) == first


@pytest.mark.parametrize("script", [ENIGMA, QLIK_API])
async def test_over_tls_the_client_sees_the_same(node: QlikNode, tmp_path: Path, script: str) -> None:
    authority, ca_file = trustme.CA(), tmp_path / "authority.crt"
    authority.cert_pem.write_to_path(str(ca_file))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    secure = QlikNode(node_config(tls=tls))
    await secure.start()
    try:
        lines = await spend(secure, direct_visit(secure, ca_file=str(ca_file)), script, "resume")
    finally:
        await secure.stop()
    assert lines == await evening(node, script, "resume")


async def test_enigma_is_greeted_with_the_user_and_a_new_engine_session(node: QlikNode) -> None:
    lines = await evening(node, ENIGMA, "evening")
    who, state = events(lines, "notification")
    assert who["params"] | {"logoutUri": ""} == {
        "userId": "john",
        "userDirectory": "SSO",
        "logoutUri": "",
        "mustAuthenticate": False,
    }
    assert state["params"] == {"qSessionState": "SESSION_CREATED"}
    assert events(lines, "user") == [{"user": "UserDirectory=SSO; UserId=john"}]


async def test_enigma_sees_its_selection_in_the_chart(node: QlikNode) -> None:
    lines = await evening(node, ENIGMA, "evening")
    [before], [after] = events(lines, "layout"), events(lines, "layout after selection")
    assert (before["size"]["qcy"], after["size"]["qcy"]) == (8, 2)
    assert [line[0] for line in after["lines"]] == ["Iberia S", "Benelux S"]


async def test_enigma_shows_the_engines_errors(node: QlikNode) -> None:
    lines = await evening(node, ENIGMA, "evening")
    codes = {line["event"]: line["code"] for line in lines if line.get("failed")}
    assert codes == {"active doc": 2, "object": -2, "reload": -32601}


async def test_enigma_finds_its_engine_session_again_until_it_is_gone(node: QlikNode) -> None:
    lines = await evening(node, ENIGMA, "resume")
    states = [each["params"].get("qSessionState") for each in events(lines, "notification")[1::2]]
    assert states == ["SESSION_CREATED", "SESSION_ATTACHED", "SESSION_CREATED"]
    assert [each["regions"] for each in events(lines, "resumed document")] == [1, 8]


@pytest.mark.parametrize("script", [ENIGMA, QLIK_API])
async def test_the_path_of_a_session_app_arrives_as_the_client_wrote_it(node: QlikNode, script: str) -> None:
    lines = await evening(node, script, "sessionApp")
    assert events(lines, "session app") == [{"id": "<session app>", "empty": True}]
    upgrades = [entry.line for entry in node.journal("ws")]
    assert any("/sso/app/%3Ftransient%3D/identity/1" in line for line in upgrades)


async def test_enigma_reports_each_loud_close_with_code_and_reason(node: QlikNode) -> None:
    lines = await evening(node, ENIGMA, "closings", ways=LOUD_WAYS)
    for way, then in after_each_way(lines):
        word = "suspended" if way["suspendOnClose"] else "closed"
        assert outcome(then) == [(word, way.get("code", 1006), way.get("reason", ""))], way


async def test_enigma_is_silent_about_1000_and_4000(node: QlikNode) -> None:
    lines = await evening(node, ENIGMA, "closings", ways=SILENT_WAYS)
    assert [outcome(then) for _, then in after_each_way(lines)] == [[], [], [], []]
    assert [each["code"] for each in events(lines, "socket gone")] == [1000, 4000, 1000, 4000]


async def test_enigma_is_told_that_its_session_timed_out(node: QlikNode) -> None:
    lines = await evening(node, ENIGMA, "expired")
    told = events(lines, "notification")[-1]
    assert (told["method"], told["params"]["severity"]) == ("OnSessionTimedOut", "fatal")
    assert outcome(lines) == [("closed", 1001, "")]


async def test_without_a_session_enigma_is_told_where_to_log_in(node: QlikNode) -> None:
    visit = replace(direct_visit(node), csrf=False)
    node.vp("sso").sessions.clear()
    node.set_toggle("csrf", False)
    [told] = events(await spend(node, visit, ENIGMA, "turnedAway"), "notification")
    assert told["params"]["mustAuthenticate"] is True
    assert "loginUri" in told["params"]


async def test_without_the_csrf_token_the_upgrade_is_refused(node: QlikNode) -> None:
    visit = replace(direct_visit(node), csrf=False)
    [refused] = events(await spend(node, visit, ENIGMA, "turnedAway"), "not opened")
    assert refused == {"message": "Unexpected server response: 403"}


async def test_a_page_of_a_foreign_origin_gets_no_socket(node: QlikNode) -> None:
    visit = replace(direct_visit(node), origin="https://elsewhere.example")
    [refused] = events(await spend(node, visit, ENIGMA, "turnedAway"), "not opened")
    assert refused == {"message": "Unexpected server response: 403"}


async def test_qlik_api_finds_out_by_itself_how_to_get_in(node: QlikNode) -> None:
    lines = await evening(node, QLIK_API, "evening")
    first, second, *_ = [each["url"] for each in events(lines, "fetch")]
    assert first == "<base>/resources/autogenerated/product-info.json"
    assert second == "<base>/qps/csrftoken?xrfkey=<secret>"
    assert all("xrfkey=<secret>&qlik-csrf-token=<secret>" in each["url"] for each in events(lines, "socket"))


async def test_qlik_api_sees_its_selection_in_the_chart(node: QlikNode) -> None:
    lines = await evening(node, QLIK_API, "evening")
    assert [each["size"]["qcy"] for each in events(lines, "layout", "layout after selection")] == [8, 2, 8, 2]


async def test_qlik_api_comes_back_after_each_loss(node: QlikNode) -> None:
    lines = await evening(node, QLIK_API, "closings")
    for way, then in after_each_way(lines):
        lost = ("suspended", way.get("code", 1006), way.get("reason", ""))
        assert outcome(then) == [lost, ("resuming", None, None), ("resumed", None, None)], way
        assert events(then, "resumed document") == [{"title": "Sales", "state": "SESSION_ATTACHED"}]


async def test_qlik_api_finds_its_engine_session_again_until_it_is_gone(node: QlikNode) -> None:
    lines = await evening(node, QLIK_API, "resume")
    assert events(lines, "resumed document") == [
        {"state": "SESSION_ATTACHED", "regions": 1},
        {"state": "SESSION_CREATED", "regions": 8},
    ]


async def test_qlik_api_makes_a_timeout_of_its_own_code(node: QlikNode) -> None:
    lines = await evening(node, QLIK_API, "expired")
    assert outcome(lines) == [("suspended", 4001, "Session timed out")]
    assert [each["code"] for each in events(lines, "socket gone")] == [1001]
