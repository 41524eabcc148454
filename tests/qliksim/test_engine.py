"""The engine as its clients see it: requests, errors, delta answers, shared sessions, live apps."""

import asyncio
import json
from typing import Any

import pytest
from qliksim.engine_client import GLOBAL, JOHN, SALES, STOCK, Client, Seconds, client, engine

from qproxy.qliksim.engine import UnknownAppError
from qproxy.qliksim.engine_doc import BAR_CHART_ID
from qproxy.qliksim.settings import AppSettings

JANE = ("SSO", "jane")


async def test_broken_json_gets_a_parse_error(sales: Client) -> None:
    [answer] = await sales.socket.answer("{")
    assert json.loads(answer) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -32700, "parameter": "", "message": "Parse error"},
    }


@pytest.mark.parametrize("text", ["[]", "7", "{}", '{"method": 7, "id": 1}'])
async def test_json_that_is_no_request_gets_an_error(sales: Client, text: str) -> None:
    [answer] = await sales.socket.answer(text)
    assert json.loads(answer)["error"]["code"] == -32600


async def test_an_unknown_method_gets_method_not_found(sales: Client) -> None:
    answer = await sales.whole(GLOBAL, "MakeCoffee")
    assert answer["error"] == {"code": -32601, "parameter": "", "message": "Method not found"}


async def test_parameters_of_a_wrong_type_get_an_error(sales: Client) -> None:
    doc = await sales.open()
    assert (await sales.error(doc, "GetField", ["Region"]))["code"] == -32602


async def test_a_request_without_an_id_gets_no_answer(sales: Client) -> None:
    assert await sales.socket.answer('{"method": "AbortAll", "handle": -1, "params": []}') == []


async def test_opening_an_app_answers_with_a_plain_handle_that_changed(sales: Client) -> None:
    answer = await sales.whole(GLOBAL, "OpenDoc", SALES.id, delta=True)
    reference = {"qType": "Doc", "qHandle": 1, "qGenericId": SALES.id}
    assert answer == {"jsonrpc": "2.0", "id": 1, "result": {"qReturn": reference}, "change": [1]}


async def test_with_delta_an_object_comes_as_patches(sales: Client) -> None:
    answer = await sales.whole(GLOBAL, "EngineVersion", delta=True)
    value = {"qComponentVersion": "12.2027.0"}
    assert answer["delta"] is True
    assert answer["result"] == {"qVersion": [{"op": "add", "path": "/", "value": value}]}


async def test_without_delta_an_object_comes_plain(sales: Client) -> None:
    assert await sales.whole(GLOBAL, "EngineVersion") == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {"qVersion": {"qComponentVersion": "12.2027.0"}},
    }


async def test_the_same_question_again_gets_no_patches(sales: Client) -> None:
    await sales.whole(GLOBAL, "GetDocList", delta=True)
    assert (await sales.whole(GLOBAL, "GetDocList", delta=True))["result"] == {"qDocList": []}


async def test_a_new_socket_is_told_everything_again() -> None:
    shared = engine()
    for _ in range(2):
        answer = await client(shared).whole(GLOBAL, "GetDocList", delta=True)
        assert answer["result"]["qDocList"][0]["path"] == "/"


def test_an_unknown_app_cannot_be_attached_to() -> None:
    with pytest.raises(UnknownAppError):
        engine().attach(JOHN, "no-such-app")


@pytest.mark.parametrize("app", ["", "engineData", "?transient="])
def test_the_engine_without_an_app_is_always_there(app: str) -> None:
    assert not engine().attach(JOHN, app).attached


def test_a_second_socket_to_the_same_app_attaches() -> None:
    shared = engine()
    first, second = (shared.attach(JOHN, SALES.id) for _ in range(2))
    assert (first.attached, second.attached) == (False, True)


@pytest.mark.parametrize(
    "other", [{"user": JANE}, {"app": STOCK.id}, {"identity": "tab-2"}], ids=["user", "app", "identity"]
)
def test_another_user_app_or_identity_gets_its_own_session(other: dict[str, Any]) -> None:
    shared = engine()
    shared.attach(JOHN, SALES.id)
    assert not shared.attach(**({"user": JOHN, "app": SALES.id} | other)).attached


def test_without_a_time_to_live_the_session_ends_with_its_socket() -> None:
    shared = engine()
    shared.attach(JOHN, SALES.id).detach()
    assert not shared.attach(JOHN, SALES.id).attached


@pytest.mark.parametrize(("later", "attached"), [(59.0, True), (60.0, False)])
def test_a_session_lives_on_for_its_time_to_live(later: float, attached: bool) -> None:
    clock = Seconds()
    shared = engine(clock=clock)
    shared.attach(JOHN, SALES.id, ttl=60).detach()
    clock.now += later
    assert shared.attach(JOHN, SALES.id).attached is attached


async def test_after_attaching_again_the_open_app_is_still_active() -> None:
    shared = engine()
    before = client(shared, ttl=60)
    await before.open()
    before.socket.detach()
    active = await client(shared).call(GLOBAL, "GetActiveDoc")
    assert active["qReturn"]["qGenericId"] == SALES.id


async def test_a_selection_is_pushed_to_the_other_sockets_of_the_session() -> None:
    shared = engine()
    mine, other, foreign = client(shared), client(shared), client(shared, user=JANE)
    chart = await mine.handle(await mine.open(), "GetObject", BAR_CHART_ID)
    other.pushed.clear()
    answer = await mine.whole(chart, "SelectHyperCubeValues", "/qHyperCubeDef", 0, [1], False)
    assert answer["change"] == [chart]
    assert other.pushed == [{"jsonrpc": "2.0", "change": [chart]}]
    assert mine.pushed == foreign.pushed == []


async def test_a_detached_socket_is_told_nothing() -> None:
    shared = engine()
    mine, other = client(shared), client(shared)
    other.socket.detach()
    await mine.open()
    assert other.pushed == []


def test_detaching_twice_does_not_end_the_session_of_others() -> None:
    shared = engine()
    first, _ = shared.attach(JOHN, SALES.id), shared.attach(JOHN, SALES.id)
    first.detach()
    first.detach()
    assert shared.attach(JOHN, SALES.id).attached


async def test_a_live_app_tells_every_session_that_its_charts_changed() -> None:
    live = AppSettings(id="live", title="Live", live=True)
    shared = engine(live)
    clients = [client(shared, live.id, user=user) for user in (JOHN, JANE)]
    charts = [await each.handle(await each.open(live), "GetObject", BAR_CHART_ID) for each in clients]
    shared.advance(live)
    assert [each.pushed for each in clients] == [[{"jsonrpc": "2.0", "change": [chart]}] for chart in charts]


async def test_the_data_of_a_live_app_moves() -> None:
    live = AppSettings(id="live", title="Live", live=True)
    shared = engine(live)
    sales = client(shared, live.id)
    doc = await sales.open(live)
    before = await sales.call(doc, "Evaluate", "Sum(Sales)")
    shared.advance(live)
    assert await sales.call(doc, "Evaluate", "Sum(Sales)") != before


async def test_moving_one_app_leaves_the_others_alone() -> None:
    shared = engine()
    sales = client(shared)
    await sales.handle(await sales.open(), "GetObject", BAR_CHART_ID)
    shared.advance(STOCK)
    assert sales.pushed == []


@pytest.mark.parametrize("size", [20_000, 1_000_000])
async def test_a_layout_is_padded_to_the_size_of_its_app(size: int) -> None:
    big = AppSettings(id="big", title="Big", layout_bytes=size)
    sales = client(engine(big), big.id)
    chart = await sales.handle(await sales.open(big), "GetObject", BAR_CHART_ID)
    layout = (await sales.call(chart, "GetLayout"))["qLayout"]
    assert len(json.dumps(layout, separators=(",", ":"))) == size


async def test_a_slow_app_answers_after_its_delay() -> None:
    slow = AppSettings(id="slow", title="Slow", delay_ms=40)
    sales = client(engine(slow), slow.id)
    doc = await sales.open(slow)
    started = asyncio.get_running_loop().time()
    await sales.call(doc, "GetAppLayout")
    assert asyncio.get_running_loop().time() - started >= 0.039
