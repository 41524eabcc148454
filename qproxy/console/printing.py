"""Sessions for people: a table on a terminal, plain lines elsewhere; and for programs one JSON object a line.

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
MOST_ROWS: Final = 1000
"""A table is laid out as a whole, so it cannot hold everybody."""


def print_json(sessions: Iterable[dict[str, Any]]) -> int:
    count = 0
    for count, session in enumerate(sessions, 1):  # noqa: B007 - counted, and given back
        sys.stdout.write(json.dumps(session) + "\n")
    return count


def print_sessions(sessions: Iterator[dict[str, Any]]) -> int:
    """How many they were, also those that a table does not show."""
    if not sys.stdout.isatty():
        return _print_plain(sessions)
    table = Table()
    for heading in COLUMNS.values():
        table.add_column(heading, overflow="fold")
    first = list(islice(sessions, MOST_ROWS))
    for session in first:
        table.add_row(*_cells(session))
    more = sum(1 for _ in sessions)
    Console(highlight=False, markup=False).print(table)
    if more:
        sys.stdout.write(f"and {more} more: narrow the list with --user or --vp, or take --json\n")
    return len(first) + more


def _print_plain(sessions: Iterable[dict[str, Any]]) -> int:
    count = 0
    for count, session in enumerate(sessions, 1):  # noqa: B007 - counted, and given back
        sys.stdout.write("\t".join(_cells(session)) + "\n")
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


def _span(seconds: object) -> str:
    if not isinstance(seconds, int):
        return ""
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _text(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else quoted(text)
