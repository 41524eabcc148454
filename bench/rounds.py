"""Runs a plan: every workload in rounds, in each round every peer once, A B A B, and says what does not count.

Each peer of a workload stays up during its rounds while only one gets load. A measurement that fails is thrown away
with a loud message. It must not know how a figure is made or what it should be.
"""

import contextlib
import datetime
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import machine, own, without_cc
from bench.awake import awake
from bench.build import build
from bench.fleet import Fleet
from bench.load import CountingUpstream, Failed, start_upstream
from bench.measure import FRESH, WAYS, Scene, Way
from bench.peers.lineup import peer
from bench.peers.peer import Kind, Peer, PeerError, Running
from bench.peers.qproxy import QProxy
from bench.results import COMPILED, Results, Sample
from bench.site import WORK, Site, new_site
from bench.versions import versions
from bench.without_cc import Players
from bench.workloads import Workload

WARM_UP_S = 0.2
MEMORY_ROUNDS = 2
ROUNDS, SECONDS = 3, 0.4
ALL_WAYS: dict[str, Way] = {**WAYS, "module": own.module, "logins": own.logins}
Show = Callable[[Workload, Results], None]


@dataclass(frozen=True)
class Plan:
    """No `peers` means all that a workload names; `needed` bounds them further, by workload. `compiled` is the Python
    of another build of qproxy. `without_cc`: as where no C compiler is."""

    workloads: tuple[Workload, ...]
    peers: tuple[str, ...] = ()
    rounds: int = ROUNDS
    seconds: float = SECONDS
    compiled: Path | None = None
    needed: Mapping[str, frozenset[str]] | None = None
    without_cc: bool = False

    def only(self, names: Iterable[str]) -> "Plan":
        return replace(self, workloads=tuple(one for one in self.workloads if one.name in set(names)))

    def rounds_of(self, workload: Workload) -> int:
        """Memory hardly differs from one new process to the next, and starting them takes long."""
        most = MEMORY_ROUNDS if workload.kind in FRESH else workload.most_rounds
        return min(self.rounds, most) if most else self.rounds

    def of(self, workload: Workload) -> tuple[str, ...]:
        """Who takes part, in the order of the workload's own list."""
        known = [*workload.peers, *([COMPILED] if self.compiled and "qproxy" in workload.peers else [])]
        needed = known if self.needed is None else self.needed.get(workload.name, ())
        return tuple(name for name in known if name in needed and (not self.peers or name in self.peers))

    def make(self, name: str, kind: Kind) -> Peer:
        if name == COMPILED and self.compiled:
            return QProxy(kind, name=COMPILED, interpreter=self.compiled)
        return peer(name, kind)


@dataclass(frozen=True)
class Quick:
    workloads: tuple[str, ...]
    peers: tuple[str, ...]
    rounds: int
    seconds: float


QUICK = Quick(
    ("get-1k", "get-1k-tls", "get-100k", "download", "upload", "connect-full", "ws-200b-100", "ws-16kb-100",
     "ws-1mb-1", "idle-1000", "rate-1000"),
    ("nginx", "haproxy", "caddy", "qproxy"),
    2,
    0.4,
)  # fmt: skip


def measure(plan: Plan, show: Show) -> Results:
    """`show` is called after each workload. What was thrown away is named in the setting."""
    ours, theirs = machine.cores()
    with machine.staying_on(theirs):
        players = without_cc.players(theirs) if plan.without_cc or without_cc.needed() else _built()
        return _measure(plan, show, players, (ours, theirs))


def _built() -> Players:
    programs = build()
    return Players(lambda site: _upstream(programs.upstream, site), programs.load, awake=programs.awake)


def _measure(plan: Plan, show: Show, players: Players, cores: tuple[int, int]) -> Results:
    """`cores`: of the proxies, and of all the rest."""
    results = Results({
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "machine": machine.Machine.here().as_data(),
        "rounds": plan.rounds,
        "thrown_away": [],
        "left_out": {},
        "notice": players.notice,
        "not_run": _not_run(plan, players),
    })  # fmt: skip
    with (
        _site() as site,
        contextlib.closing(players.upstream(site)) as upstream,
        Fleet(site, cores[0], plan.make) as fleet,
    ):
        scene = Scene(site, upstream, players.load, plan.seconds)
        stage = Stage(scene, fleet, results, cores, players.awake)
        for workload in plan.workloads:
            if workload.name in results.setting["not_run"]:
                continue
            with stage.awake(workload):
                _rounds(plan, workload, stage)
            show(workload, results)
    results.setting["versions"] = versions(one.peer for one in results.samples)
    return results


def _not_run(plan: Plan, players: Players) -> dict[str, str]:
    """Workload -> why it is left out."""
    if players.notice:
        print(f"NOTICE: {players.notice}", file=sys.stderr, flush=True)
    found = {one.name: reason for one in plan.workloads if (reason := players.lacks(one))}
    for name, reason in found.items():
        print(f"{name} is left out: {reason}", file=sys.stderr, flush=True)
    return found


@contextlib.contextmanager
def _site() -> Iterator[Site]:
    """In a folder of this process, so that two runs do not disturb each other more than they must. Those of runs that
    were killed go."""
    for folder in WORK.glob("site-*"):
        if not (machine.PROC / folder.name.partition("-")[2]).exists():
            shutil.rmtree(folder, ignore_errors=True)
    site = new_site(WORK / f"site-{os.getpid()}")
    try:
        yield site
    finally:
        shutil.rmtree(site.work, ignore_errors=True)


def _upstream(binary: Path, site: Site) -> CountingUpstream:
    tls = ["--tls-port", str(site.upstream_tls_port), "--cert", str(site.certificate), "--key", str(site.key)]
    return start_upstream(binary, tls, site.upstream_port)


@dataclass(frozen=True)
class Stage:
    """Where workloads are run. `warm` names the peers that have had such a load before, with its front and mode."""

    scene: Scene
    fleet: Fleet
    results: Results
    cores: tuple[int, int]
    spinner: Path | None
    warm: set[tuple[str, str, str]] = field(default_factory=set)

    @contextlib.contextmanager
    def awake(self, workload: Workload) -> Iterator[None]:
        """With one socket everybody waits most of the time."""
        if workload.mode != "websocket" or workload.connections > 1 or self.spinner is None:
            yield
            return
        with awake(self.spinner, self.cores) as spinners:
            self.fleet.spinner = spinners[self.cores[0]]
            yield
        self.fleet.spinner = None

    def able(self, workload: Workload, names: Iterable[str]) -> list[str]:
        """Those that can be measured; the others are noted with the reason."""
        found = []
        for name in names:
            if not self.fleet.serves(name, workload.front):
                continue
            reason = self.fleet.why_not(name, workload.front)
            if reason:
                self.leave_out(name, reason)
            else:
                found.append(name)
        return found

    def leave_out(self, name: str, reason: str) -> None:
        if name not in self.results.setting["left_out"]:
            self.results.setting["left_out"][name] = reason
            print(f"{name} is left out: {reason}", file=sys.stderr, flush=True)

    def throw_away(self, what: str, error: Exception) -> None:
        line = f"{what}: {error}"
        self.results.setting["thrown_away"].append(line)
        print(f"*** THROWN AWAY, THE RUN FAILS: {line}", file=sys.stderr, flush=True)


def _rounds(plan: Plan, workload: Workload, stage: Stage) -> None:
    peers = stage.able(workload, plan.of(workload))
    if workload.kind == "steady" and "--count" not in workload.options:
        _warm_up(workload, peers, stage)
    rounds = plan.rounds_of(workload)
    for number in range(rounds + workload.more_rounds):
        stage.scene.straight.clear()
        for name in peers if number < rounds else [name for name in peers if name in workload.close]:
            what = f"{workload.name} {name} round {number + 1}"
            try:
                running = _running(stage.fleet, workload, name, number)
                figures = _one(stage, workload, running)
            except (Failed, PeerError) as error:
                stage.throw_away(what, error)
                continue
            stage.results.samples.append(Sample(workload.name, name, number, figures))


def _warm_up(workload: Workload, peers: Iterable[str], stage: Stage) -> None:
    """What compiles while it runs, or remembers, is measured as it is after a while."""
    scene = replace(stage.scene, seconds=WARM_UP_S)
    for name in peers:
        kind = (name, workload.front, workload.mode)
        if kind in stage.warm:
            continue
        stage.warm.add(kind)
        with contextlib.suppress(Failed, PeerError):  # the rounds will tell
            ALL_WAYS[workload.kind](scene, workload, stage.fleet.get(name, workload.front))


def _running(fleet: Fleet, workload: Workload, name: str, number: int) -> Running:
    if workload.kind in FRESH:
        return fleet.fresh(name, workload.front)
    return fleet.get(name, workload.front)


def _one(stage: Stage, workload: Workload, running: Running) -> dict[str, float]:
    """The figures, with the shares of the core that idle peers and strangers took meanwhile."""
    fleet = stage.fleet
    idle, strange, started = fleet.cpu_of_others(running), fleet.cpu_of_strangers(running), time.monotonic()
    figures = ALL_WAYS[workload.kind](stage.scene, workload, running)
    took = time.monotonic() - started
    return figures | {
        "took_s": took,
        "idle_share": (fleet.cpu_of_others(running) - idle) / took,
        "strange_share": (fleet.cpu_of_strangers(running) - strange) / took,
    }
