"""The data plane's record of a request as the access log has it.

Pure: one shape into the other, and the loop's clock into the wall clock.
"""

from qproxy.forwarding.conduct import Record
from qproxy.observe import AccessRecord


def access_record(record: Record, now: float) -> AccessRecord:
    """`now` is the wall clock's time at the request's end."""
    head, label = record.head, record.label
    duration = max(0.0, record.ended - record.started)
    named = head.named if head is not None else {}
    access = AccessRecord(
        time=now - duration,
        request_id=label.request_id,
        client=label.client or record.peer,
        method=head.method.decode("latin-1") if head is not None else "-",
        host=named[b"host"].decode("latin-1") if b"host" in named else "-",
        target=head.target.decode("latin-1") if head is not None else "-",
        protocol=f"HTTP/1.{head.minor}" if head is not None else "-",
        status=record.status,
        received=record.bytes_in,
        sent=record.bytes_out,
        duration=duration,
        upstream=record.node or "-",
        first_byte=record.first_byte - record.started if record.first_byte else None,
        vp=label.vp or "-",
        user=label.user or "-",
        session=label.session or "-",
        failure=record.failure,
        agent=named[b"user-agent"].decode("latin-1") if b"user-agent" in named else "-",
    )
    if record.websocket:
        access.kind = "websocket"
        access.close_code = record.close_code
        access.closed_by = record.closed_by
    return access
