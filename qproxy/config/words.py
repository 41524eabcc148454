"""Says in plain words what the schema has against a value, and which key was probably meant.

Knows the models' shapes but no file: what a value looked like comes from the document, as it was written there, so the
content of an environment variable is never repeated, and neither is a secret or an address that holds a password.
"""

import difflib
import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from qproxy.settings import Document, KeyPath, Problem

_PLAIN = {
    "model_type": "must be a mapping: `key: value` lines, indented below it",
    "model_attributes_type": "must be a mapping: `key: value` lines, indented below it",
    "mapping_type": "must be a mapping: `key: value` lines, indented below it",
    "dict_type": "must be a mapping: `key: value` lines, indented below it",
    "tuple_type": "must be a list: lines that begin with `- `, or [one, two]",
    "list_type": "must be a list: lines that begin with `- `, or [one, two]",
    "string_type": "must be one text",
    "too_short": "must not be empty",
}
_WITH_NUMBER = {
    "greater_than_equal": ("must be at least {ge}", "ge"),
    "less_than_equal": ("must be at most {le}", "le"),
}


def explain(error: ErrorDetails, document: Document, model: type[BaseModel]) -> Problem | None:
    """The problem that one error of pydantic's stands for; None when it follows from one that is known already."""
    path = _path_in(document, error["loc"])
    kind = error["type"]
    missing = kind == "missing"
    if missing:
        path = (*path, str(error["loc"][-1]))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        tag = (*path, error["ctx"]["discriminator"].strip("'"))
        path = tag if tag in document.places else path
    if any(path[:length] in document.flawed for length in range(len(path) + 1)):
        return None
    if kind == "extra_forbidden":
        return document.problem(path, _unknown(path, model), at_key=True)
    if missing:
        return document.problem(path, f"is missing: {_description(path, model)}")
    return document.problem(path, _words(error) + _got(document, path, model))


def _path_in(document: Document, loc: Iterable[str | int]) -> KeyPath:
    """pydantic's place less what is not in the file: a union's members, the numbers of a list made from one value."""
    path: KeyPath = ()
    for part in loc:
        if (*path, part) in document.places:
            path = (*path, part)
    return path


def _words(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "union_tag_invalid":
        return f"must be one of {context['expected_tags']}"
    if kind == "union_tag_not_found":
        return f"does not say which {context['discriminator']} it means"
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"must be {context['expected']}"
    if kind in _WITH_NUMBER:
        text, name = _WITH_NUMBER[kind]
        return text.format(**{name: context[name]})
    return _PLAIN.get(kind, error["msg"])


def _got(document: Document, path: KeyPath, model: type[BaseModel]) -> str:
    place = document.places.get(path)
    written = place.written if place else None
    if written is None or "@" in written or _secret(path, model):
        return ""
    return f" (got {written[:60]!r}{'...' if len(written) > 60 else ''})"


def _secret(path: KeyPath, model: type[BaseModel]) -> bool:
    found = _field(path, model)
    return found is not None and SecretStr in _members(found.annotation)


def _description(path: KeyPath, model: type[BaseModel]) -> str:
    found = _field(path, model)
    return (found.description if found else None) or "this key is needed"


def _unknown(path: KeyPath, model: type[BaseModel]) -> str:
    key, siblings = str(path[-1]), sorted(_siblings(path, model))
    near = difflib.get_close_matches(key.lower().replace("-", "_"), siblings, 1, 0.7)
    elsewhere = [known for known in keys_of(model) if known.rpartition(".")[2] == key]
    if near:
        return f"is not a known key: did you mean {near[0]}?"
    if elsewhere:
        return f"does not stand here: did you mean {' or '.join(elsewhere)}?"
    return f"is not a known key: here may stand {', '.join(siblings)}"


def _siblings(path: KeyPath, model: type[BaseModel]) -> set[str]:
    here = [model]
    for part in path[:-1]:
        if isinstance(part, str):
            here = [inner for one in here for inner in _inner(one.model_fields.get(part))]
    return {name for one in here for name in one.model_fields} - {"name" if model in here else ""}


def _field(path: KeyPath, model: type[BaseModel]) -> FieldInfo | None:
    found: FieldInfo | None = None
    here = [model]
    for part in path:
        if isinstance(part, str):
            found = next((one.model_fields[part] for one in here if part in one.model_fields), None)
            here = list(_inner(found))
    return found


def _inner(found: FieldInfo | None) -> Iterator[type[BaseModel]]:
    for member in _members(found.annotation if found else None):
        if isinstance(member, type) and issubclass(member, BaseModel):
            yield member


def _members(annotation: Any) -> Iterator[Any]:
    """The classes that an annotation is made of, through unions, Annotated and containers."""
    origin = get_origin(annotation)
    if origin in {Annotated, Union, types.UnionType, tuple, list}:
        for argument in get_args(annotation):
            yield from _members(argument)
    else:
        yield annotation


def keys_of(model: type[BaseModel], before: str = "") -> dict[str, FieldInfo]:
    """Every key that may stand in a file of this model, as `login[].file`; not the mappings that only hold others."""
    keys: dict[str, FieldInfo] = {}
    for name, found in model.model_fields.items():
        inner = list(_inner(found))
        listed = "[]" if inner and get_origin(found.annotation) is tuple else ""
        for one in inner:
            keys |= keys_of(one, f"{before}{name}{listed}.")
        if not inner and (before or name != "name"):
            keys[before + name] = found
    return keys
