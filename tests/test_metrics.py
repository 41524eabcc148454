"""The numbers: counted once, with bounded labels, cheap."""

import re
from dataclasses import replace

import pytest
from test_observe import RECORD, TUNNEL

from qproxy.errors import Failure
from qproxy.headers import FieldBlock, RequestHead
from qproxy.observe import LogTargets, Metrics, Observer
from qproxy.records import Record


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(("sales",))


def count(metrics: Metrics, record: Record) -> None:
    metrics.count_requests([record])


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_a_request_is_counted_with_its_bytes_and_its_time(metrics: Metrics) -> None:
    for duration in (0.005, 0.02, 400.0):
        count(metrics, replace(RECORD, started=0.0, ended=duration, bytes_in=10, bytes_out=100))
    assert value(metrics, "qproxy_requests_total", vp="sales", method="GET", status="2xx") == 3
    assert value(metrics, "qproxy_received_bytes_total", vp="sales") == 30
    assert value(metrics, "qproxy_sent_bytes_total", vp="sales") == 300
    bucket = "qproxy_request_duration_seconds_bucket"
    assert [value(metrics, bucket, vp="sales", le=le) for le in ("0.005", "0.025", "300.0", "+Inf")] == [1, 2, 2, 3]


@pytest.mark.parametrize(("status", "shown"), [(0, "other"), (101, "1xx"), (599, "5xx"), (999, "other")])
def test_a_status_is_counted_by_its_class(metrics: Metrics, status: int, shown: str) -> None:
    count(metrics, replace(RECORD, status=status))
    assert value(metrics, "qproxy_requests_total", vp="sales", method="GET", status=shown) == 1


def test_what_strangers_choose_makes_no_new_series(metrics: Metrics) -> None:
    for number in range(50):
        head = RequestHead(b"M%d" % number, b"/", FieldBlock(1, b"", {}))
        count(metrics, replace(TUNNEL, vp=f"v{number}", head=head, close_code=3000 + number, closed_by=f"c{number}"))
        metrics.module_call(f"v{number}", f"e{number}", 404, 0.001)
        metrics.login(f"v{number}", "password_file", f"o{number}")
        metrics.sessions(f"v{number}", f"w{number}", 1)
    assert value(metrics, "qproxy_requests_total", vp="other", method="other", status="1xx") == 50
    assert value(metrics, "qproxy_tunnels_closed_total", vp="other", who="other", code="other") == 50
    assert value(metrics, "qproxy_session_module_calls_total", vp="other", endpoint="other", status="404") == 50
    assert value(metrics, "qproxy_logins_total", vp="other", method="password_file", outcome="other") == 50
    assert b"v49" not in metrics.text()


def test_a_failure_is_counted_by_its_word(metrics: Metrics) -> None:
    count(metrics, replace(RECORD, failure=Failure.UPSTREAM_REFUSED))
    assert value(metrics, "qproxy_failures_total", vp="sales", failure="upstream_refused") == 1


def test_a_tunnel_is_open_until_its_record_comes(metrics: Metrics) -> None:
    metrics.tunnel_opened("sales")
    metrics.tunnel_opened("sales")
    count(metrics, TUNNEL)
    assert value(metrics, "qproxy_tunnels_open", vp="sales") == 1
    assert value(metrics, "qproxy_tunnels_closed_total", vp="sales", who="upstream", code="1001") == 1


def test_a_tunnels_life_is_no_request_time(metrics: Metrics) -> None:
    count(metrics, replace(TUNNEL, started=0.0, ended=3600.0))
    assert value(metrics, "qproxy_request_duration_seconds_count", vp="sales") == 0


def test_a_close_without_a_code_is_counted_as_none(metrics: Metrics) -> None:
    count(metrics, replace(TUNNEL, close_code=None))
    assert value(metrics, "qproxy_tunnels_closed_total", vp="sales", who="upstream", code="none") == 1


def test_a_pool_keeps_its_own_numbers(metrics: Metrics) -> None:
    pool = metrics.pool("sales", "10.0.0.1:443")
    pool.open, pool.idle, pool.opened = 3, 2, 4
    metrics.pool("sales", "10.0.0.1:443").reused += 5
    labels = {"vp": "sales", "node": "10.0.0.1:443"}
    assert value(metrics, "qproxy_upstream_connections", state="idle", **labels) == 2
    assert value(metrics, "qproxy_upstream_connections_taken_total", how="reused", **labels) == 5


def test_a_virtual_proxy_that_comes_later_gets_its_own_numbers(metrics: Metrics) -> None:
    metrics.add_vp("hr")
    count(metrics, replace(RECORD, vp="hr"))
    assert value(metrics, "qproxy_requests_total", vp="hr", method="GET", status="2xx") == 1


def test_gauges_are_filled_when_they_are_read(metrics: Metrics) -> None:
    metrics.before_scrape(lambda: metrics.sessions("sales", "qlik", 7))
    metrics.before_scrape(lambda: metrics.certificate("public", 86400.0))
    text = metrics.text().decode()
    assert 'qproxy_sessions{owner="qlik",vp="sales"} 7.0' in text
    assert 'qproxy_certificate_expiry_seconds{certificate="public"} 86400.0' in text


def test_lost_lines_and_the_audit_number_are_told() -> None:
    metrics = Metrics()
    log = Observer(LogTargets("off", "/dev/full"), metrics, float)
    text = metrics.text().decode()
    log.close()
    assert "qproxy_audit_errors_total 1.0" in text
    assert re.search(r'^qproxy_audit_sequence\{chain="[0-9a-f]{8}"\} 0.0$', text, re.MULTILINE)
    assert "qproxy_access_lines_dropped_total 0.0" in text


def test_store_errors_are_counted(metrics: Metrics) -> None:
    metrics.store_error("sales")
    assert value(metrics, "qproxy_store_errors_total", vp="sales") == 1
