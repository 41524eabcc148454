"""What happened, for people and machines: access log, audit log, application log, metrics.

Everything else only calls `Observer`. Nothing here knows aiohttp, the configuration's models or what a request means,
and nothing here may print a secret or hold up the event loop (audit lines excepted: they are few and must not be lost).
"""

from qproxy.observe.applog import log_no_more, log_to
from qproxy.observe.audit import verify_audit
from qproxy.observe.board import Board
from qproxy.observe.gathered import Gathered
from qproxy.observe.metrics import Metrics
from qproxy.observe.observer import LogTargets, Observer
from qproxy.observe.redact import Secrets, redact_target
from qproxy.observe.traffic import PoolCounts

__all__ = [
    "Board",
    "Gathered",
    "LogTargets",
    "Metrics",
    "Observer",
    "PoolCounts",
    "Secrets",
    "log_no_more",
    "log_to",
    "redact_target",
    "verify_audit",
]
