"""The journal as a file."""

from pathlib import Path

import pytest

from qproxy.qliksim.recorded import Entry, Journal, dump, load

ENTRY = Entry(
    "http", "GET /a%2F?b=+ HTTP/1.1", "sso", [("Host", "x"), ("x-odd", "å\udcff")], "{}", 200, "ok", "note", 1.5
)


def test_what_was_dumped_can_be_loaded(tmp_path: Path) -> None:
    dump([ENTRY, Entry("module", "GET http://m/session/x HTTP/1.1")], tmp_path / "journal.jsonl")
    first, second = load(tmp_path / "journal.jsonl")
    assert first == ENTRY
    assert (second.kind, second.status) == ("module", None)


@pytest.mark.parametrize("line", ["{", "[]", '{"kind": "http"}', '{"kind": "http", "line": "x", "headers": [1]}'])
def test_a_line_that_is_no_entry_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    dump([ENTRY], path)
    path.write_text(path.read_text() + line)
    with pytest.raises(ValueError, match=r"journal.jsonl:2: "):
        load(path)


def test_an_entry_knows_method_target_and_headers() -> None:
    assert (ENTRY.method, ENTRY.target, ENTRY.header("HOST"), ENTRY.header("none")) == ("GET", "/a%2F?b=+", "x", None)


def test_a_target_with_spaces_is_kept_whole() -> None:
    assert Entry("http", "GET /a b HTTP/1.1").target == "/a b"


def test_kinds_are_told_apart_and_the_journal_can_be_cleared() -> None:
    journal = Journal(limit=10)
    journal.add(ENTRY)
    assert (journal.entries("http"), journal.entries("ws")) == ([ENTRY], [])
    journal.clear()
    assert journal.entries() == []
