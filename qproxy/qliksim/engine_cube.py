"""The data part of layouts: hypercubes, list objects, current selections, from a definition and the data.

Pure: a definition and associations in, JSON values out, in the shapes that Qlik's clients read. What it leaves
out (pivot and stacked modes, alternate states, sort orders) no test of the road needs.
"""

from collections.abc import Iterator, Mapping, Sequence

from qproxy.qliksim.engine_rpc import INVALID_PARAMS, EngineError, Json
from qproxy.qliksim.engine_table import Associations, Row, as_number, as_text

MAX_CELLS = 10_000  # the engine refuses larger pages
_STATE_WORDS = {"S": "qSelected", "O": "qOption", "A": "qAlternative", "X": "qExcluded"}
_NUMBER_FORMAT = {"qType": "U", "qnDec": 10, "qUseThou": 0}


def field_of(dimension: Mapping[str, Json]) -> str:
    definition = dimension.get("qDef") or {}
    return str((definition.get("qFieldDefs") or [""])[0]).lstrip("=").strip("[] ")


def _measure_of(measure: Mapping[str, Json]) -> str:
    return str((measure.get("qDef") or {}).get("qDef", ""))


class Cube:
    """A hypercube over the rows that the selections leave: one line for each combination of dimension values."""

    def __init__(self, definition: Mapping[str, Json], data: Associations) -> None:
        self.definition, self.data = definition, data
        self.dimensions: list[Json] = definition.get("qDimensions") or []
        self.measures: list[Json] = definition.get("qMeasures") or []
        self.groups = dict(sorted(self._grouped().items()))

    def _grouped(self) -> dict[tuple[int, ...], list[Row]]:
        names = [field_of(dimension) for dimension in self.dimensions]
        if not all(name in self.data.table.columns for name in names) or not (names or self.measures):
            return {}
        numbers = [self.data.table.elements(name) for name in names]
        groups: dict[tuple[int, ...], list[Row]] = {}
        for row in self.data.rows():
            groups.setdefault(tuple(column[row] for column in numbers), []).append(row)
        return groups

    def layout(self) -> Json:
        pages = self.definition.get("qInitialDataFetch") or []
        return {
            "qSize": {"qcx": len(self.dimensions) + len(self.measures), "qcy": len(self.groups)},
            "qDimensionInfo": [described_dimension(dimension, self.data) for dimension in self.dimensions],
            "qMeasureInfo": [self._described_measure(measure) for measure in self.measures],
            "qEffectiveInterColumnSortOrder": list(range(len(self.dimensions) + len(self.measures))),
            "qGrandTotalRow": [self._total(measure) for measure in self.measures],
            "qDataPages": self.pages(pages),
            "qPivotDataPages": [],
            "qStackedDataPages": [],
            "qMode": "S",
            "qNoOfLeftDims": -1,
            "qTreeNodesOnDim": [],
            "qColumnOrder": [],
        }

    def pages(self, pages: Sequence[Mapping[str, int]]) -> list[Json]:
        return [page_of(list(self._lines(page)), page) for page in pages]

    def _lines(self, page: Mapping[str, int]) -> Iterator[list[Json]]:
        top, left = page.get("qTop", 0), page.get("qLeft", 0)
        keys = list(self.groups)[top : top + page.get("qHeight", 0)]
        names = [field_of(dimension) for dimension in self.dimensions]
        states = [self.data.states(name) for name in names]
        for key in keys:
            cells = [
                value_cell(self.data, name, number, states[at][number])
                for at, (name, number) in enumerate(zip(names, key, strict=True))
            ]
            cells += [self._measure_cell(measure, self.groups[key]) for measure in self.measures]
            yield cells[left : left + page.get("qWidth", 0)]

    def _measure_cell(self, measure: Mapping[str, Json], rows: Sequence[Row]) -> Json:
        value = self.data.evaluate(_measure_of(measure), rows)
        if value is None:
            return {"qText": "-", "qNum": "NaN", "qElemNumber": 0, "qState": "L", "qIsNull": True}
        return {"qText": as_text(value), "qNum": as_number(value), "qElemNumber": 0, "qState": "L"}

    def _described_measure(self, measure: Mapping[str, Json]) -> Json:
        cells = [self._measure_cell(measure, rows) for rows in self.groups.values()]
        numbers = [cell["qNum"] for cell in cells if cell["qNum"] != "NaN"]
        label = (measure.get("qDef") or {}).get("qLabel") or _measure_of(measure)
        return {
            "qFallbackTitle": label,
            "qApprMaxGlyphCount": max((len(cell["qText"]) for cell in cells), default=0),
            "qCardinal": 0,
            "qSortIndicator": "D",
            "qNumFormat": dict(_NUMBER_FORMAT),
            "qMin": min(numbers, default="NaN"),
            "qMax": max(numbers, default="NaN"),
            "qAttrExprInfo": [],
            "qAttrDimInfo": [],
        }

    def _total(self, measure: Mapping[str, Json]) -> Json:
        total = self._measure_cell(measure, self.data.rows())
        return total | {"qElemNumber": -1, "qType": "T", "qIsTotalCell": True}


def described_dimension(dimension: Mapping[str, Json], data: Associations) -> Json:
    name = field_of(dimension)
    label = ((dimension.get("qDef") or {}).get("qFieldLabels") or [""])[0] or name
    if name not in data.table.columns:
        return {"qFallbackTitle": label, "qError": {"qErrorCode": 7005}, "qCardinal": 0}
    texts = [as_text(value) for value in data.table.symbols[name]]
    states = data.states(name)
    return {
        "qFallbackTitle": label,
        "qApprMaxGlyphCount": max((len(text) for text in texts), default=0),
        "qCardinal": len(texts),
        "qSortIndicator": "A",
        "qGroupFallbackTitles": [label],
        "qGroupPos": 0,
        "qStateCounts": {"qLocked": 0} | {word: states.count(s) for s, word in _STATE_WORDS.items()},
        "qTags": ["$text"],
        "qDimensionType": "D",
        "qGrouping": "N",
        "qNumFormat": dict(_NUMBER_FORMAT),
        "qIsAutoFormat": True,
        "qGroupFieldDefs": [name],
        "qAttrExprInfo": [],
        "qAttrDimInfo": [],
    }


def value_cell(data: Associations, name: str, number: int, state: str) -> Json:
    value = data.table.symbols[name][number]
    return {"qText": as_text(value), "qNum": as_number(value), "qElemNumber": number, "qState": state}


def list_pages(name: str, data: Associations, pages: Sequence[Mapping[str, int]]) -> list[Json]:
    """Every value of a field with its state: possible and selected ones first, excluded ones last."""
    states = data.states(name) if name in data.table.columns else []
    order = sorted(range(len(states)), key=lambda number: ("SOAX".index(states[number]), number))
    found = []
    for page in pages:
        top = page.get("qTop", 0)
        shown = order[top : top + page.get("qHeight", 0)]
        found.append(page_of([[value_cell(data, name, number, states[number])] for number in shown], page))
    return found


def page_of(matrix: list[list[Json]], asked: Mapping[str, int]) -> Json:
    if asked.get("qWidth", 0) * asked.get("qHeight", 0) > MAX_CELLS:
        raise EngineError(INVALID_PARAMS, "Calc pages too large", "qPages")
    area = {
        "qLeft": asked.get("qLeft", 0),
        "qTop": asked.get("qTop", 0),
        "qWidth": max((len(line) for line in matrix), default=0),
        "qHeight": len(matrix),
    }
    return {"qMatrix": matrix, "qTails": [], "qArea": area, "qIsReduced": False}


def list_layout(definition: Mapping[str, Json], data: Associations) -> Json:
    described = described_dimension(definition, data)
    pages = list_pages(field_of(definition), data, definition.get("qInitialDataFetch") or [])
    return {"qSize": {"qcx": 1, "qcy": described["qCardinal"]}, "qDimensionInfo": described, "qDataPages": pages}


def selections_layout(data: Associations) -> Json:
    return {
        "qBackCount": 0,
        "qForwardCount": 0,
        "qSelections": [_selection(name, sorted(numbers), data) for name, numbers in data.chosen.items()],
    }


def _selection(name: str, numbers: Sequence[int], data: Associations) -> Json:
    texts = [as_text(data.table.symbols[name][number]) for number in numbers]
    return {
        "qField": name,
        "qReadableName": name,
        "qSelected": ", ".join(texts),
        "qSelectedCount": len(texts),
        "qTotal": len(data.table.symbols[name]),
        "qLocked": False,
        "qRangeInfo": [],
        "qSelectedFieldSelectionInfo": [{"qName": text, "qRangeLo": "NaN"} for text in texts],
    }
