"""An opened app: its layout, objects, fields, variables, expressions."""

from typing import Any

import pytest
from qliksim.engine_client import Client

from qproxy.qliksim.engine_doc import BAR_CHART_ID, KPI_ID, SHEET_ID, TABLE_ID

NOTHING = {"qReturn": {"qType": None, "qHandle": None}}


async def test_the_app_layout_has_title_and_data(sales: Client) -> None:
    layout = (await sales.call(await sales.open(), "GetAppLayout"))["qLayout"]
    assert (layout["qTitle"], layout["qHasData"]) == ("Sales", True)


async def test_the_app_properties_have_the_title(sales: Client) -> None:
    assert (await sales.call(await sales.open(), "GetAppProperties"))["qProp"]["qTitle"] == "Sales"


async def test_the_script_loads_the_sales_table(sales: Client) -> None:
    assert "LOAD Region" in (await sales.call(await sales.open(), "GetScript"))["qScript"]


async def test_an_app_has_a_sheet_with_three_charts(sales: Client) -> None:
    doc = await sales.open()
    listed = (await sales.call(doc, "GetAllInfos"))["qInfos"]
    assert [each["qId"] for each in listed] == [SHEET_ID, BAR_CHART_ID, TABLE_ID, KPI_ID]
    sheet = await sales.handle(doc, "GetObject", SHEET_ID)
    cells = (await sales.call(sheet, "GetLayout"))["qLayout"]["cells"]
    assert [cell["name"] for cell in cells] == [BAR_CHART_ID, TABLE_ID, KPI_ID]


@pytest.mark.parametrize("method", ["GetObject", "GetField", "GetVariableByName"])
async def test_an_unknown_name_gives_a_reference_to_nothing(sales: Client, method: str) -> None:
    assert await sales.call(await sales.open(), method, "no-such-thing") == NOTHING


async def test_the_same_object_keeps_its_handle(sales: Client) -> None:
    doc = await sales.open()
    handles = {await sales.handle(doc, "GetObject", BAR_CHART_ID) for _ in range(2)}
    assert len(handles) == 1


async def test_a_variable_shows_its_text(sales: Client) -> None:
    variable = await sales.handle(await sales.open(), "GetVariableByName", "vTarget")
    layout = (await sales.call(variable, "GetLayout"))["qLayout"]
    assert (layout["qText"], layout["qNum"]) == ("1000", 1000)
    assert (await sales.call(variable, "GetProperties"))["qProp"]["qName"] == "vTarget"


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("1+1", "2"),
        ("=Count(distinct Region)", "8"),
        ("Count(Region)", "192"),
        ("Count(Region) + 0.5", "192.50"),
        ("Min(Units)+max([Units])", "48"),
        ("Sum(Units)+Avg(Units)", "4634.01"),
        ("Sum(Nothing)", "-"),
        ("Coffee", "-"),
    ],
)
async def test_expressions_are_evaluated(sales: Client, expression: str, text: str) -> None:
    assert await sales.call(await sales.open(), "Evaluate", expression) == {"qReturn": text}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1+1", {"qText": "2", "qIsNumeric": True, "qNumber": 2}),
        ("Coffee", {"qText": "-", "qIsNumeric": False, "qNumber": "NaN"}),
    ],
)
async def test_values_of_expressions_have_text_and_number(sales: Client, expression: str, value: Any) -> None:
    assert await sales.call(await sales.open(), "EvaluateEx", expression) == {"qValue": value}


async def test_a_session_object_lives_until_it_is_destroyed(sales: Client) -> None:
    doc = await sales.open()
    properties = {"qInfo": {"qId": "mine", "qType": "note"}, "text": "hello"}
    made = await sales.handle(doc, "CreateSessionObject", properties)
    assert (await sales.call(made, "GetLayout"))["qLayout"]["text"] == "hello"
    answer = await sales.whole(doc, "DestroySessionObject", "mine")
    assert (answer["result"], answer["close"]) == ({"qSuccess": True}, [made])
    assert (await sales.error(made, "GetLayout"))["message"] == "Invalid handle"


async def test_a_session_object_gets_an_id_when_it_has_none(sales: Client) -> None:
    made = await sales.call(await sales.open(), "CreateSessionObject", {"qInfo": {"qType": "note"}})
    assert made["qInfo"]["qId"] == made["qReturn"]["qGenericId"] != ""


async def test_a_session_object_cannot_take_the_id_of_another(sales: Client) -> None:
    doc = await sales.open()
    error = await sales.error(doc, "CreateSessionObject", {"qInfo": {"qId": BAR_CHART_ID}})
    assert error["message"] == "Object already exists"


async def test_a_stored_object_cannot_be_destroyed(sales: Client) -> None:
    doc = await sales.open()
    assert await sales.call(doc, "DestroySessionObject", BAR_CHART_ID) == {"qSuccess": False}
