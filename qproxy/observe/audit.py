"""The audit log: who logged in, who logged out, what was refused; one JSON line each, written at once, never dropped
silently, and chained so that a line that was removed or changed is found.

Each line carries the hash of the line before it in its chain (one chain a process) and its own; the first line of a
chain carries the hash of the last line that the file had. What no file alone can show is that its end was cut off: for
this the last sequence number stands in the metrics. With a key the hashes are HMACs, and only who has the key can
forge a chain. `verify_audit` is the reader.
"""

import hashlib
import hmac
import json
import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qproxy.observe.lines import json_line, stamp
from qproxy.observe.redact import Secrets
from qproxy.observe.sink import open_append, write_all

log = logging.getLogger(__name__)

NOTHING = "0" * 64
"""The `before` of the first line of an empty file."""
OPENED = "audit_opened"
OWN_FIELDS = frozenset({"time", "event", "chain", "seq", "before", "hash"})
TAIL = 65536


class AuditLog:
    """Appends to `target` (a path, "stdout" or "stderr"). Blocking on purpose: its lines are few, none may be lost."""

    def __init__(self, target: str, clock: Callable[[], float], secrets_known: Secrets, key: bytes = b"") -> None:
        self._target = target
        self._clock = clock
        self._secrets = secrets_known
        self._key = key
        self.chain = secrets.token_hex(4)
        self.sequence = 0
        self.errors = 0
        self._torn = False
        self._descriptor = open_append(target)
        self._before = _last_hash(target)
        self.write(OPENED, continued=False)

    def write(self, event: str, **fields: Any) -> bool:
        """False when it could not be written; the event then stands in the application log instead."""
        shown = {
            name: self._secrets.scrub_field(name, value) for name, value in fields.items() if name not in OWN_FIELDS
        }
        line: dict[str, Any] = {"time": stamp(self._clock()), "event": event, **shown}
        line |= {"chain": self.chain, "seq": self.sequence + 1, "before": self._before}
        line["hash"] = chain_hash(line, self._key)
        data = json_line(line).encode("ascii") + b"\n"
        try:
            torn, self._torn = self._torn, True
            write_all(self._descriptor, b"\n" + data if torn else data)
        except OSError as error:
            self.errors += 1
            log.error("the audit log at %s cannot be written (%s): %s %s", self._target, error.strerror, event, shown)
            return False
        self._torn = False
        self.sequence += 1
        self._before = line["hash"]
        return True

    def reopen(self) -> None:
        """Open the file anew (after a rotation); the chain goes on."""
        fresh = open_append(self._target)
        os.close(self._descriptor)
        self._descriptor, self._torn = fresh, False
        self.write(OPENED, continued=True)

    def close(self) -> None:
        os.close(self._descriptor)


def chain_hash(line: dict[str, Any], key: bytes = b"") -> str:
    """Hex SHA-256 (HMAC with a key) over the line as it is written, without its own hash."""
    text = json_line({name: value for name, value in line.items() if name != "hash"}).encode("ascii")
    return hmac.new(key, text, hashlib.sha256).hexdigest() if key else hashlib.sha256(text).hexdigest()


def _last_hash(target: str) -> str:
    path = Path(target)
    if target in {"stdout", "stderr"} or not path.is_file():
        return NOTHING
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        lines = file.read().splitlines()
    return next((line["hash"] for line in map(_parsed, reversed(lines)) if line), NOTHING)


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(raw)
    except ValueError:
        return None
    whole = isinstance(line, dict) and isinstance(line.get("hash"), str) and isinstance(line.get("seq"), int)
    return line if whole else None


def verify_audit(path: Path, key: bytes = b"") -> list[str]:
    """What is wrong with an audit file, one sentence a problem with its line number; empty when nothing is."""
    reader = _Reader(key)
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if raw.strip():
                reader.read(number, raw)
    return reader.problems


class _Reader:
    def __init__(self, key: bytes) -> None:
        self._key = key
        self.chains: dict[str, tuple[int, str]] = {}
        self._hashes: set[str] = set()
        self.problems: list[str] = []

    def read(self, number: int, raw: bytes) -> None:
        line = _parsed(raw)
        if line is None:
            self.problems.append(f"line {number}: not an audit line (cut off while it was written, or damaged)")
            return
        if not hmac.compare_digest(chain_hash(line, self._key), line["hash"]):
            self.problems.append(f"line {number}: its content was changed (the hash does not fit)")
        self.problems.extend(f"line {number}: {problem}" for problem in self._out_of_chain(line))
        self.chains[str(line.get("chain"))] = (line["seq"], line["hash"])
        self._hashes.add(line["hash"])

    def _out_of_chain(self, line: dict[str, Any]) -> list[str]:
        last = self.chains.get(str(line.get("chain")))
        if last is None:
            return self._bad_start(line)
        sequence, digest = last
        if line["seq"] != sequence + 1:
            return [f"lines are missing or out of order: {sequence} is followed by {line['seq']}"]
        return [] if line.get("before") == digest else ["it does not follow the line before it"]

    def _bad_start(self, line: dict[str, Any]) -> list[str]:
        if line.get("event") != OPENED or (line["seq"] != 1 and not line.get("continued")):
            return [f"lines before it are missing: a chain cannot start with number {line['seq']}"]
        before = line.get("before")
        known = before in self._hashes or (not self._hashes and (line.get("continued") or before == NOTHING))
        return [] if known else ["the line that it refers to is missing"]
