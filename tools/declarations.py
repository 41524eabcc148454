"""What Cython must know of qproxy's modules to make fast code of them: told from the annotations that mypy checks.

Cython gains little from Python source as it stands, and much from C attributes and C calls. Those are declared beside
a module, in a .pxd file; here such files are written from the source itself, so that nothing has to be kept in step by
hand. Classes become extension types, and functions and methods C functions that Python can call too.
"""

import ast
from collections.abc import Iterable, Iterator

from hot_source import Edit, Function, Module, c_functions, can_be_c, is_dataclass, keyword_edits, type_edits

SIMPLE = {"bytes": "bytes", "str": "str", "list": "list", "dict": "dict", "set": "set", "tuple": "tuple"}
NUMBERS = {"bool": "bint", "float": "double"}
"""No C type for int: a number from the network may be larger than any of them."""


def is_frozen(statement: ast.ClassDef) -> bool:
    return any("frozen=True" in ast.unparse(one) for one in statement.decorator_list)


def _set_in_spite(statement: ast.ClassDef) -> set[str]:
    """Attributes that a frozen dataclass gives itself by object.__setattr__."""
    calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call))
    named = (call.args[1] for call in calls if ast.unparse(call.func) == "object.__setattr__")
    return {name.value for name in named if isinstance(name, ast.Constant) and isinstance(name.value, str)}


class Declarations:
    """The .pxd text of each of a set of modules, and the edits that their sources need before they are compiled."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self._modules = {module.name: module for module in modules}
        self._reached = {name: self._reachable(name) for name in self._modules}

    def pxd(self, name: str) -> str:
        module = self._modules[name]
        types = [_opening(module, one) for one in module.types.values()]
        lines = [*types, *sorted(self._cimports(module))]
        for statement in module.types.values():
            lines += [f"{_opening(module, statement)}:", *self._members(module, statement)]
        lines += [self._signature(module, function, method=False) for function in module.functions.values()]
        return "\n".join(lines) + "\n"

    # what one module may know of another

    def _neighbours(self, module: Module) -> Iterator[str]:
        yield from (there for there, name in module.imports.values() if name in self._types_of(there))
        yield from (there for _, (there, _) in self._calls(module))

    def _types_of(self, name: str) -> dict[str, ast.ClassDef]:
        return self._modules[name].types if name in self._modules else {}

    def _reachable(self, name: str) -> set[str]:
        found, todo = set[str](), [name]
        while todo:
            for there in self._neighbours(self._modules[todo.pop()]):
                if there not in found:
                    found.add(there)
                    todo.append(there)
        return found

    def _may_cimport(self, module: Module, local: str) -> bool:
        """A declared import is followed before a module's own code runs. One that is there for the type checker only
        may therefore not lead to a module that needs, when it is loaded, a value of this one."""
        if local in module.at_run_time:
            return True
        there = module.imports[local][0]
        return not any(self._needs_value(self._modules[one], module) for one in {there, *self._reached[there]})

    def _needs_value(self, one: Module, of: Module) -> bool:
        wanted = (one.imports[local] for local in one.at_run_time if local in one.imports)
        return any(there == of.name and name not in of.types for there, name in wanted)

    def _cimports(self, module: Module) -> Iterator[str]:
        for local, (there, name) in module.imports.items():
            if name in self._types_of(there) and self._may_cimport(module, local):
                yield f"from {there} cimport {name}" + (f" as {local}" if local != name else "")
        for there, name in {target for _, target in self._c_calls(module)}:
            yield f"from {there} cimport {name} as {_alias(there, name)}"

    # types

    def ctype(self, module: Module, annotation: ast.expr | None) -> str:
        """The C type for an annotation; "object" where there is none that is as exact."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            annotation = ast.parse(annotation.value, mode="eval").body
        if isinstance(annotation, ast.BinOp):
            return self._optional(module, annotation)
        if isinstance(annotation, ast.Subscript):
            return SIMPLE.get(ast.unparse(annotation.value), "object")
        if not isinstance(annotation, ast.Name):
            return "object"
        name = annotation.id
        return SIMPLE.get(name) or NUMBERS.get(name) or (name if self._is_type(module, name) else "object")

    def _is_type(self, module: Module, local: str) -> bool:
        if local in module.types:
            return True
        there, name = module.imports.get(local, ("", ""))
        return name in self._types_of(there) and self._may_cimport(module, local)

    def _optional(self, module: Module, union: ast.BinOp) -> str:
        sides = [one for one in (union.left, union.right) if ast.unparse(one) != "None"]
        if len(sides) != 1:
            return "object"
        found = self.ctype(module, sides[0])
        return "object" if found in NUMBERS.values() else found

    def _of_value(self, module: Module, value: ast.expr | None, parameters: dict[str, str]) -> str:
        """The C type of what __init__ gives to an attribute that has no annotation."""
        if isinstance(value, ast.Constant):
            kind = type(value.value).__name__
            return SIMPLE.get(kind) or NUMBERS.get(kind, "object")
        if isinstance(value, ast.Name):
            return parameters.get(value.id, "object")
        if isinstance(value, ast.Call):
            return self.ctype(module, value.func) if isinstance(value.func, ast.Name) else "object"
        if isinstance(value, ast.IfExp):
            kinds = {self._of_value(module, one, parameters) for one in (value.body, value.orelse) if not _is_none(one)}
            return kinds.pop() if len(kinds) == 1 and not kinds & set(NUMBERS.values()) else "object"
        return "object"

    # members

    def _members(self, module: Module, statement: ast.ClassDef) -> list[str]:
        parents = {ast.unparse(parent) for parent in statement.bases}
        inherited = {
            name for parent in parents & set(module.types) for name in self._attributes(module, module.types[parent])
        }
        attributes = self._attributes(module, statement)
        closed = set(attributes) - _set_in_spite(statement) if is_frozen(statement) else set[str]()
        lines = [
            f"    cdef {'readonly' if name in closed else 'public'} {kind} {name}"
            for name, kind in attributes.items()
            if name not in inherited
        ]
        methods = (one for one in statement.body if isinstance(one, ast.FunctionDef) and can_be_c(one))
        lines += [f"    {self._signature(module, one, method=True)}" for one in methods]
        return lines or ["    pass"]

    def _attributes(self, module: Module, statement: ast.ClassDef) -> dict[str, str]:
        found: dict[str, str] = {}
        for one in statement.body:
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and is_dataclass(statement):
                found[one.target.id] = self.ctype(module, one.annotation)
            elif isinstance(one, Function):
                self._assigned(module, one, found)
        return found

    def _assigned(self, module: Module, function: Function, found: dict[str, str]) -> None:
        """Add the attributes that a method assigns; only an annotation or __init__ tells more than their names."""
        parameters = {one.arg: self.ctype(module, one.annotation) for one in _arguments(function)}
        for node in ast.walk(function):
            if isinstance(node, ast.AnnAssign) and (name := _own_attribute(node.target)):
                found[name] = self.ctype(module, node.annotation)
            elif isinstance(node, ast.Assign):
                told = function.name == "__init__" and len(node.targets) == 1
                for target in node.targets:
                    if name := _own_attribute(target):
                        found.setdefault(name, self._of_value(module, node.value, parameters) if told else "object")
                    for name in _own_attributes_within(target):
                        found.setdefault(name, "object")

    def _signature(self, module: Module, function: ast.FunctionDef, *, method: bool) -> str:
        arguments = _arguments(function)
        defaults = len(function.args.defaults) + sum(one is not None for one in function.args.kw_defaults)
        written = [f"{self.ctype(module, one.annotation)} {one.arg}" for one in arguments]
        if method:
            written[0] = arguments[0].arg
        first = len(written) - defaults
        written = [one + "=*" if at >= first else one for at, one in enumerate(written)]
        return f"cpdef {self.ctype(module, function.returns)} {function.name}({', '.join(written)})"

    # the source

    def edits(self, name: str) -> list[Edit]:
        """What an extension type cannot have, and calls of other modules' functions as C calls."""
        module = self._modules[name]
        found = [edit for statement in module.types.values() for edit in type_edits(module, statement)]
        for function in c_functions(module):
            found += keyword_edits(module, function)
        for place, (there, called) in self._c_calls(module):
            assert place.end_col_offset is not None
            found.append(Edit(place.lineno, place.col_offset, place.end_col_offset, _alias(there, called)))
        return found

    def _calls(self, module: Module) -> Iterator[tuple[ast.expr, tuple[str, str]]]:
        """Calls of C functions of other modules: as an imported name, or through an imported module."""
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and (target := self._target(module, node.func)) is not None:
                yield node.func, target

    def _c_calls(self, module: Module) -> Iterator[tuple[ast.expr, tuple[str, str]]]:
        """Without those into a module that in turn needs this one's declarations: of two that need each other's, only
        types can be declared beforehand."""
        return (one for one in self._calls(module) if module.name not in self._reached[one[1][0]])

    def _target(self, module: Module, called: ast.expr) -> tuple[str, str] | None:
        if isinstance(called, ast.Name):
            there, name = module.imports.get(called.id, ("", ""))
        elif isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            there, name = ".".join(module.imports.get(called.value.id, ("", ""))), called.attr
        else:
            return None
        return (there, name) if there in self._modules and name in self._modules[there].functions else None


def _alias(there: str, name: str) -> str:
    return f"_c_{there.replace('.', '_')}_{name}"


def _opening(module: Module, statement: ast.ClassDef) -> str:
    parents = [name for name in (ast.unparse(parent) for parent in statement.bases) if name in module.types]
    return f"cdef class {statement.name}" + (f"({parents[0]})" if parents else "")


def _arguments(function: Function) -> list[ast.arg]:
    return [*function.args.args, *function.args.kwonlyargs]


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _own_attribute(target: ast.expr) -> str | None:
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
        return target.attr
    return None


def _own_attributes_within(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Tuple):
        yield from filter(None, map(_own_attribute, target.elts))
