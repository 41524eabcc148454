"""From the data plane's record to the access log's."""

from qproxy.errors import Failure
from qproxy.forwarding.conduct import Label, Record
from qproxy.headers import FieldBlock, RequestHead
from qproxy.records import access_record

HEAD = RequestHead(b"GET", b"/sales/a?b", FieldBlock(1, b"", {b"host": b"bi.example", b"user-agent": b"Fire\xe9"}))
LABEL = Label("r-1", "1.2.3.4", "sales", "SALES\\ann", "5f2c")


def test_a_request_is_recorded_with_wall_clock_times() -> None:
    record = Record("10.0.0.1", 100.0, HEAD, LABEL, status=200, first_byte=100.25, ended=101.0, node="q1:443")
    access = access_record(record, 5000.0)
    assert (access.time, access.duration, access.first_byte) == (4999.0, 1.0, 0.25)
    assert (access.client, access.upstream, access.protocol) == ("1.2.3.4", "q1:443", "HTTP/1.1")
    assert (access.method, access.host, access.target) == ("GET", "bi.example", "/sales/a?b")
    assert (access.user, access.session, access.vp, access.agent) == ("SALES\\ann", "5f2c", "sales", "Fire\xe9")


def test_a_request_without_a_readable_head_has_dashes() -> None:
    access = access_record(Record("10.0.0.1", 5.0, ended=5.5, failure=Failure.BAD_REQUEST), 1.0)
    assert {access.method, access.host, access.target, access.protocol, access.agent, access.vp} == {"-"}
    assert (access.client, access.upstream, access.failure) == ("10.0.0.1", "-", Failure.BAD_REQUEST)


def test_a_request_that_never_ended_has_no_negative_duration() -> None:
    access = access_record(Record("10.0.0.1", 5.0), 1.0)
    assert (access.duration, access.first_byte) == (0.0, None)


def test_a_head_without_host_or_agent_has_dashes() -> None:
    access = access_record(Record("p", 0.0, RequestHead(b"GET", b"/", FieldBlock(0, b"", {}))), 1.0)
    assert (access.host, access.agent, access.protocol) == ("-", "-", "HTTP/1.0")


def test_a_socket_is_recorded_with_who_closed_it() -> None:
    record = Record("p", 0.0, HEAD, websocket=True, close_code=4003, closed_by="upstream")
    access = access_record(record, 1.0)
    assert (access.kind, access.close_code, access.closed_by) == ("websocket", 4003, "upstream")
