"""All numbers that Prometheus may ask for, in a registry of their own; docs/metrics.md has an entry for each.

The hot path's numbers are in traffic.py; the ones here are rare enough for prometheus-client's own counters. No label
may hold a user, a session or anything else that a stranger chooses freely.
"""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from qproxy import __version__
from qproxy.observe.traffic import OTHER, PoolCounts, TrafficCounts
from qproxy.records import Record

CONTENT_TYPE = CONTENT_TYPE_LATEST
ENDPOINTS = ("get_session", "post_session", "delete_session", "get_user", "delete_user", OTHER)
MODULE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
OUTCOMES = ("accepted", "wrong", "throttled", "busy", "unavailable", "token", "cross_site", OTHER)


class Metrics:
    """`vps` are the names of the configured virtual proxies; every other name is counted as "other"."""

    def __init__(self, vps: tuple[str, ...] = ()) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._traffic = TrafficCounts(vps)
        self.registry.register(self._traffic)
        ProcessCollector(namespace="qproxy", registry=self.registry)
        self._fillers: list[Callable[[], None]] = []
        self._module: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._make_counters()
        self._make_gauges()

    def _make_counters(self) -> None:
        self._logins = self._counter("qproxy_logins", "Login attempts.", "vp", "method", "outcome")
        self._rechecks = self._counter(
            "qproxy_login_rechecks", "Times that a provider was asked about a login.", "vp", "method", "outcome"
        )
        self._calls = self._counter(
            "qproxy_session_module_calls",
            "Calls of Qlik's proxy service to the session module.",
            "vp",
            "endpoint",
            "status",
        )
        self._latency = Histogram(
            "qproxy_session_module_duration_seconds",
            "How long the session module took to answer.",
            ("vp", "endpoint"),
            buckets=MODULE_BUCKETS,
            registry=self.registry,
        )
        self._refused = self._counter(
            "qproxy_internal_refused", "Requests that the internal listener refused.", "reason"
        )
        self._api_calls = self._counter(
            "qproxy_qps_api_calls", "Calls of the API of Qlik's proxy service.", "vp", "call", "outcome"
        )
        self._anonymous = self._counter(
            "qproxy_anonymous_sessions", "Anonymous sessions that Qlik's proxy service made and told of.", "vp", "kept"
        )
        self._store_errors = self._counter("qproxy_store_errors", "Times that the session store failed.", "vp")
        self._worker_starts = self._counter("qproxy_worker_starts", "Times that a worker was started.", "worker")

    def _make_gauges(self) -> None:
        self._sessions = self._gauge("qproxy_sessions", "Living sessions.", "vp", "owner")
        self._certificates = self._gauge(
            "qproxy_certificate_expiry_seconds", "Seconds until a certificate expires.", "certificate"
        )
        self._waiting = self._gauge(
            "qproxy_waiting_for_qlik", "Requests that wait until a Qlik node can be reached again.", "vp"
        )
        self._store_up = self._gauge("qproxy_store_up", "1 while the session store can be followed, written and swept.")
        self._audit_sequence = self._gauge("qproxy_audit_sequence", "Number of a chain's last line.", "chain")
        self._worker_up = self._gauge("qproxy_worker_up", "Whether a worker answers.", "worker")
        self._gauge("qproxy_build", "Always 1; the label tells the version.", "version").labels(__version__).set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    # the hot path

    def count_requests(self, records: Iterable[Record]) -> None:
        self._traffic.count_requests(records)

    def tunnel_opened(self, vp: str) -> None:
        self._traffic.tunnel_opened(vp)

    def pool(self, vp: str, node: str) -> PoolCounts:
        """Numbers that the pool of this node keeps up to date by itself."""
        return self._traffic.pool(vp, node)

    # everything else

    def add_vp(self, vp: str) -> None:
        self._traffic.add_vp(vp)

    def login(self, vp: str, method: str, outcome: str) -> None:
        """One attempt; `method` is a configured login method's word, `outcome` one of OUTCOMES."""
        self._logins.labels(self._traffic.known(vp), method, outcome if outcome in OUTCOMES else OTHER).inc()

    def recheck(self, vp: str, method: str, outcome: str) -> None:
        """`outcome` is a word of qproxy.rechecks: kept, ended, unavailable."""
        self._rechecks.labels(self._traffic.known(vp), method, outcome).inc()

    def module_call(self, vp: str, endpoint: str, status: int, seconds: float) -> None:
        key = (vp, endpoint, status)
        found = self._module.get(key)
        if found is None:
            found = self._module_children(*key)
        found[0].inc()
        found[1].observe(seconds)

    def _module_children(self, vp: str, endpoint: str, status: int) -> tuple[Counter, Histogram]:
        name, word = self._traffic.known(vp), endpoint if endpoint in ENDPOINTS else OTHER
        children = self._calls.labels(name, word, str(status)), self._latency.labels(name, word)
        if name == vp and word == endpoint:
            self._module[vp, endpoint, status] = children
        return children

    def qps_api_call(self, vp: str, call: str, outcome: str) -> None:
        """`call` and `outcome` are words of qproxy.modes and qproxy.qps."""
        self._api_calls.labels(self._traffic.known(vp), call, outcome).inc()

    def internal_refused(self, reason: str) -> None:
        self._refused.labels(reason).inc()

    def anonymous_session(self, vp: str, kept: bool) -> None:
        self._anonymous.labels(self._traffic.known(vp), "yes" if kept else "no").inc()

    def store_error(self, vp: str) -> None:
        self._store_errors.labels(self._traffic.known(vp)).inc()

    def store_up(self, up: bool) -> None:
        self._store_up.set(up)

    def sessions(self, vp: str, owner: str, count: int) -> None:
        """`owner` is "qproxy" for logins, "qlik" for sessions that Qlik's proxy service made."""
        self._sessions.labels(self._traffic.known(vp), owner if owner in {"qproxy", "qlik"} else OTHER).set(count)

    def waiting_for_qlik(self, vp: str, count: int) -> None:
        self._waiting.labels(self._traffic.known(vp)).set(count)

    def certificate(self, name: str, seconds_left: float) -> None:
        self._certificates.labels(name).set(seconds_left)

    def logs(self, dropped: int, audit_errors: int) -> None:
        self._traffic.lines_dropped = dropped
        self._traffic.audit_errors = audit_errors

    def audit_sequence(self, chain: str, sequence: int) -> None:
        """`chain` is the audit log's, one for each process."""
        self._audit_sequence.labels(chain).set(sequence)

    def worker_started(self, number: int) -> None:
        """This process is the worker of that number, from 1."""
        self._worker_up.labels(str(number)).set(1)
        self._worker_starts.labels(str(number)).inc()

    def before_scrape(self, fill: Callable[[], None]) -> None:
        """Call `fill` each time before the numbers are read: the place to set gauges that somebody else knows."""
        self._fillers.append(fill)

    def fill(self) -> None:
        for fill in self._fillers:
            fill()

    def text(self) -> bytes:
        """The exposition of this process alone, of content type CONTENT_TYPE."""
        self.fill()
        return generate_latest(self.registry)
