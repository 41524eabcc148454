"""The house rules that no linter knows: sizes, words, docstrings, tests that can fail, and what no file may say."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = sorted((ROOT / "qproxy").rglob("*.py"))
TESTS = sorted(p for p in (ROOT / "tests").rglob("*.py") if "node_modules" not in p.parts)
TOOLS = sorted(
    (*(ROOT / "tools").glob("*.py"), *(ROOT / "bench").glob("*.py"), *(ROOT / "bench" / "peers").glob("*.py"))
)
MAY_SLEEP = {"waiting.py"}
BANNED_WORDS = {"manager", "helper", "util", "utils", "common", "base", "info"}
# Parameters that the standard library named.
NOT_OURS = {"exc_info"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.fixture(scope="module", autouse=True)
def _forget_the_trees() -> Iterator[None]:
    """A million nodes of syntax would slow every collection of garbage after this file."""
    yield
    tree.cache_clear()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def functions(paths: list[Path]) -> Iterator[tuple[Path, Function]]:
    for path in paths:
        for node in ast.walk(tree(path)):
            if isinstance(node, Function):
                yield path, node


def place(path: Path, node: Function) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def length(node: Function) -> int:
    """Lines from `def` to the end, without the docstring: promises are free."""
    first = node.body[0]
    is_docstring = ast.get_docstring(node, clean=False) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if is_docstring else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


def parameters(node: Function) -> int:
    """Without self and cls; *args and **kwargs count as one each."""
    spec = node.args
    named = [arg for arg in [*spec.posonlyargs, *spec.args, *spec.kwonlyargs] if arg.arg not in ("self", "cls")]
    return len(named) + (spec.vararg is not None) + (spec.kwarg is not None)


def defined_names(path: Path) -> Iterator[str]:
    """Names that the file gives: of itself, classes, functions, parameters, variables and fields."""
    yield path.stem
    for node in ast.walk(tree(path)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr


def words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def at_share(values: list[int], share: float) -> int:
    """The value that this share of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def calls(node: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Name of what is called (last part of a dotted name) and the call."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            yield ast.unparse(part.func).rpartition(".")[2], part


# --- sizes ---


def test_half_of_all_functions_have_at_most_8_lines() -> None:
    assert at_share([length(node) for _, node in functions(PACKAGE)], 0.5) <= 8


def test_19_of_20_functions_have_at_most_30_lines() -> None:
    assert at_share([length(node) for _, node in functions(PACKAGE)], 0.95) <= 30


def test_no_function_has_more_than_50_lines() -> None:
    assert [place(path, node) for path, node in functions(PACKAGE + TOOLS) if length(node) > 50] == []


def test_no_function_takes_more_than_6_parameters() -> None:
    assert [place(path, node) for path, node in functions(PACKAGE + TOOLS) if parameters(node) > 6] == []


def test_no_file_has_more_than_400_lines() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in PACKAGE + TESTS + TOOLS}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}


def test_half_of_all_tests_have_at_most_10_lines() -> None:
    assert at_share([length(node) for _, node in all_tests()], 0.5) <= 10


# --- words ---


def test_every_module_says_why_it_exists() -> None:
    assert [str(path.relative_to(ROOT)) for path in PACKAGE + TOOLS if not ast.get_docstring(tree(path))] == []


@pytest.mark.parametrize("path", PACKAGE + TOOLS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_name_uses_a_word_that_says_nothing(path: Path) -> None:
    assert {name for name in set(defined_names(path)) - NOT_OURS if words(name) & BANNED_WORDS} == set()


def test_no_function_processes() -> None:
    assert [
        place(path, node) for path, node in functions(PACKAGE + TOOLS) if words_in_order(node.name)[0] == "process"
    ] == []


def words_in_order(name: str) -> list[str]:
    return [word for word in name.lower().split("_") if word] or [""]


def test_no_work_is_left_for_later_in_comments() -> None:
    later = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert [str(path) for path in PACKAGE + TESTS + TOOLS if later.search(path.read_text(encoding="utf-8"))] == []


# --- tests ---


def all_tests() -> Iterator[tuple[Path, Function]]:
    for path, node in functions(TESTS):
        if node.name.startswith("test_"):
            yield path, node


def checks_something(node: Function, checkers: set[str]) -> bool:
    """An assert, a pytest.raises/fail, or a call of a function of the tests that has one."""
    if any(isinstance(part, ast.Assert) for part in ast.walk(node)):
        return True
    return any(name in checkers or name in ("raises", "fail") or name.startswith("assert_") for name, _ in calls(node))


@cache
def checking_functions() -> frozenset[str]:
    """Names of the functions in tests/ that assert, directly or through one another."""
    known: set[str] = set()
    while True:
        more = {node.name for _, node in functions(TESTS) if checks_something(node, known)}
        if more <= known:
            return frozenset(known)
        known |= more


def test_every_test_checks_something() -> None:
    known = set(checking_functions())
    assert [place(path, node) for path, node in all_tests() if not checks_something(node, known)] == []


def is_waiting_sleep(name: str, call: ast.Call) -> bool:
    """sleep(0) only gives way to others; any other sleep hopes."""
    zero = len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
    return name == "sleep" and not zero


def test_no_test_sleeps_to_wait() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in TESTS
        if path.name not in MAY_SLEEP
        for name, call in calls(tree(path))
        if is_waiting_sleep(name, call)
    ]
    assert found == [], "wait for an event, or use waiting.eventually"


# --- what no file may say ---

# Words are cut in two with a blank here, so that this file does not say them either.
CUT = {
    "TLS verification switched off": ["CERT_ NONE", r"check_hostname\s*=\s*F alse", r"verify(_ssl)?\s*=\s*F alse"],
    "a package registry": [r"pypi \.org", r"python hosted\.org", r"registry\. (npmjs|yarnpkg)", r"deb \.debian\.org"],
    "a path of one machine": ["/ro ot/", "/home /[a-z]+/", "/wo rk/(main|shared)", r"\.\./sha red", "/opt/ pypi"],
}
FORBIDDEN = {what: "|".join(patterns).replace(" ", "") for what, patterns in CUT.items()}


@cache
def repository_texts() -> dict[str, str]:
    """Every text file under version control, by path."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    names = [name for name in listing.decode().split("\0") if name and (ROOT / name).is_file()]
    return {name: (ROOT / name).read_text(encoding="utf-8", errors="replace") for name in names}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    found = re.compile(FORBIDDEN[what])
    assert [name for name, text in repository_texts().items() if found.search(text)] == []


# --- these rules themselves ---


def test_length_leaves_the_docstring_out() -> None:
    (node,) = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    return 1').body
    assert isinstance(node, ast.FunctionDef)
    assert length(node) == 2


@pytest.mark.parametrize("name", ["SessionManager", "url_util", "BaseStore", "getInfo", "HTTPHelper"])
def test_words_that_say_nothing_are_seen_in_any_spelling(name: str) -> None:
    assert words(name) & BANNED_WORDS


@pytest.mark.parametrize("name", ["database", "information", "basement", "commonly"])
def test_longer_words_are_left_alone(name: str) -> None:
    assert not words(name) & BANNED_WORDS


@pytest.mark.parametrize(
    ("text", "seen"), [("sleep(0)", False), ("asyncio.sleep(0.1)", True), ("time.sleep(n)", True), ("wait(1)", False)]
)
def test_a_sleep_that_waits_is_told_from_giving_way(text: str, seen: bool) -> None:
    assert any(is_waiting_sleep(name, call) for name, call in calls(ast.parse(text))) is seen


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("TLS verification switched off", "context.check_hostname = F{}alse"),
        ("TLS verification switched off", "verify=F{}alse"),
        ("a package registry", "https://pypi{}.org/simple"),
        ("a path of one machine", "cd /wo{}rk/main"),
    ],
)
def test_what_no_file_may_say_is_recognised(what: str, text: str) -> None:
    assert re.search(FORBIDDEN[what], text.format(""))


def test_a_test_without_a_check_is_seen() -> None:
    (node,) = ast.parse("def test_x():\n    do()").body
    assert isinstance(node, ast.FunctionDef)
    assert not checks_something(node, {"expect"})
