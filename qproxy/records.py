"""The data plane's record of a request as the access log has it.

Pure: one shape into the other, and the loop's clock into the wall clock.
"""

from functools import lru_cache
from typing import Final

from qproxy.forwarding.conduct import Record
from qproxy.observe import AccessRecord

PROTOCOLS: Final = ("HTTP/1.0", "HTTP/1.1")


@lru_cache(maxsize=4096)
def _text(value: bytes) -> str:
    """One object for equal values: what the log does with a text, it then does once for many lines."""
    return value.decode("latin-1")


def access_record(record: Record, now: float) -> AccessRecord:
    """`now` is the wall clock's time at the request's end."""
    head, label = record.head, record.label
    started = record.started
    duration = max(0.0, record.ended - started)
    method = host = target = protocol = agent = "-"
    if head is not None:
        named = head.named
        method, protocol = _text(head.method), PROTOCOLS[head.minor]
        target = head.target.decode("latin-1")
        host, agent = _text(named.get(b"host", b"-")), _text(named.get(b"user-agent", b"-"))
    access = AccessRecord(
        now - duration,
        label.request_id,
        label.client or record.peer,
        method,
        host,
        target,
        protocol,
        record.status,
        record.bytes_in,
        record.bytes_out,
        duration,
        record.node or "-",
        record.first_byte - started if record.first_byte else None,
        label.vp or "-",
        label.user or "-",
        label.session or "-",
        record.failure,
    )
    access.agent = agent
    if record.websocket:
        access.kind = "websocket"
        access.close_code = record.close_code
        access.closed_by = record.closed_by
    return access
