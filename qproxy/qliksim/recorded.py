"""The journal: what reached the node, and what the node asked of a session module, in the order it happened.

The same format holds captures from a real site (JSON lines), so that a toggle marked unknown can later be
checked against what Qlik really did. The journal keeps secrets as they came: it belongs to tests, never to
an operator's log.
"""

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

KINDS = ("http", "module", "ws", "rest")


@dataclass
class Entry:
    """One exchange. `line` is the request line as it came, header names keep their case.

    `status` is None while the exchange runs. `body` and `reply` are text, bytes outside UTF-8 escaped by
    `surrogateescape`; large bodies are left out. `note` tells what is no request: `ping`, `close 1001 bye`.
    """

    kind: str
    line: str
    vp: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""
    status: int | None = None
    reply: str = ""
    note: str = ""
    time: float = 0.0

    @property
    def method(self) -> str:
        return self.line.partition(" ")[0]

    @property
    def target(self) -> str:
        return self.line.partition(" ")[2].rpartition(" ")[0] or self.line.partition(" ")[2]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        return json.loads(self.body)


class Journal:
    """The newest entries, oldest first; `limit` bounds their number."""

    def __init__(self, limit: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=limit)

    def add(self, entry: Entry) -> Entry:
        self._entries.append(entry)
        return entry

    def entries(self, kind: str | None = None) -> list[Entry]:
        return [entry for entry in self._entries if kind is None or entry.kind == kind]

    def clear(self) -> None:
        self._entries.clear()


def dump(entries: Iterable[Entry], path: Path) -> None:
    """Write JSON lines, one entry each."""
    with path.open("w", encoding="utf-8") as lines:
        for entry in entries:
            lines.write(json.dumps(asdict(entry)) + "\n")


def load(path: Path) -> list[Entry]:
    """Read what `dump` wrote; raises ValueError that names file and line for anything else."""
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            record = json.loads(line)
            entries.append(Entry(**{**record, "headers": [(name, value) for name, value in record["headers"]]}))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path}:{number}: not a journal entry: {error}") from error
    return entries
