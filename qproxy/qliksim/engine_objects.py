"""What an app's document hands out: generic objects (charts, lists), fields and variables.

Each lists its remote methods in METHODS. A selection marks whatever shows data as changed; who is told is
the engine's business, not this module's.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from qproxy.qliksim.engine_cube import Cube, field_of, list_layout, list_pages, selections_layout
from qproxy.qliksim.engine_rpc import INVALID_PARAMS, EngineError, Handles, Json, Method, Results, Target
from qproxy.qliksim.engine_table import Associations, as_text

_DATA_PARTS = ("qHyperCubeDef", "qListObjectDef", "qSelectionObjectDef")
_PADDING_KEY = "qlikSimPadding"


def shows_data(target: Target) -> bool:
    return isinstance(target, GenericObject) and any(part in target.properties for part in _DATA_PARTS)


class Selecting:
    """What objects and fields share: the data of the document and the duty to mark what a selection changes."""

    def __init__(self, data: Associations, handles: Handles) -> None:
        self.data, self.handles = data, handles

    def select(self, name: str, numbers: list[int], toggle: bool) -> bool:
        done = name in self.data.table.columns and self.data.select(name, numbers, toggle)
        if done:
            self.handles.mark(shows_data)
        return done


class GenericObject(Selecting):
    """A chart, list or sheet: its properties as someone defined them, its layout as the selections make it."""

    kind = "GenericObject"

    def __init__(self, properties: Mapping[str, Json], data: Associations, handles: Handles) -> None:
        super().__init__(data, handles)
        self.properties = dict(properties)
        self.entry = dict(properties["qInfo"])
        self.id = str(self.entry["qId"])
        self.padded_to = 0

    def get_layout(self) -> Results:
        layout: dict[str, Json] = {"qInfo": self.entry, "qMeta": {"privileges": ["read"]}, "qSelectionInfo": {}}
        layout |= {key: value for key, value in self.properties.items() if not key.startswith("q")}
        if "qHyperCubeDef" in self.properties:
            layout["qHyperCube"] = self.cube("qHyperCubeDef").layout()
        if "qListObjectDef" in self.properties:
            layout["qListObject"] = list_layout(self.properties["qListObjectDef"], self.data)
        if "qSelectionObjectDef" in self.properties:
            layout["qSelectionObject"] = selections_layout(self.data)
        return {"qLayout": padded(layout, self.padded_to)}

    def get_properties(self) -> Results:
        return {"qProp": self.properties}

    def get_entry(self) -> Results:
        return {"qInfo": self.entry}

    def cube(self, path: Json) -> Cube:
        return Cube(self.definition(path), self.data)

    def definition(self, path: Json) -> Mapping[str, Json]:
        """The part of the properties at a path such as /qHyperCubeDef."""
        found: Any = self.properties
        for key in str(path or "").strip("/").split("/"):
            found = found.get(key) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            raise EngineError(INVALID_PARAMS, "Invalid path", "qPath")
        return found

    def get_cube_data(self, path: Json, pages: Json) -> Results:
        return {"qDataPages": self.cube(path).pages(pages or [])}

    def select_cube_values(self, path: Json, dimension: Json, values: Json, toggle: Json) -> Results:
        dimensions = self.definition(path).get("qDimensions") or []
        if not isinstance(dimension, int) or not 0 <= dimension < len(dimensions):
            raise EngineError(INVALID_PARAMS, "Invalid dimension", "qDimNo")
        return {"qSuccess": self.select(field_of(dimensions[dimension]), values or [], bool(toggle))}

    def get_list_data(self, path: Json, pages: Json) -> Results:
        return {"qDataPages": list_pages(field_of(self.definition(path)), self.data, pages or [])}

    def select_list_values(self, path: Json, values: Json, toggle: Json, _soft_lock: Json) -> Results:
        return {"qSuccess": self.select(field_of(self.definition(path)), values or [], bool(toggle))}

    METHODS: ClassVar[Mapping[str, Method]] = {
        "GetLayout": Method((), get_layout),
        "GetProperties": Method((), get_properties),
        "GetEffectiveProperties": Method((), get_properties),
        "GetInfo": Method((), get_entry),
        "GetHyperCubeData": Method(("qPath", "qPages"), get_cube_data),
        "SelectHyperCubeValues": Method(("qPath", "qDimNo", "qValues", "qToggleMode"), select_cube_values),
        "GetListObjectData": Method(("qPath", "qPages"), get_list_data),
        "SelectListObjectValues": Method(("qPath", "qValues", "qToggleMode", "qSoftLock"), select_list_values),
    }


class Field(Selecting):
    """A field of the data, for selections by value."""

    kind = "Field"

    def __init__(self, name: str, data: Associations, handles: Handles) -> None:
        super().__init__(data, handles)
        self.id = name

    def select_values(self, values: Json, toggle: Json, _soft_lock: Json) -> Results:
        wanted = [_text_of(value) for value in values or []]
        texts = [as_text(value) for value in self.data.table.symbols[self.id]]
        numbers = [texts.index(text) for text in wanted if text in texts]
        return {"qReturn": self.select(self.id, numbers, bool(toggle))}

    def clear(self) -> Results:
        self.data.clear(self.id)
        self.handles.mark(shows_data)
        return {"qReturn": True}

    def cardinal(self) -> Results:
        return {"qReturn": len(self.data.table.symbols[self.id])}

    METHODS: ClassVar[Mapping[str, Method]] = {
        "SelectValues": Method(("qFieldValues", "qToggleMode", "qSoftLock"), select_values),
        "Clear": Method((), clear),
        "GetCardinal": Method((), cardinal),
    }


class Variable:
    """A variable of the app's script."""

    kind = "GenericVariable"

    def __init__(self, name: str, definition: str) -> None:
        self.id, self.definition = name, definition

    def get_properties(self) -> Results:
        entry = {"qId": self.id, "qType": "variable"}
        return {"qProp": {"qInfo": entry, "qName": self.id, "qDefinition": self.definition}}

    def get_layout(self) -> Results:
        number = float(self.definition) if self.definition.isdigit() else "NaN"
        entry = {"qId": self.id, "qType": "variable"}
        return {"qLayout": {"qInfo": entry, "qText": self.definition, "qNum": number, "qIsScriptCreated": True}}

    METHODS: ClassVar[Mapping[str, Method]] = {
        "GetLayout": Method((), get_layout),
        "GetProperties": Method((), get_properties),
    }


def padded(layout: dict[str, Json], size: int) -> dict[str, Json]:
    """The layout, filled up so that its JSON text has `size` bytes; unchanged when it has them already."""
    if size <= 0:
        return layout
    missing = size - len(json.dumps(layout | {_PADDING_KEY: ""}, separators=(",", ":")))
    return layout | {_PADDING_KEY: "x" * missing} if missing > 0 else layout


def _text_of(value: Json) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    if value.get("qIsNumeric"):
        return as_text(float(value.get("qNumber", 0)))
    return str(value.get("qText", ""))
