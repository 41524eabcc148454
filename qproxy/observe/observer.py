"""The one object through which the rest of qproxy says what happened: access lines, audit lines, numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qproxy.observe.access import FORMS
from qproxy.observe.audit import AuditLog
from qproxy.observe.metrics import Metrics
from qproxy.observe.redact import Secrets
from qproxy.observe.sink import LINES, Sink
from qproxy.records import Record

OFF = "off"


@dataclass(frozen=True, slots=True)
class LogTargets:
    """Where logs go: "off", "stdout", "stderr" or a path. `form` of the access lines: "json" or "text"."""

    access: str = "stdout"
    audit: str = "stderr"
    form: str = "json"
    lines: int = LINES
    audit_key: bytes = b""


class Observer:
    """Opens the logs (OSError when one cannot be opened) and starts the writing thread: make it after any fork."""

    def __init__(self, targets: LogTargets, metrics: Metrics, clock: Callable[[], float]) -> None:
        self.metrics = metrics
        self.secrets = Secrets()
        self._form = FORMS[targets.form]
        self._audit: AuditLog | None = None
        if targets.audit != OFF:
            self._audit = AuditLog(targets.audit, clock, self.secrets, targets.audit_key)
        self._sink = Sink(targets.access, targets.lines) if targets.access != OFF else None
        metrics.before_scrape(self._fill)

    def access(self, *records: Record) -> None:
        """Finished requests and closed tunnels: counts them and queues their lines. Never blocks, never raises."""
        self.metrics.count_requests(records)
        if self._sink is not None:
            self._sink.put(self._form(records))

    def audit(self, event: str, **fields: Any) -> bool:
        """One audit line, written before this returns; False when it could not be written.

        A field named `session` is shown as a short hash, fields with names of secrets are hidden.
        """
        return True if self._audit is None else self._audit.write(event, **fields)

    @property
    def dropped(self) -> int:
        return 0 if self._sink is None else self._sink.dropped

    def reopen(self) -> None:
        """After a log rotation."""
        if self._sink is not None:
            self._sink.reopen()
        if self._audit is not None:
            self._audit.reopen()

    def close(self) -> None:
        """Write what is queued (bounded wait) and close the files."""
        if self._sink is not None:
            self._sink.close()
        if self._audit is not None:
            self._audit.close()

    def _fill(self) -> None:
        audit = self._audit
        self.metrics.logs(self.dropped, audit.errors if audit else 0)
        if audit is not None:
            self.metrics.audit_sequence(audit.chain, audit.sequence)
