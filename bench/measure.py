"""How a workload becomes figures: one load through one running peer, CPU and memory read around it, all checked.

Each way of measuring is a function (Scene, Workload, Running) -> figures by name. Failed means that the measurement
does not count: a wrong status, a wrong length, an error, or an upstream that saw other operations than were sent. It
must not know the peers, nor compare them.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench import heads, machine
from bench.load import Counters, Failed, Load, Report, Upstream, load
from bench.peers.peer import Running
from bench.site import SERVER_NAME, Site
from bench.workloads import Workload

Figures = dict[str, float]

LEAD_S = 0.15
"""Between the first operation and the window: what opening connections left behind is over by then."""
START_S = 30.0
SETTLE_S = 0.4
PAUSE_S = 0.01
SLOW_SAMPLES = 10


@dataclass
class Scene:
    """What all measurements share. `straight` remembers loads that went past the proxies."""

    site: Site
    upstream: Upstream
    load_binary: Path
    seconds: float = 1.0
    straight: dict[str, Report] = field(default_factory=dict)


@dataclass(frozen=True)
class Goal:
    """Where a load goes: a port, with or without TLS, as a browser that has this session."""

    port: int
    tls: bool
    cookie: str = ""

    @classmethod
    def proxy(cls, workload: Workload, running: Running) -> "Goal":
        return cls(running.ports[workload.front], workload.front != "plain", running.cookie)

    @classmethod
    def upstream(cls, workload: Workload, site: Site) -> "Goal":
        tls = workload.front != "plain"
        return cls(site.upstream_tls_port if tls else site.upstream_port, tls)


def words(scene: Scene, workload: Workload, goal: Goal) -> list[str]:
    """The load's arguments, without how long it runs."""
    given = [workload.mode, "--port", str(goal.port), "--connections", str(workload.connections), *workload.options]
    if goal.tls:
        given += ["--tls", "--ca", str(scene.site.ca), "--server-name", SERVER_NAME]
    return given + _heads(scene.site.work, workload, goal)


def _heads(folder: Path, workload: Workload, goal: Goal) -> list[str]:
    browser = heads.Browser(goal.port, goal.tls, goal.cookie)
    if workload.mode in ("websocket", "idle"):
        return ["--requests", str(heads.write(folder / "upgrades", heads.upgrade, browser))]
    expect = ["--expect", str(workload.expect)]
    if workload.posted:
        file = heads.write(folder / "posts", heads.post, browser, workload.posted)
        return ["--requests", str(file), "--upload", str(workload.posted), *expect]
    file = heads.write(folder / "gets", heads.get, browser, workload.expect)
    if workload.mode == "hub":
        expect += ["--upgrades", str(heads.write(folder / "upgrades", heads.upgrade, browser))]
    return ["--requests", str(file), *expect]


def lasting(seconds: float) -> list[str]:
    return ["--seconds", f"{seconds:.2f}"]


def check(report: Report, counted: int, sent: int) -> None:
    """Raises Failed unless every answer was right and the upstream saw exactly what was sent."""
    complaints = report.complaints()
    if counted != sent:
        complaints.append(f"{sent} operations were sent, but the upstream counted {counted}")
    if complaints:
        raise Failed("; ".join(complaints))


@dataclass(frozen=True)
class Moment:
    """What had happened, and what it had cost, by one point in time."""

    at: float
    cpu: float
    counters: Counters


def moment(scene: Scene, running: Running) -> Moment:
    counters = scene.upstream.counters()
    return Moment(time.monotonic(), machine.cpu_seconds(running.pid), counters)


def cost(first: Moment, last: Moment, operations: int) -> Figures:
    """CPU for each operation, and how busy the proxy's core was in between."""
    if operations <= 0:
        raise Failed("no operation was completed while the clock ran")
    cpu, seconds = last.cpu - first.cpu, last.at - first.at
    return {
        "cpu_us": cpu / operations * 1e6,
        "per_core_s": operations / cpu if cpu else 0.0,
        "per_second": operations / seconds,
        "busy": cpu / seconds,
    }


def window(scene: Scene, workload: Workload, running: Running) -> Figures:
    """CPU between two moments of a steady load; the upstream's counter tells the operations in between."""
    scene.upstream.counters(reset=True)
    given = words(scene, workload, Goal.proxy(workload, running)) + lasting(scene.seconds + 2 * LEAD_S)
    with load(scene.load_binary, given) as run:
        _wait_for_first(scene, workload.counted, run)
        time.sleep(LEAD_S)
        first = moment(scene, running)
        time.sleep(scene.seconds)
        last = moment(scene, running)
        report = run.finish()
    total = scene.upstream.counters()
    upgrades = workload.connections if workload.counted == "messages" else 0
    check(report, getattr(total, workload.counted), report.operations)
    check(report, total.requests - upgrades, report.operations if not upgrades else 0)
    done = getattr(last.counters, workload.counted) - getattr(first.counters, workload.counted)
    return cost(first, last, done) | {"p50_us": report.p50_us, "p99_us": report.p99_us}


def _wait_for_first(scene: Scene, counted: str, run: Load) -> None:
    """Until the connections are open and the first operation reached the upstream."""
    end = time.monotonic() + START_S
    while run.running and not getattr(scene.upstream.counters(), counted):
        if time.monotonic() > end:
            raise Failed(f"nothing reached the upstream within {START_S:g} s")
        time.sleep(PAUSE_S)


def whole(scene: Scene, workload: Workload, running: Running) -> Figures:
    """CPU of a whole load, for operations of which opening the connection is a part, or is nothing beside them."""
    length = [] if "--count" in workload.options else lasting(scene.seconds)
    scene.upstream.counters(reset=True)
    first = moment(scene, running)
    with load(scene.load_binary, words(scene, workload, Goal.proxy(workload, running)) + length) as run:
        report = run.finish()
    last = moment(scene, running)
    check(report, last.counters.requests, report.operations + int(report.more.get("uncounted", 0)))
    return cost(first, last, report.operations) | {"p50_us": report.p50_us, "p99_us": report.p99_us}


def hub(scene: Scene, workload: Workload, running: Running) -> Figures:
    """One operation is the start of a hub: 25 requests and 4 sockets."""
    scene.upstream.counters(reset=True)
    first = moment(scene, running)
    with load(scene.load_binary, words(scene, workload, Goal.proxy(workload, running))) as run:
        report = run.finish()
    last = moment(scene, running)
    check(report, last.counters.requests, report.operations * (workload.size + 4))
    check(report, last.counters.messages, report.operations * 4)
    return cost(first, last, report.operations) | {"p50_us": report.p50_us, "p99_us": report.p99_us}


def rate(scene: Scene, workload: Workload, running: Running) -> Figures:
    """Latency at a fixed rate, less that of the same load straight at the upstream in the same round."""
    if workload.name not in scene.straight:
        past = words(scene, workload, Goal.upstream(workload, scene.site))
        scene.straight[workload.name] = _at_rate(scene, past)
    direct = scene.straight[workload.name]
    first = moment(scene, running)
    through = _at_rate(scene, words(scene, workload, Goal.proxy(workload, running)))
    figures = cost(first, moment(scene, running), through.operations)
    return figures | {
        "p50_us": through.p50_us,
        "p99_us": through.p99_us,
        "added_p50_us": through.p50_us - direct.p50_us,
        "added_p99_us": through.p99_us - direct.p99_us,
    }


def _at_rate(scene: Scene, given: list[str]) -> Report:
    scene.upstream.counters(reset=True)
    with load(scene.load_binary, given + lasting(max(2.0, scene.seconds))) as run:
        report = run.finish()
    check(report, scene.upstream.counters().requests, report.operations)
    return report


def idle(scene: Scene, workload: Workload, running: Running) -> Figures:
    """Memory that open but silent tunnels add, for each of them."""
    before = machine.pss(running.pid)
    with load(scene.load_binary, words(scene, workload, Goal.proxy(workload, running))) as run:
        opened = run.line()
        if opened["open"] != workload.connections or opened["errors"]:
            raise Failed(f"{opened['open']} of {workload.connections} tunnels opened, {opened['errors']} errors")
        time.sleep(SETTLE_S)
        grown = machine.pss(running.pid) - before
        run.finish()
    return {"tunnel_bytes": grown / workload.connections, "grown_bytes": float(grown)}


def slow(scene: Scene, workload: Workload, running: Running) -> Figures:
    """The most memory that streams add whose readers are slow, for each of them."""
    given = words(scene, workload, Goal.proxy(workload, running)) + lasting(max(3.0, scene.seconds))
    before = machine.pss(running.pid)
    with contextlib.ExitStack() as open_loads:
        runs = [open_loads.enter_context(load(scene.load_binary, given)) for _ in range(workload.size)]
        grown = 0
        while all(run.running for run in runs):
            grown = max(grown, machine.pss(running.pid) - before)
            time.sleep(max(3.0, scene.seconds) / SLOW_SAMPLES)
        for run in runs:
            report = run.finish()
            if report.errors or report.bad_status or not report.bytes_in:
                raise Failed(f"a slow reader failed: {report}")
    return {"stream_bytes": grown / workload.size, "grown_bytes": float(grown)}


Way = Callable[[Scene, Workload, Running], Figures]
WAYS: dict[str, Way] = {
    "window": window,
    "whole": whole,
    "hub": hub,
    "rate": rate,
    "idle": idle,
    "slow": slow,
}
FRESH = ("idle", "slow")
"""Kinds for which a peer is started anew: memory that it gave back to itself would hide what is added."""
