"""Reads one YAML file, guesses nothing, and remembers where everything stood.

YAML lets much pass that an administrator did not mean: the last of two equal keys wins, `no` is a boolean, `017` is
fifteen, an alias repeats a megabyte. Here a scalar is text until the schema says otherwise, and what is doubtful is a
problem with its file, line and column. This module knows no key of qproxy's; it never prints the value of a variable.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

LONGEST_FILE = 1 << 20
DEEPEST = 20
KeyPath = tuple[str | int, ...]

_NOTHING = {"", "~", "null", "Null", "NULL"}
_VARIABLE = re.compile(r"(?P<escaped>\$\$\{)|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)\})?")
_TAB = "a tab stands here: YAML indents with spaces only"
_HINTS = {
    "mapping values are not allowed": "a colon where none can be: put the value in quotes, or check the indentation",
    "could not find expected ':'": "this line is no `key: value`: is the colon or the space after it missing?",
    "found another document": "a second document begins here: one file is one document, remove the --- line",
    "found unexpected end of stream": "a quoted text is not closed",
    "but found '<block mapping start>'": "the indentation of this line does not fit to the lines above it",
    "while parsing a block": "the indentation of this line does not fit to the lines above it",
    "found character '%'": "a value that begins with % must stand in quotes",
    "found character '@'": "a value that begins with @ must stand in quotes",
    "found character '`'": "a value that begins with ` must stand in quotes",
    "unknown escape character": "a backslash in double quotes must be doubled: write paths in single quotes",
}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong or, as a warning, doubtful. Line and column count from 1; line 0 is none."""

    file: Path
    line: int
    column: int
    key: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else str(self.file)
        return f"{place}: {self.key}: {self.text}" if self.key else f"{place}: {self.text}"


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key and its value stand (from 1), and for a scalar the text as it was written, variables not replaced."""

    key: tuple[int, int]
    value: tuple[int, int]
    written: str | None


@dataclass(slots=True)
class Document:
    """One file: its mapping (every scalar is text), where each part of it stood, and what was wrong with it."""

    file: Path
    content: dict[str, object] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    flawed: set[KeyPath] = field(default_factory=set)
    """Keys that already have a problem: what else is said about them would be a consequence."""

    def place(self, path: KeyPath) -> Place | None:
        """The place of this key or, where it is not in the file, of the nearest one around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return None

    def problem(self, path: KeyPath, text: str, *, at_key: bool = False) -> Problem:
        if path not in self.places and path[:-1] in self.places and path[-1] == 0:
            path = path[:-1]  # one value where a list could stand
        place = self.place(path)
        line, column = (1, 1) if place is None else place.key if at_key or path not in self.places else place.value
        return Problem(self.file, line, column, key_text(path), text)

    def reject(self, path: KeyPath, text: str) -> None:
        self.problems.append(self.problem(path, text))
        self.flawed.add(path)


def key_text(path: KeyPath) -> str:
    """login[0].file"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


class _Flaw(Exception):
    """The file cannot be read as a whole: line and column from 1, or line 0 when there is no such place."""

    def __init__(self, line: int, column: int, text: str) -> None:
        super().__init__(text)
        self.line, self.column, self.text = line, column, text


class _Loader(yaml.SafeLoader):
    """Composes nodes only; refuses what could multiply, nest or mean more than it shows."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        line, column = _start(event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Flaw(line, column, "anchors (&name) and aliases (*name) are not taken: write the value out")
        if getattr(event, "tag", None):
            raise _Flaw(line, column, "tags (!name) are not taken: a text that begins with ! must stand in quotes")
        if self.depth >= DEEPEST:
            raise _Flaw(line, column, f"this is nested more than {DEEPEST} levels deep")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def read_document(file: Path, environ: Mapping[str, str]) -> Document:
    """Never raises for what the file holds: its problems are in the document."""
    document = Document(file)
    try:
        node = _compose(_text(file))
        if not isinstance(node, yaml.MappingNode):
            raise _Flaw(1, 1, "the file is empty" if node is None else "the file must hold `key: value` lines")
    except _Flaw as flaw:
        document.problems.append(Problem(file, flaw.line, flaw.column, "", flaw.text))
        document.flawed.add(())
    else:
        document.content = _Reader(document, environ).mapping(node, ())
    return document


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(LONGEST_FILE + 1)
    except OSError as error:
        raise _Flaw(0, 0, f"cannot be read: {error.strerror}") from None
    if len(content) > LONGEST_FILE:
        raise _Flaw(0, 0, "is larger than 1 MB: this is no configuration file")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _Flaw(1, 1, "the file is saved as UTF-16: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        line, column = _position(before, len(before))
        raise _Flaw(line, column, "a byte that is not UTF-8: save the file as UTF-8") from None


def _position(text: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of the character at this index."""
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


def _compose(text: str) -> yaml.Node | None:
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        line, column = _position(text, error.position)
        raise _Flaw(line, column, "a control character, which YAML does not take") from None
    except yaml.MarkedYAMLError as error:
        raise _flaw(text, error) from None


def _flaw(text: str, error: yaml.MarkedYAMLError) -> _Flaw:
    """PyYAML's words turned into what to do about it."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    words = f"{error.context or ''} {error.problem or ''}"
    around = text.splitlines()[line - 1 : line]
    if "'\\t'" in words or (around and around[0].lstrip(" ").startswith("\t")):
        return _Flaw(line, column, _TAB)
    if around and "${" in around[0] and "flow" in words:
        return _Flaw(line, column, "within [ ] and { } a ${NAME} must stand in quotes")
    hint = next((hint for sign, hint in _HINTS.items() if sign in words), "this is not YAML: " + words.strip())
    return _Flaw(line, column, hint)


class _Reader:
    """Turns nodes into mappings, lists and text, and notes the place of each."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self.document = document
        self.environ = environ

    def value(self, node: yaml.Node, path: KeyPath) -> object:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.item(one, (*path, number)) for number, one in enumerate(node.value)]
        return self.scalar(node, path)

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        content: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = (*path, str(key_node.value)[:80]) if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                text = "a key must be one word: a list or a mapping stands in its place (are quotes missing?)"
                self.document.problems.append(Problem(self.document.file, *_start(key_node), key_text(path), text))
            elif key in self.document.places:
                text = f"is given twice, first on line {self.document.places[key].key[0]}"
                self.document.problems.append(Problem(self.document.file, *_start(key_node), key_text(key), text))
            else:
                self.document.places[key] = Place(_start(key_node), _start(value_node), _written(value_node))
                content[str(key[-1])] = self.value(value_node, key)
        return content

    def item(self, node: yaml.Node, path: KeyPath) -> object:
        self.document.places[path] = Place(_start(node), _start(node), _written(node))
        return self.value(node, path)

    def scalar(self, node: yaml.Node, path: KeyPath) -> str:
        text = str(node.value)
        if not getattr(node, "style", None) and text in _NOTHING:
            self.document.reject(path, 'has no value: give it one ("" is an empty text) or remove the key')
            return ""
        return _VARIABLE.sub(lambda match: self.variable(match, path), text)

    def variable(self, match: re.Match[str], path: KeyPath) -> str:
        name = match["name"]
        if match["escaped"]:
            return "${"
        if name is None:
            self.document.reject(path, "holds a ${ that is not ${NAME}: write $${ where the characters are meant")
        elif name not in self.environ:
            self.document.reject(path, f"the environment variable {name} is not set")
        return self.environ.get(name, "") if name else ""


def _start(node: yaml.Node | yaml.Event) -> tuple[int, int]:
    mark = node.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _written(node: yaml.Node) -> str | None:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None
