"""An opened app of the stand-in engine: its document object with sheet, charts, fields, variables and script.

One document per engine session: selections and session objects are the session's own, the table is shared by
all who have the app open. Invents believable content; keeps nothing beyond the session.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar
from uuid import uuid4

from qproxy.qliksim.engine_objects import Field, GenericObject, Variable, shows_data
from qproxy.qliksim.engine_rpc import ALREADY_OPEN, EngineError, Handles, Json, Method, Results
from qproxy.qliksim.engine_table import Associations, Table, as_number, as_text
from qproxy.qliksim.settings import AppSettings

SHEET_ID = "sheet-overview"
BAR_CHART_ID = "chart-sales-by-region"
TABLE_ID = "table-products"
KPI_ID = "kpi-sales"
RELOADED = "2026-11-20T05:00:12.000Z"

SCRIPT = """SET vCurrency='EUR';
LET vTarget=1000;
Sales:
LOAD Region, Product, Quarter, Units, Sales FROM [lib://demo/sales.qvd] (qvd);
"""


def _dimension(name: str) -> Json:
    return {"qDef": {"qGrouping": "N", "qFieldDefs": [name], "qFieldLabels": [""]}}


def _measure(expression: str, label: str) -> Json:
    return {"qDef": {"qDef": expression, "qLabel": label}}


def _chart(name: str, kind: str, title: str, cube: Json) -> Json:
    entry = {"qId": name, "qType": kind}
    return {"qInfo": entry, "qMetaDef": {}, "visualization": kind, "title": title, "qHyperCubeDef": cube}


def app_objects() -> list[Json]:
    """The properties of a sheet and the charts on it."""
    sales, units = _measure("Sum(Sales)", "Sales"), _measure("Sum(Units)", "Units")
    whole = [{"qTop": 0, "qLeft": 0, "qWidth": 3, "qHeight": 50}]
    regions = {"qDimensions": [_dimension("Region")], "qMeasures": [sales], "qInitialDataFetch": whole}
    products = {
        "qDimensions": [_dimension("Product"), _dimension("Quarter")],
        "qMeasures": [units],
        "qInitialDataFetch": whole,
    }
    total = {"qDimensions": [], "qMeasures": [sales], "qInitialDataFetch": whole}
    charts = [
        _chart(BAR_CHART_ID, "barchart", "Sales by region", regions),
        _chart(TABLE_ID, "table", "Units by product and quarter", products),
        _chart(KPI_ID, "kpi", "Sales", total),
    ]
    cells = [
        {"name": chart["qInfo"]["qId"], "type": chart["qInfo"]["qType"], "col": 8 * at, "row": 0}
        for at, chart in enumerate(charts)
    ]
    entry = {"qId": SHEET_ID, "qType": "sheet"}
    return [{"qInfo": entry, "title": "Overview", "rank": 0, "cells": cells, "columns": 24}, *charts]


class Doc:
    """The document object of one engine session."""

    kind = "Doc"

    def __init__(self, app: AppSettings, table: Table, handles: Handles, objects: Iterable[Json]) -> None:
        self.app, self.id, self.handles = app, app.id, handles
        self.data = Associations(table)
        self.objects: dict[str, GenericObject] = {}
        self.fields: dict[str, Field] = {}
        self.variables = {name: Variable(name, text) for name, text in (("vCurrency", "EUR"), ("vTarget", "1000"))}
        self.own: set[str] = set()
        for properties in objects:
            self._add(properties)

    def _add(self, properties: Mapping[str, Json]) -> GenericObject:
        made = GenericObject(properties, self.data, self.handles)
        made.padded_to = self.app.layout_bytes
        self.objects[made.id] = made
        return made

    def get_app_layout(self) -> Results:
        layout = {
            "qTitle": self.app.title,
            "qFileName": self.id,
            "qLastReloadTime": RELOADED,
            "qModified": False,
            "qHasScript": True,
            "qHasData": bool(self.data.table.rows),
            "qStateNames": [],
            "qMeta": {"privileges": ["read", "exportdata"]},
            "qThumbnail": {"qUrl": ""},
            "qUnsupportedFeatures": [],
            "qLocaleInfo": {"qDecimalSep": ".", "qThousandSep": ",", "qDateFmt": "YYYY-MM-DD"},
        }
        return {"qLayout": layout}

    def get_app_properties(self) -> Results:
        return {"qProp": {"qTitle": self.app.title, "qThumbnail": {"qUrl": ""}, "description": ""}}

    def get_all_entries(self) -> Results:
        return {"qInfos": [each.entry for each in self.objects.values() if each.id not in self.own]}

    def get_script(self) -> Results:
        return {"qScript": SCRIPT if self.data.table.columns else ""}

    def get_field(self, name: Json, _state: Json) -> Results:
        if name not in self.data.table.columns:
            return _nothing()
        known = self.fields.setdefault(name, Field(name, self.data, self.handles))
        return self.handles.give(known)

    def get_object(self, name: Json) -> Results:
        found = self.objects.get(str(name))
        return self.handles.give(found, found.entry["qType"]) if found else _nothing()

    def get_variable(self, name: Json) -> Results:
        found = self.variables.get(str(name))
        return self.handles.give(found) if found else _nothing()

    def create_session_object(self, properties: Json) -> Results:
        given = properties if isinstance(properties, Mapping) else {}
        entry = given.get("qInfo") or {}
        name = str(entry.get("qId") or uuid4())
        if name in self.objects:
            raise EngineError(ALREADY_OPEN, "Object already exists", name)
        made = self._add({**given, "qInfo": {"qId": name, "qType": str(entry.get("qType", ""))}})
        self.own.add(name)
        return self.handles.give(made, made.entry["qType"]) | {"qInfo": made.entry}

    def destroy_session_object(self, name: Json) -> Results:
        known = name in self.own
        if known:
            self.own.discard(name)
            self.handles.close(self.objects.pop(name))
        return {"qSuccess": known}

    def evaluate(self, expression: Json) -> Results:
        value = self.data.evaluate(str(expression or ""))
        return {"qReturn": "-" if value is None else as_text(value)}

    def evaluate_ex(self, expression: Json) -> Results:
        value = self.data.evaluate(str(expression or ""))
        if value is None:
            return {"qValue": {"qText": "-", "qIsNumeric": False, "qNumber": "NaN"}}
        return {"qValue": {"qText": as_text(value), "qIsNumeric": True, "qNumber": as_number(value)}}

    def clear_all(self, _locked_also: Json, _state: Json) -> Results:
        self.data.clear()
        self.handles.mark(shows_data)
        return {}

    METHODS: ClassVar[Mapping[str, Method]] = {
        "GetAppLayout": Method((), get_app_layout),
        "GetAppProperties": Method((), get_app_properties),
        "GetAllInfos": Method((), get_all_entries),
        "GetScript": Method((), get_script),
        "GetField": Method(("qFieldName", "qStateName"), get_field),
        "GetObject": Method(("qId",), get_object),
        "GetVariableByName": Method(("qName",), get_variable),
        "GetVariableById": Method(("qId",), get_variable),
        "CreateSessionObject": Method(("qProp",), create_session_object),
        "DestroySessionObject": Method(("qId",), destroy_session_object),
        "Evaluate": Method(("qExpression",), evaluate),
        "EvaluateEx": Method(("qExpression",), evaluate_ex),
        "ClearAll": Method(("qLockedAlso", "qStateName"), clear_all),
    }


def _nothing() -> Results:
    """What the engine answers for an unknown name: no error, but a reference to nothing."""
    return {"qReturn": {"qType": None, "qHandle": None}}
