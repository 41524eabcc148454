"""The counters of the hot path: plain numbers, turned into Prometheus families only when somebody asks.

A prometheus-client counter costs about a microsecond an increment, and a request touches five. Here a request costs one
dictionary entry and four additions. Labels are bounded: methods, status classes, close codes and virtual proxies that
are not known become "other". One event loop writes; nothing here locks.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from qproxy.records import Record

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
CLOSE_CODES = frozenset({*range(1000, 1016), 4000, 4003, 4204, 4999})
CLOSERS = frozenset({"browser", "upstream", "qproxy"})
NO_VP = "-"
OTHER = "other"


class Traffic:
    """Of one virtual proxy: body bytes, and how many requests took how long (one bucket more than BUCKETS)."""

    __slots__ = ("buckets", "opened", "received", "seconds", "sent", "tunnels_closed")

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.opened = 0
        self.tunnels_closed = 0


class PoolCounts:
    """Of one upstream node: the pool that owns it writes these numbers itself."""

    __slots__ = ("idle", "open", "opened", "reused", "up")

    def __init__(self) -> None:
        self.up = True
        self.open = 0
        self.idle = 0
        self.opened = 0
        self.reused = 0


class TrafficCounts:
    """A prometheus-client collector over plain numbers."""

    def __init__(self, vps: Iterable[str] = ()) -> None:
        self._of: dict[str, Traffic] = {name: Traffic() for name in (*vps, NO_VP, OTHER)}
        self._requests: dict[tuple[str, str, int], int] = {}
        self._failures: dict[tuple[str, str], int] = {}
        self._closed: dict[tuple[str, str, str], int] = {}
        self._pools: dict[tuple[str, str], PoolCounts] = {}
        self.lines_dropped = 0
        self.audit_errors = 0

    def known(self, vp: str) -> str:
        """The label for a virtual proxy: its name when it is configured, else "other"."""
        return vp if vp in self._of else OTHER

    def add_vp(self, vp: str) -> None:
        self._of.setdefault(vp, Traffic())

    def pool(self, vp: str, node: str) -> PoolCounts:
        """The numbers of one node's pool; the same object for the same names."""
        return self._pools.setdefault((self.known(vp), node), PoolCounts())

    def tunnel_opened(self, vp: str) -> None:
        """A 101 went to the browser; its record with `websocket` and status 101 counts the end."""
        self._of[self.known(vp)].opened += 1

    def count_requests(self, records: Iterable[Record]) -> None:
        for record in records:
            self._count(record)

    def _count(self, record: Record) -> None:
        vp = record.vp or NO_VP
        vp = vp if vp in self._of else OTHER
        method = METHODS.get(record.head.method, OTHER) if record.head is not None else OTHER
        key = (vp, method, record.status // 100)
        self._requests[key] = self._requests.get(key, 0) + 1
        traffic = self._of[vp]
        traffic.received += record.bytes_in
        traffic.sent += record.bytes_out
        if record.failure is not None:
            word = (vp, record.failure.word)
            self._failures[word] = self._failures.get(word, 0) + 1
        if record.websocket and record.status == 101:
            self._tunnel_closed(vp, traffic, record)
            return
        duration = record.ended - record.started if record.ended > record.started else 0.0
        traffic.seconds += duration
        traffic.buckets[bisect_left(BUCKETS, duration)] += 1

    def _tunnel_closed(self, vp: str, traffic: Traffic, record: Record) -> None:
        traffic.tunnels_closed += 1
        who = record.closed_by if record.closed_by in CLOSERS else OTHER
        code = "none" if record.close_code is None else str(record.close_code)
        key = (vp, who, code if record.close_code in CLOSE_CODES or code == "none" else OTHER)
        self._closed[key] = self._closed.get(key, 0) + 1

    def collect(self) -> Iterator[Metric]:
        yield self._request_family()
        failures = CounterMetricFamily(
            "qproxy_failures", "Requests and tunnels that failed, by failure word.", labels=["vp", "failure"]
        )
        for words, count in self._failures.items():
            failures.add_metric(words, count)
        yield failures
        yield self._duration_family()
        yield from self._byte_families()
        yield from self._tunnel_families()
        yield from self._pool_families()
        yield CounterMetricFamily("qproxy_access_lines_dropped", "Access lines that were lost.", self.lines_dropped)
        yield CounterMetricFamily("qproxy_audit_errors", "Audit lines that could not be written.", self.audit_errors)

    def _request_family(self) -> Metric:
        family = CounterMetricFamily(
            "qproxy_requests", "Requests answered, and tunnels ended.", labels=["vp", "method", "status"]
        )
        for (vp, method, status), count in self._requests.items():
            family.add_metric([vp, method, f"{status}xx" if 1 <= status <= 5 else OTHER], count)
        return family

    def _duration_family(self) -> Metric:
        family = HistogramMetricFamily(
            "qproxy_request_duration_seconds", "From the request's head to the end of the answer.", labels=["vp"]
        )
        for vp, traffic in self._of.items():
            total = 0
            buckets = []
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), traffic.buckets, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric([vp], buckets, sum_value=traffic.seconds)
        return family

    def _byte_families(self) -> Iterator[Metric]:
        received = CounterMetricFamily("qproxy_received_bytes", "Body and tunnel bytes from browsers.", labels=["vp"])
        sent = CounterMetricFamily("qproxy_sent_bytes", "Body and tunnel bytes to browsers.", labels=["vp"])
        for vp, traffic in self._of.items():
            received.add_metric([vp], traffic.received)
            sent.add_metric([vp], traffic.sent)
        yield received
        yield sent

    def _tunnel_families(self) -> Iterator[Metric]:
        living = GaugeMetricFamily("qproxy_tunnels_open", "WebSocket tunnels that are open.", labels=["vp"])
        for vp, traffic in self._of.items():
            living.add_metric([vp], max(0, traffic.opened - traffic.tunnels_closed))
        yield living
        closed = CounterMetricFamily(
            "qproxy_tunnels_closed",
            "Tunnels that ended, by who closed and the close code.",
            labels=["vp", "who", "code"],
        )
        for labels, count in self._closed.items():
            closed.add_metric(labels, count)
        yield closed

    def _pool_families(self) -> Iterator[Metric]:
        now = GaugeMetricFamily(
            "qproxy_upstream_connections", "Connections to a Qlik node.", labels=["vp", "node", "state"]
        )
        taken = CounterMetricFamily(
            "qproxy_upstream_connections_taken",
            "Connections that a request was given: new, or reused from the pool.",
            labels=["vp", "node", "how"],
        )
        up = GaugeMetricFamily("qproxy_upstream_up", "Whether a Qlik node is up.", labels=["vp", "node"])
        for (vp, node), pool in self._pools.items():
            up.add_metric([vp, node], float(pool.up))
            now.add_metric([vp, node, "open"], pool.open)
            now.add_metric([vp, node, "idle"], pool.idle)
            taken.add_metric([vp, node, "new"], pool.opened)
            taken.add_metric([vp, node, "reused"], pool.reused)
        yield up
        yield now
        yield taken
