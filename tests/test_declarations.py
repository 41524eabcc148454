"""What the compiler is told of a module follows from the annotations in its source."""

import ast

import pytest
from compile import MODULES, ROOT
from declarations import Declarations
from hot_source import Module, edited, read_module

SOURCE = """
@dataclass(slots=True)
class Head:
    method: bytes
    size: int = 0
    owner: "Owner | None" = None

class Owner(asyncio.Protocol):
    def __init__(self, head: Head, late: float | None) -> None:
        self.head = head
        self.late = late
        self.gone = False
        self.parts: list[bytes] = []

    def take(self, data: bytes, *, safe: bool, now: float) -> Head | None: ...
    def words(self) -> str:
        return ", ".join(str(one) for one in self.parts)
    async def wait(self) -> None: ...
    @property
    def still(self) -> bool: ...

def count(data: bytes, times: int = 1) -> int: ...
"""
OTHER = """
from source import Head, count
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from user import User
LIMIT = 5
def twice(head: Head, user: "User") -> int:
    return count(head.method, 2)
"""
USER = (
    "from other import LIMIT\nclass User:\n    def __init__(self, limit: float) -> None:\n        self.limit = limit\n"
)


def declared(name: str = "source", **more: str) -> list[str]:
    modules = [read_module(one, text) for one, text in {"source": SOURCE, **more}.items()]
    return [line.strip() for line in Declarations(modules).pxd(name).splitlines()]


def ready(name: str = "source", **more: str) -> str:
    modules = {one: read_module(one, text) for one, text in {"source": SOURCE, **more}.items()}
    return edited(modules[name].text, Declarations(modules.values()).edits(name))


@pytest.mark.parametrize(
    "line",
    [
        "cdef public bytes method",
        "cdef public Owner owner",
        "cdef public Head head",
        "cdef public bint gone",
        "cdef public list parts",
        "cpdef Head take(self, bytes data, bint safe, double now)",
    ],
)
def test_what_an_annotation_says_is_declared(line: str) -> None:
    assert line in declared()


@pytest.mark.parametrize(
    "line", ["cdef public object size", "cdef public object late", "cpdef object count(bytes data, object times=*)"]
)
def test_what_c_could_not_hold_stays_a_python_object(line: str) -> None:
    assert line in declared()


@pytest.mark.parametrize("name", ["__init__", "words", "wait", "still"])
def test_what_cannot_be_a_c_function_is_not_declared(name: str) -> None:
    assert not any(f" {name}(" in line for line in declared())


def test_classes_are_named_before_other_modules_are_asked_for_theirs() -> None:
    assert declared()[:2] == ["cdef class Head", "cdef class Owner"]


def test_functions_of_other_modules_are_called_in_c() -> None:
    assert "return _c_source_count(head.method, 2)" in ready("other", other=OTHER)


def test_a_type_is_not_asked_for_where_its_module_waits_for_a_value_of_this_one() -> None:
    assert "cpdef object twice(Head head, object user)" in declared("other", other=OTHER, user=USER)


def test_a_type_is_asked_for_where_only_the_type_checker_needed_it() -> None:
    user = USER.removeprefix("from other import LIMIT\n")
    assert "cpdef object twice(Head head, User user)" in declared("other", other=OTHER, user=user)


def test_a_frozen_class_stays_closed_but_for_what_it_gives_itself() -> None:
    change = "object.__setattr__(self, 'y', '')"
    text = f"@dataclass(frozen=True)\nclass A:\n    x: str\n    y: str\n    def f(self): {change}\n"
    assert {"cdef readonly str x", "cdef public str y"} <= set(declared(source=text))


@pytest.mark.parametrize(
    "line", ["@dataclass()", "class Owner():", "def take(self, data: bytes,  safe: bool, now: float)"]
)
def test_what_an_extension_type_cannot_have_is_taken_out(line: str) -> None:
    assert line in ready()


def test_the_rest_of_the_source_is_compiled_as_it_stands() -> None:
    assert len(ready().splitlines()) == len(SOURCE.splitlines())


def hot_modules() -> list[Module]:
    return [
        read_module(name, ROOT.joinpath("qproxy", *name.split(".")).with_suffix(".py").read_text()) for name in MODULES
    ]


@pytest.mark.parametrize("name", MODULES)
def test_a_hot_module_is_the_same_python_after_its_edits(name: str) -> None:
    modules = {one.name: one for one in hot_modules()}
    text = edited(modules[name].text, Declarations(modules.values()).edits(name))
    assert names_in(ast.parse(text)) == names_in(modules[name].tree)


def names_in(tree: ast.Module) -> list[str]:
    """Of all classes and functions, wherever they stand."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [node.name for node in ast.walk(tree) if isinstance(node, kinds)]
