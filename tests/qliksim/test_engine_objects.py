"""Charts, lists and fields: layouts, pages of data, and selections that really filter."""

from typing import Any

import pytest
from qliksim.engine_client import Client

from qproxy.qliksim.engine_doc import BAR_CHART_ID, KPI_ID, TABLE_ID
from qproxy.qliksim.engine_table import REGIONS

PAGE = {"qTop": 0, "qLeft": 0, "qWidth": 10, "qHeight": 100}
CUBE = "/qHyperCubeDef"


async def chart_of(sales: Client, name: str = BAR_CHART_ID) -> int:
    doc = 1 if sales.last_id else await sales.open()
    return await sales.handle(doc, "GetObject", name)


async def matrix(sales: Client, chart: int, **page: int) -> list[Any]:
    pages = (await sales.call(chart, "GetHyperCubeData", CUBE, [PAGE | page]))["qDataPages"]
    assert isinstance(pages[0]["qMatrix"], list)
    return pages[0]["qMatrix"]


def texts(lines: list[Any]) -> list[list[str]]:
    return [[cell["qText"] for cell in line] for line in lines]


async def select(sales: Client, chart: int, *numbers: int, toggle: bool = False) -> Any:
    return await sales.call(chart, "SelectHyperCubeValues", CUBE, 0, list(numbers), toggle)


async def list_of(sales: Client, name: str) -> int:
    definition = {"qDef": {"qFieldDefs": [name]}, "qInitialDataFetch": [PAGE]}
    properties = {"qInfo": {"qType": "listbox"}, "qListObjectDef": definition}
    return await sales.handle(1, "CreateSessionObject", properties)


async def test_a_bar_chart_describes_its_dimension_and_measure(sales: Client) -> None:
    layout = (await sales.call(await chart_of(sales), "GetLayout"))["qLayout"]
    cube = layout["qHyperCube"]
    assert (layout["qInfo"]["qType"], cube["qSize"]) == ("barchart", {"qcx": 2, "qcy": 8})
    assert [each["qFallbackTitle"] for each in cube["qDimensionInfo"]] == ["Region"]
    assert [each["qFallbackTitle"] for each in cube["qMeasureInfo"]] == ["Sales"]


async def test_a_layout_brings_the_first_page_of_data(sales: Client) -> None:
    layout = (await sales.call(await chart_of(sales), "GetLayout"))["qLayout"]
    lines = layout["qHyperCube"]["qDataPages"][0]["qMatrix"]
    assert [line[0]["qText"] for line in lines] == list(REGIONS)


async def test_the_measures_of_a_chart_add_up_to_its_total(sales: Client) -> None:
    chart = await chart_of(sales)
    cube = (await sales.call(chart, "GetLayout"))["qLayout"]["qHyperCube"]
    numbers = [line[1]["qNum"] for line in await matrix(sales, chart)]
    assert sum(numbers) == cube["qGrandTotalRow"][0]["qNum"] > 0
    assert cube["qMeasureInfo"][0]["qMax"] == max(numbers)


async def test_data_comes_in_pages(sales: Client) -> None:
    chart = await chart_of(sales, TABLE_ID)
    whole = texts(await matrix(sales, chart))
    part = texts(await matrix(sales, chart, qTop=5, qHeight=3, qLeft=1, qWidth=1))
    assert len(whole) == 24
    assert part == [[line[1]] for line in whole[5:8]]


async def test_a_page_that_is_too_large_is_refused(sales: Client) -> None:
    error = await sales.error(await chart_of(sales), "GetHyperCubeData", CUBE, [PAGE | {"qHeight": 2000}])
    assert error["message"] == "Calc pages too large"


@pytest.mark.parametrize("path", ["/qListObjectDef", "", "/qHyperCubeDef/qMeasures/0/x"])
async def test_a_path_without_a_cube_is_refused(sales: Client, path: str) -> None:
    error = await sales.error(await chart_of(sales), "GetHyperCubeData", path, [PAGE])
    assert error["parameter"] == "qPath"


async def test_a_chart_without_dimensions_has_one_line(sales: Client) -> None:
    chart = await chart_of(sales, KPI_ID)
    assert len(await matrix(sales, chart)) == 1


async def test_a_cube_over_an_unknown_field_is_empty_and_says_so(sales: Client) -> None:
    await sales.open()
    cube = {"qDimensions": [{"qDef": {"qFieldDefs": ["Colour"]}}], "qMeasures": []}
    chart = await sales.handle(1, "CreateSessionObject", {"qInfo": {"qType": "x"}, "qHyperCubeDef": cube})
    found = (await sales.call(chart, "GetLayout"))["qLayout"]["qHyperCube"]
    assert (found["qSize"]["qcy"], found["qDimensionInfo"][0]["qError"]) == (0, {"qErrorCode": 7005})


async def test_a_measure_that_means_nothing_is_shown_as_a_dash(sales: Client) -> None:
    await sales.open()
    cube = {"qDimensions": [], "qMeasures": [{"qDef": {"qDef": "Coffee"}}]}
    chart = await sales.handle(1, "CreateSessionObject", {"qInfo": {"qType": "x"}, "qHyperCubeDef": cube})
    assert texts(await matrix(sales, chart)) == [["-"]]


async def test_a_selection_leaves_only_the_selected_value(sales: Client) -> None:
    chart = await chart_of(sales)
    assert await select(sales, chart, 2) == {"qSuccess": True}
    [line] = await matrix(sales, chart)
    assert (line[0]["qText"], line[0]["qState"]) == (REGIONS[2], "S")


async def test_a_selection_filters_the_other_charts(sales: Client) -> None:
    chart, kpi = await chart_of(sales), await chart_of(sales, KPI_ID)
    [[before]] = await matrix(sales, kpi)
    await select(sales, chart, 2)
    [[after]], [[_, region]] = await matrix(sales, kpi), await matrix(sales, chart)
    assert after["qNum"] == region["qNum"] < before["qNum"]


async def test_a_layout_follows_the_selection_as_patches(sales: Client) -> None:
    chart = await chart_of(sales)
    await sales.whole(chart, "GetLayout", delta=True)
    await select(sales, chart, 2)
    answer = await sales.whole(chart, "GetLayout", delta=True)
    size = [each for each in answer["result"]["qLayout"] if each["path"] == "/qHyperCube/qSize/qcy"]
    assert size == [{"op": "replace", "path": "/qHyperCube/qSize/qcy", "value": 1}]


async def test_toggling_adds_to_the_selection_and_takes_away(sales: Client) -> None:
    chart = await chart_of(sales)
    for number in (2, 3, 2):
        await select(sales, chart, number, toggle=True)
    assert [line[0]["qText"] for line in await matrix(sales, chart)] == [REGIONS[3]]


async def test_a_value_that_is_not_there_cannot_be_selected(sales: Client) -> None:
    chart = await chart_of(sales)
    answer = await sales.whole(chart, "SelectHyperCubeValues", CUBE, 0, [99], False)
    assert answer["result"] == {"qSuccess": False}
    assert "change" not in answer


async def test_a_dimension_that_is_not_there_is_refused(sales: Client) -> None:
    error = await sales.error(await chart_of(sales), "SelectHyperCubeValues", CUBE, 5, [1], False)
    assert error["parameter"] == "qDimNo"


async def test_clearing_brings_everything_back(sales: Client) -> None:
    chart = await chart_of(sales)
    await select(sales, chart, 2)
    answer = await sales.whole(1, "ClearAll", False, "")
    assert answer["change"] == [chart]
    assert len(await matrix(sales, chart)) == 8


async def test_properties_are_those_of_the_definition(sales: Client) -> None:
    chart = await chart_of(sales)
    properties = (await sales.call(chart, "GetProperties"))["qProp"]
    assert properties["qHyperCubeDef"]["qDimensions"][0]["qDef"]["qFieldDefs"] == ["Region"]
    assert (await sales.call(chart, "GetInfo"))["qInfo"]["qId"] == BAR_CHART_ID


async def test_a_list_shows_selected_alternative_and_excluded_values(sales: Client) -> None:
    chart = await chart_of(sales)
    regions, products = await list_of(sales, "Region"), await list_of(sales, "Product")
    await select(sales, chart, 2)
    [page] = (await sales.call(regions, "GetListObjectData", "/qListObjectDef", [PAGE]))["qDataPages"]
    assert [line[0]["qState"] for line in page["qMatrix"]] == ["S"] + ["A"] * 7
    layout = (await sales.call(products, "GetLayout"))["qLayout"]["qListObject"]
    assert layout["qDimensionInfo"]["qStateCounts"]["qOption"] == 6


async def test_a_list_selects_values_too(sales: Client) -> None:
    chart = await chart_of(sales)
    regions = await list_of(sales, "Region")
    await sales.call(regions, "SelectListObjectValues", "/qListObjectDef", [4, 5], False, False)
    assert [line[0]["qText"] for line in await matrix(sales, chart)] == [REGIONS[4], REGIONS[5]]


async def test_the_current_selections_name_field_and_values(sales: Client) -> None:
    chart = await chart_of(sales)
    properties = {"qInfo": {"qType": "CurrentSelections"}, "qSelectionObjectDef": {}}
    current = await sales.handle(1, "CreateSessionObject", properties)
    await select(sales, chart, 0, 1)
    [found] = (await sales.call(current, "GetLayout"))["qLayout"]["qSelectionObject"]["qSelections"]
    assert (found["qField"], found["qSelected"]) == ("Region", "Nordic, Baltic")
    assert (found["qSelectedCount"], found["qTotal"]) == (2, 8)


async def test_a_field_selects_by_text(sales: Client) -> None:
    chart = await chart_of(sales)
    field = await sales.handle(1, "GetField", "Region")
    answer = await sales.whole(field, "SelectValues", [{"qText": "Alps"}], False, False)
    assert (answer["result"], answer["change"]) == ({"qReturn": True}, [chart])
    assert texts(await matrix(sales, chart))[0][0] == "Alps"


async def test_a_field_selects_by_number(sales: Client) -> None:
    await sales.open()
    field = await sales.handle(1, "GetField", "Units")
    values = [{"qIsNumeric": True, "qNumber": 10}, 11]
    assert await sales.call(field, "SelectValues", values, False, False) == {"qReturn": True}
    assert await sales.call(1, "Evaluate", "Count(distinct Units)") == {"qReturn": "2"}


async def test_clearing_a_field_keeps_the_selections_in_others(sales: Client) -> None:
    chart = await chart_of(sales)
    field = await sales.handle(1, "GetField", "Product")
    await sales.call(field, "SelectValues", [{"qText": "Boots"}], False, False)
    await select(sales, chart, 2)
    assert await sales.call(field, "Clear") == {"qReturn": True}
    assert await sales.call(1, "Evaluate", "Count(Region)") == {"qReturn": "24"}


async def test_a_field_knows_how_many_values_it_has(sales: Client) -> None:
    await sales.open()
    field = await sales.handle(1, "GetField", "Product")
    assert await sales.call(field, "GetCardinal") == {"qReturn": 6}
