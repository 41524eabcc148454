"""How a workload becomes figures: one load through one running peer, CPU and memory read around it, all checked.

Each way of measuring is a function (Scene, Workload, Running) -> figures by name. Failed means that the measurement
does not count: a wrong status, a wrong length, an error, or an upstream that saw other operations than were sent. It
must not know the peers, nor compare them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench import heads, machine
from bench.load import Counters, CountingUpstream, Failed, Report, load
from bench.peers.peer import Running
from bench.site import SERVER_NAME, Site
from bench.workloads import Workload

Figures = dict[str, float]

SETTLE_S = 0.4
LEAST_RATE_S, LEAST_SLOW_S = 1.5, 2.5
SLOW_SAMPLES = 10
HUB_REQUESTS, HUB_SOCKETS = 25, 4


@dataclass
class Scene:
    """What all measurements share. `straight` remembers loads that went past the proxies."""

    site: Site
    upstream: CountingUpstream
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


def words(site: Site, workload: Workload, goal: Goal) -> list[str]:
    """The load's arguments, without how long it runs."""
    given = [workload.mode, "--port", str(goal.port), "--connections", str(workload.connections), *workload.options]
    if goal.tls:
        given += ["--tls", "--ca", str(site.ca), "--server-name", SERVER_NAME]
    return given + _heads(site.work, workload, goal)


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


@dataclass(frozen=True)
class Ran:
    """One load that went well, with what the proxy's tree used while it ran."""

    report: Report
    counters: Counters
    cpu: float
    seconds: float

    def figures(self) -> Figures:
        report = self.report
        return {
            "cpu_us": self.cpu / report.operations * 1e6,
            "per_core_s": report.operations / self.cpu if self.cpu else 0.0,
            "per_second": report.operations / self.seconds,
            "busy": self.cpu / self.seconds,
            "p50_us": report.p50_us,
            "p99_us": report.p99_us,
            "resumed": report.resumed / report.operations,
        }


def run(scene: Scene, given: list[str], pid: int) -> Ran:
    """The clock runs from the moment when all connections are open until the last answer. Raises Failed."""
    scene.upstream.counters(reset=True)
    with load(scene.load_binary, given) as browsers:
        if errors := browsers.opened()["errors"]:
            raise Failed(f"{errors} errors while the connections were opened")
        cpu, started = machine.cpu_seconds(pid), time.monotonic()
        browsers.go()
        report = browsers.report()
        seconds, cpu = time.monotonic() - started, machine.cpu_seconds(pid) - cpu
        browsers.end()
    return Ran(report, scene.upstream.counters(), cpu, seconds)


def check(ran: Ran, requests: int, messages: int = 0, bodies: int = 0) -> Ran:
    """The same; raises Failed unless every answer was right and the upstream saw exactly what was sent."""
    complaints = ran.report.complaints()
    sent = Counters(requests, messages, bodies)
    if sent != ran.counters:
        complaints.append(f"sent was {sent}, but the upstream saw {ran.counters}")
    if complaints:
        raise Failed("; ".join(complaints))
    return ran


def steady(scene: Scene, workload: Workload, running: Running) -> Figures:
    """CPU of requests, uploads, echoes or handshakes, as many as go through in a time or as were asked for."""
    length = [] if "--count" in workload.options else lasting(scene.seconds)
    ran = run(scene, words(scene.site, workload, Goal.proxy(workload, running)) + length, running.pid)
    messages = ran.report.operations if workload.mode == "websocket" else 0
    return check(ran, ran.report.requests, messages, ran.report.operations * workload.posted).figures()


def hub(scene: Scene, workload: Workload, running: Running) -> Figures:
    """One operation is the start of a hub: requests, then sockets with one echo each."""
    ran = run(scene, words(scene.site, workload, Goal.proxy(workload, running)), running.pid)
    rounds = ran.report.operations
    return check(ran, rounds * (HUB_REQUESTS + HUB_SOCKETS), rounds * HUB_SOCKETS).figures()


def rate(scene: Scene, workload: Workload, running: Running) -> Figures:
    """Latency at a fixed rate, less that of the same load straight at the upstream in the same round."""
    length = lasting(max(LEAST_RATE_S, scene.seconds))
    if workload.name not in scene.straight:
        past = words(scene.site, workload, Goal.upstream(workload, scene.site)) + length
        ran = run(scene, past, running.pid)
        scene.straight[workload.name] = check(ran, ran.report.requests).report
    direct = scene.straight[workload.name]
    ran = run(scene, words(scene.site, workload, Goal.proxy(workload, running)) + length, running.pid)
    through = check(ran, ran.report.requests).report
    return ran.figures() | {
        "added_p50_us": through.p50_us - direct.p50_us,
        "added_p99_us": through.p99_us - direct.p99_us,
    }


def idle(scene: Scene, workload: Workload, running: Running) -> Figures:
    """Memory that open but silent tunnels add, for each of them."""
    before = machine.pss(running.pid)
    with load(scene.load_binary, words(scene.site, workload, Goal.proxy(workload, running))) as browsers:
        opened = browsers.opened()
        if opened["open"] != workload.connections or opened["errors"]:
            raise Failed(f"{opened['open']} of {workload.connections} tunnels opened, {opened['errors']} errors")
        time.sleep(SETTLE_S)
        grown = machine.pss(running.pid) - before
    return {"tunnel_bytes": grown / workload.connections, "grown_bytes": float(grown)}


def slow(scene: Scene, workload: Workload, running: Running) -> Figures:
    """The most memory that streams add whose readers are slow, for each of them."""
    seconds = max(LEAST_SLOW_S, scene.seconds)
    given = words(scene.site, workload, Goal.proxy(workload, running)) + lasting(seconds)
    before, grown = machine.pss(running.pid), 0
    with load(scene.load_binary, given) as browsers:
        browsers.opened()
        browsers.go()
        for _ in range(SLOW_SAMPLES):
            time.sleep(seconds / SLOW_SAMPLES)
            grown = max(grown, machine.pss(running.pid) - before)
        report = browsers.report()
        browsers.end()
    if report.operations != workload.connections or report.complaints():
        raise Failed(f"not {workload.connections} slow readers: {report}")
    return {"stream_bytes": grown / workload.connections, "grown_bytes": float(grown)}


Way = Callable[[Scene, Workload, Running], Figures]
WAYS: dict[str, Way] = {"steady": steady, "hub": hub, "rate": rate, "idle": idle, "slow": slow}
FRESH = ("idle", "slow")
"""Kinds for which a peer is started anew: memory that it gave back to itself would hide what is added."""
