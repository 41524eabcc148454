"""Reading one YAML file: nothing is guessed, and every problem has its place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qproxy.settings import Document, Problem, key_text, read_document

HOME = {"HOME_NAME": "sales", "EMPTY": "", "TRICKY": "${HOME_NAME}: [no]"}


def read(folder: Path, content: str | bytes) -> Document:
    file = folder / "one.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_document(file, HOME)


def said(document: Document) -> list[str]:
    return [str(problem).removeprefix(f"{document.file}:") for problem in document.problems]


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "yes",
        "on",
        "off",
        "true",
        "017",
        "0x1F",
        "1e3",
        "12:30:45",
        "1_000",
        "2026-11-22",
        ".5",
        "~x",
        "=",
        "1.10",
    ],
)
def test_a_plain_scalar_stays_the_text_that_was_written(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, f"key: {text}").content == {"key": text}


def test_mappings_and_lists_are_kept(tmp_path: Path) -> None:
    assert read(tmp_path, "a:\n  b: [1, 'x']\n  c: {d: e}\n").content == {"a": {"b": ["1", "x"], "c": {"d": "e"}}}


def test_the_place_of_each_key_and_value_is_known(tmp_path: Path) -> None:
    places = read(tmp_path, "a:\n  b: [1,  x]\n").places
    assert (places["a", "b"].key, places["a", "b"].value, places["a", "b", 1].value) == ((2, 3), (2, 6), (2, 11))


def test_a_missing_key_is_placed_at_what_surrounds_it(tmp_path: Path) -> None:
    document = read(tmp_path, "x: y\na:\n  b: c\n")
    assert document.problem(("a", "z"), "is missing") == Problem(document.file, 2, 1, "a.z", "is missing")


def test_a_byte_order_mark_of_a_windows_editor_is_taken(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfprefix: sales\r\ncookie: c\r\n").content == {"prefix": "sales", "cookie": "c"}


def test_a_variable_of_the_environment_is_put_in(tmp_path: Path) -> None:
    assert read(tmp_path, "a: x-${HOME_NAME}-${EMPTY}y").content == {"a": "x-sales-y"}


def test_two_dollars_keep_the_characters(tmp_path: Path) -> None:
    assert read(tmp_path, "a: $${HOME_NAME} $5 $HOME_NAME").content == {"a": "${HOME_NAME} $5 $HOME_NAME"}


def test_what_a_variable_holds_is_only_text(tmp_path: Path) -> None:
    assert read(tmp_path, "a: ${TRICKY}").content == {"a": "${HOME_NAME}: [no]"}


def test_a_variable_in_a_key_is_not_replaced(tmp_path: Path) -> None:
    assert read(tmp_path, '"${HOME_NAME}": x').content == {"${HOME_NAME}": "x"}


def test_a_key_without_value_is_not_taken_for_its_default(tmp_path: Path) -> None:
    document = read(tmp_path, "tls:\nb: 1\n")
    assert said(document) == ['1:5: tls: has no value: give it one ("" is an empty text) or remove the key']
    assert document.flawed == {("tls",)}


DUPLICATE = "a:\n  b: 1\n  c: 2\n  b: 3\n"
BAD = [
    ("two equal keys", DUPLICATE, "4:3: a.b: is given twice, first on line 2"),
    ("null", "a: [x, null]", '1:8: a[1]: has no value: give it one ("" is an empty text) or remove the key'),
    ("unset variable", "a: ${NOBODY}", "1:4: a: the environment variable NOBODY is not set"),
    ("half a variable", "a: ${NO BODY}", "1:4: a: holds a ${ that is not ${NAME}: write $${ where"),
    ("tab", "a:\n\tb: 1\n", "2:1: a tab stands here: YAML indents with spaces only"),
    ("tab after spaces", "a:\n  b: 1\n \tc: 1\n", "3:2: a tab stands here"),
    ("alias", "a: &x 1\nb: *x\n", "1:4: anchors (&name) and aliases (*name) are not taken"),
    ("lone alias", "a: *x\n", "1:4: anchors (&name) and aliases (*name) are not taken"),
    ("tag", "a: !!python/object:os.system x\n", "1:4: tags (!name) are not taken"),
    ("tag on a mapping", "!!set {a, b}\n", "1:1: tags (!name) are not taken"),
    ("standard tag", "a: !!str 5\n", "1:4: tags (!name) are not taken"),
    ("empty file", "", "1:1: the file is empty"),
    ("only comments", "# nothing\n", "1:1: the file is empty"),
    ("list", "- a\n- b\n", "1:1: the file must hold `key: value` lines"),
    ("text", "hello", "1:1: the file must hold `key: value` lines"),
    ("list as key", "? [a]\n: b\n", "1:3: a key must be one word"),
    ("template as key", "a: {{ b }}\n", "1:5: a: a key must be one word"),
    ("two documents", "a: b\n---\nc: d\n", "2:1: a second document begins here"),
    ("two colons", "a: b: c\n", "1:5: a colon where none can be"),
    ("open quote", "a: 'b\n", "2:1: a quoted text is not closed"),
    ("no colon", "a: 1\nb\nc: 1\n", "3:1: this line is no `key: value`"),
    ("indentation", "a:\n    b: 1\n  c: 1\n", "3:3: the indentation of this line does not fit"),
    ("percent", "a: %b\n", "1:4: a value that begins with % must stand in quotes"),
    ("at", "a: @b\n", "1:4: a value that begins with @ must stand in quotes"),
    ("windows path", 'a: "C:\\certs"\n', "1:8: a backslash in double quotes must be doubled"),
    ("variable in brackets", "a: [${HOME_NAME}]", "1:6: within [ ] and { } a ${NAME} must stand in quotes"),
    ("open bracket", "a: [1, 2\n", "2:1: this is not YAML: while parsing a flow sequence"),
    ("control character", "a: b\nc: \0d\n", "2:4: a control character"),
    ("deep", "a: " + "[" * 40 + "]" * 40, "1:23: this is nested more than 20 levels deep"),
    ("utf-16", "a: b".encode("utf-16"), "1:1: the file is saved as UTF-16"),
    ("latin-1", b"a: b\nc: caf\xe9\n", "2:7: a byte that is not UTF-8"),
    ("too large", b"# " + b"x" * (1 << 20), " is larger than 1 MB"),
]


@pytest.mark.parametrize(("content", "expected"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_doubtful_is_a_problem_with_its_place(tmp_path: Path, content: str | bytes, expected: str) -> None:
    (problem, *others) = said(read(tmp_path, content))
    assert problem.startswith(expected)
    assert others == []


def test_the_first_of_two_equal_keys_is_what_the_rest_is_judged_by(tmp_path: Path) -> None:
    assert read(tmp_path, DUPLICATE).content == {"a": {"b": "1", "c": "2"}}


def test_all_problems_of_a_file_come_at_once(tmp_path: Path) -> None:
    document = read(tmp_path, "a: ${X1}\nb:\na: 2\nc: ['${X2}']\n")
    assert [problem.line for problem in document.problems] == [1, 2, 3, 4]


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert said(read_document(tmp_path / "none.yaml", {})) == [" cannot be read: No such file or directory"]


def test_a_directory_is_a_problem(tmp_path: Path) -> None:
    assert said(read_document(tmp_path, {})) == [" cannot be read: Is a directory"]


def test_the_value_of_a_variable_is_in_no_place(tmp_path: Path) -> None:
    document = read(tmp_path, "a: ${HOME_NAME}")
    assert document.places["a",].written == "${HOME_NAME}"


def test_a_key_within_lists_is_written_as_people_do() -> None:
    assert key_text(("login", 0, "file")) == "login[0].file"


YAML_LIKE = st.text(st.sampled_from("ab:- \n\t[]{}#&*!|>'\"%@`,?$\\~0.é\0\ufeff"), max_size=60)


@given(st.one_of(st.text(), YAML_LIKE, st.binary()))
def test_no_file_makes_the_reader_raise(tmp_path_factory: pytest.TempPathFactory, content: str | bytes) -> None:
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    document = read(tmp_path_factory.getbasetemp(), raw)
    assert document.problems or document.content or raw.strip().endswith(b"}")
