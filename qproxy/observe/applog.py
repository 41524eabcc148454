"""The application log: the standard library's logging on stderr, in the format of the other logs, without secrets.

Redaction happens where the line is made, so that tracebacks and messages of libraries pass through it too.
"""

import logging
import sys
from typing import Any, TextIO

from qproxy.observe.lines import json_line, quoted, stamp
from qproxy.observe.redact import Secrets


class LineFormatter(logging.Formatter):
    """One line a record, `json` or `text`; a traceback is one more field of it, and so is a worker's number, from 1."""

    def __init__(self, form: str, secrets: Secrets, worker: int = 0) -> None:
        super().__init__()
        self._worker = worker
        self._json = form == "json"
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": stamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            **({"worker": self._worker} if self._worker else {}),
            "message": self._secrets.scrub(record.getMessage()),
        }
        if record.exc_info:
            fields["traceback"] = self._secrets.scrub(self.formatException(record.exc_info))
        if self._json:
            return json_line(fields)
        rest = "".join(f" {quoted(fields[name])}" for name in ("message", "traceback") if name in fields)
        worker = f" worker={self._worker}" if self._worker else ""
        return f"{fields['time']} {record.levelname} {record.name}{worker}{rest}"


def log_to(
    secrets: Secrets, form: str = "json", level: str = "INFO", stream: TextIO | None = None, worker: int = 0
) -> logging.Handler:
    """Send the root logger's records to `stream` (stderr); returns the handler, which `log_no_more` takes off again."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter(form, secrets, worker))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(True)
    return handler


def log_no_more(handler: logging.Handler) -> None:
    logging.captureWarnings(False)
    logging.getLogger().removeHandler(handler)
    handler.close()
