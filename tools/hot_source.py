"""A module of qproxy as the compiler sees it: which classes and functions can become C, and what has to be taken out.

Reads and edits source text only. Must not change what the code does: `type_edits` and `keyword_edits` take out what an
extension type or a C function cannot have and does not need.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

PYTHON_ONLY = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.GeneratorExp, ast.Yield, ast.YieldFrom)
"""What a C function may not hold within."""
NO_PARENT = frozenset({"asyncio.Protocol", "object"})
"""Parents that add nothing: an event loop looks at a protocol's methods, not at its class."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Edit:
    """Replaces what stands between two columns (in bytes) of one line (from 1)."""

    line: int
    start: int
    end: int
    text: str


@dataclass
class Module:
    """One module that is compiled. `types` and `functions` are what others can reach in C."""

    name: str
    text: str
    tree: ast.Module
    types: dict[str, ast.ClassDef] = field(default_factory=dict)
    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Local name -> (module, name there), the ones for the type checker included."""
    at_run_time: set[str] = field(default_factory=set)
    """Local names of imports that happen when the module is loaded."""


def read_module(name: str, text: str) -> Module:
    module = Module(name, text, ast.parse(text))
    for statement in module.tree.body:
        if isinstance(statement, ast.ClassDef) and _can_be_type(statement, module.types):
            module.types[statement.name] = statement
        elif isinstance(statement, ast.FunctionDef) and can_be_c(statement):
            module.functions[statement.name] = statement
        elif isinstance(statement, ast.ImportFrom):
            module.at_run_time.update(alias.asname or alias.name for alias in statement.names)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            module.imports.update({one.asname or one.name: (node.module, one.name) for one in node.names})
    return module


def _can_be_type(statement: ast.ClassDef, types: dict[str, ast.ClassDef]) -> bool:
    parents = [ast.unparse(parent) for parent in statement.bases]
    return not statement.keywords and all(parent in NO_PARENT or parent in types for parent in parents)


def can_be_c(function: Function) -> bool:
    rest = function.args
    if isinstance(function, ast.AsyncFunctionDef) or function.decorator_list or rest.vararg or rest.kwarg:
        return False
    if function.name.startswith("__") or (rest.defaults and None in rest.kw_defaults):
        return False
    return not any(isinstance(node, PYTHON_ONLY) for node in ast.walk(function) if node is not function)


def is_dataclass(statement: ast.ClassDef) -> bool:
    return any(ast.unparse(one).startswith("dataclass") for one in statement.decorator_list)


def c_functions(module: Module) -> Iterator[ast.FunctionDef]:
    yield from module.functions.values()
    for statement in module.types.values():
        yield from (one for one in statement.body if isinstance(one, ast.FunctionDef) and can_be_c(one))


def type_edits(module: Module, statement: ast.ClassDef) -> Iterator[Edit]:
    """Slots are what an extension type has anyway, and it cannot have a parent in Python."""
    for decorator in statement.decorator_list:
        if is_dataclass(statement) and isinstance(decorator, ast.Call):
            decorator.keywords = [one for one in decorator.keywords if one.arg != "slots"]
            yield _replace(decorator, ast.unparse(decorator))
    for parent in statement.bases:
        if ast.unparse(parent) in NO_PARENT:
            yield _replace(parent, "")


def _replace(node: ast.expr, text: str) -> Edit:
    assert node.lineno == node.end_lineno
    assert node.end_col_offset is not None
    return Edit(node.lineno, node.col_offset, node.end_col_offset, text)


def keyword_edits(module: Module, function: ast.FunctionDef) -> Iterator[Edit]:
    """C functions have no keyword-only parameters: without the star they are taken by name or by place."""
    if not function.args.kwonlyargs:
        return
    first = function.args.kwonlyargs[0]
    lines = module.text.encode().split(b"\n")
    for number in range(first.lineno, function.lineno - 1, -1):
        line = lines[number - 1]
        end = line.rfind(b"*", 0, first.col_offset if number == first.lineno else len(line))
        if end >= 0:
            yield Edit(number, end, line.index(b",", end) + 1, "")
            return


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text after all edits; no line comes or goes, so that tracebacks still tell the right place."""
    lines = [line.encode() for line in text.split("\n")]
    for edit in sorted(edits, key=lambda one: (one.line, one.start), reverse=True):
        line = lines[edit.line - 1]
        lines[edit.line - 1] = line[: edit.start] + edit.text.encode() + line[edit.end :]
    return b"\n".join(lines).decode()
