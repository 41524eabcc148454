"""What the stand-in engine's remote calls are made of: methods, handles, errors and Qlik's delta dialect.

Clients that ask with `delta: true` get objects and arrays as patches against what they were told last, with
the path "/" for the whole value. Nothing here knows apps, data or sockets.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

Json = Any
Results = dict[str, Json]

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
NOT_FOUND = 2
ALREADY_OPEN = 1002
APP_NOT_FOUND = 1003

# Clients split paths at "/" and take digits for an index, without an escape: any other key is sent with its parent.
_PATCHABLE_KEY = re.compile(r"[A-Za-z_][^/]*")


class EngineError(Exception):
    """An error object for the client."""

    def __init__(self, code: int, message: str, parameter: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.parameter = code, message, parameter

    def as_json(self) -> Json:
        return {"code": self.code, "parameter": self.parameter, "message": self.message}


@dataclass(frozen=True)
class Method:
    """A remote method: the names of its parameters in Qlik's order, and the function of (target, *values)."""

    names: tuple[str, ...]
    call: Callable[..., Results]

    def values(self, params: Json) -> list[Json]:
        """Parameters by position or by name; those left out are None."""
        if isinstance(params, Mapping):
            return [params.get(name) for name in self.names]
        if not isinstance(params, list) or len(params) > len(self.names):
            raise EngineError(INVALID_PARAMS, "Invalid Params")
        return params + [None] * (len(self.names) - len(params))


class Target(Protocol):
    """Something a client holds a handle of."""

    METHODS: ClassVar[Mapping[str, Method]]
    kind: str
    id: str


@dataclass
class Handles:
    """The numbers that one engine session gave out, and those of them that changed or closed since last taken."""

    changed: set[int] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)
    _targets: dict[int, Target] = field(default_factory=dict)
    _last: int = 0

    def give(self, target: Target, generic_type: str = "") -> Results:
        """The reference that clients turn into an object; the same number for the same target."""
        number = self.number_of(target)
        if number is None:
            self._last = number = self._last + 1
            self._targets[number] = target
            self.changed.add(number)
        reference = {"qType": target.kind, "qHandle": number, "qGenericId": target.id}
        return {"qReturn": reference | ({"qGenericType": generic_type} if generic_type else {})}

    def number_of(self, target: Target) -> int | None:
        return next((number for number, known in self._targets.items() if known is target), None)

    def find(self, number: Json) -> Target:
        if not isinstance(number, int) or number not in self._targets:
            raise EngineError(INVALID_PARAMS, "Invalid handle", "handle")
        return self._targets[number]

    def close(self, target: Target) -> None:
        number = self.number_of(target)
        if number is not None:
            del self._targets[number]
            self.changed.discard(number)
            self.closed.add(number)

    def mark(self, wanted: Callable[[Target], bool]) -> None:
        self.changed.update(number for number, target in self._targets.items() if wanted(target))

    def take(self) -> dict[str, list[int]]:
        """`change` and `close` as they stand in an answer, without empty ones; forgets them."""
        taken = {"change": sorted(self.changed), "close": sorted(self.closed)}
        self.changed, self.closed = set(), set()
        return {word: numbers for word, numbers in taken.items() if numbers}


def is_reference(value: Json) -> bool:
    return isinstance(value, Mapping) and "qHandle" in value


def patches(old: Json, new: Json) -> list[Json]:
    """The patches that turn `old` into `new` in a Qlik client; None for `old`: the client knows nothing yet."""
    if old is None:
        return [{"op": "add", "path": "/", "value": new}]
    found = _difference(old, new, "")
    if any(patch["path"] == "" for patch in found):
        return [{"op": "add", "path": "/", "value": new}]
    return found


def _difference(old: Json, new: Json, path: str) -> list[Json]:
    if isinstance(old, dict) and isinstance(new, dict) and _patchable(old) and _patchable(new):
        return _object_difference(old, new, path)
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [patch for at, (was, now) in pairs for patch in _difference(was, now, f"{path}/{at}")]
    return [] if _same(old, new) else [{"op": "replace", "path": path, "value": new}]


def _same(old: Json, new: Json) -> bool:
    """Equal as JSON, where true is not 1."""
    if isinstance(old, dict | list):
        return repr(old) == repr(new)
    return type(old) is type(new) and bool(old == new)


def _object_difference(old: Mapping[str, Json], new: Mapping[str, Json], path: str) -> list[Json]:
    found: list[Json] = [{"op": "remove", "path": f"{path}/{key}"} for key in old if key not in new]
    for key, value in new.items():
        if key in old:
            found += _difference(old[key], value, f"{path}/{key}")
        else:
            found.append({"op": "add", "path": f"{path}/{key}", "value": value})
    return found


def _patchable(value: Mapping[str, Json]) -> bool:
    return all(_PATCHABLE_KEY.fullmatch(key) for key in value)


def no_results(_target: Target, *_values: Sequence[Json]) -> Results:
    return {}
