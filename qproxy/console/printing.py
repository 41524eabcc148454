"""Sessions, and who has to wait. For people a table on a terminal, plain lines elsewhere; for programs JSON lines.

What stands in a name was chosen elsewhere and may hold anything: what a terminal would obey is shown quoted.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from qproxy.observe.lines import quoted

COLUMNS: Final = {
    "session": "Session",
    "user": "User",
    "vp": "Virtual proxy",
    "created": "Logged in (UTC)",
    "last_seen": "Last seen (UTC)",
    "idle_left": "Idle left",
    "lives_until": "Lives until (UTC)",
    "sockets": "Sockets",
    "by_qlik": "Made by",
}
SLOWED: Final = {
    "name": "Name",
    "network": "From",
    "tries": "Tries",
    "last": "Last try (UTC)",
    "wait": "Has to wait",
    "ways": "Logging in to",
}
MOST_ROWS: Final = 1000
"""A table is laid out as a whole, so it cannot hold everybody."""


def print_json(sessions: Iterable[dict[str, Any]]) -> int:
    count = 0
    for count, session in enumerate(sessions, 1):  # noqa: B007 - counted, and given back
        sys.stdout.write(json.dumps(session) + "\n")
    return count


def print_sessions(sessions: Iterator[dict[str, Any]]) -> int:
    """How many they were, also those that a table does not show."""
    return _print_rows(COLUMNS.values(), map(_cells, sessions), "--user or --vp")


def print_slowed(counts: Iterator[dict[str, Any]]) -> int:
    return _print_rows(SLOWED.values(), map(_slowed_cells, counts), "--name or --address")


def _print_rows(headings: Iterable[str], rows: Iterator[list[str]], narrower: str) -> int:
    if not sys.stdout.isatty():
        return _print_plain(rows)
    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    first = list(islice(rows, MOST_ROWS))
    for row in first:
        table.add_row(*row)
    more = sum(1 for _ in rows)
    Console(highlight=False, markup=False).print(table)
    if more:
        sys.stdout.write(f"and {more} more: narrow the list with {narrower}, or take --json\n")
    return len(first) + more


def _print_plain(rows: Iterable[list[str]]) -> int:
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - counted, and given back
        sys.stdout.write("\t".join(row) + "\n")
    return count


def print_session(session: dict[str, Any]) -> None:
    """One session with its attributes, and an empty line."""
    for key, cell in zip(COLUMNS, _cells(session), strict=True):
        sys.stdout.write(f"{COLUMNS[key]:<18} {cell}\n")
    for attribute in session.get("attributes", ()):
        sys.stdout.write(f"{'Attribute':<18} {_text(attribute['name'])} = {_text(attribute['value'])}\n")
    sys.stdout.write("\n")


def name_of(session: dict[str, Any]) -> str:
    return f"{_text(session.get('session'))} {_text(session.get('user'))} on {_text(session.get('vp'))}"


def _cells(session: dict[str, Any]) -> list[str]:
    by = {"by_qlik": "Qlik" if session.get("by_qlik") else "login", "idle_left": _span(session.get("idle_left"))}
    return [_text(by.get(key, session.get(key, ""))) for key in COLUMNS]


def _slowed_cells(count: dict[str, Any]) -> list[str]:
    """A count of a name from everywhere has no network, one of a network no name."""
    ways = count.get("ways")
    said = {"wait": _span(count.get("wait")), "ways": ", ".join(map(str, ways or ["-"]))}
    return [_text(said.get(key) or count.get(key) or "(any)") for key in SLOWED]


def _span(seconds: object) -> str:
    if not isinstance(seconds, int):
        return ""
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _text(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else quoted(text)
