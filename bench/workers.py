"""qproxy with one worker and with several, side by side: what a request costs, and how many there are in a second.

    bench/workers.py                       1 against 2 workers, a few seconds for each workload
    bench/workers.py --workers 1,4 --seconds 5 --only get-1k,ws-200b-100

Here qproxy may use all cores, the load and the upstream too: on a machine with two cores they take from each other, so
there the CPU for a request is what tells, not the requests in a second. Nothing is written down.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import machine
from bench.build import BuildError, build
from bench.fleet import Fleet
from bench.load import Failed, Upstream, start_upstream
from bench.measure import WAYS, Figures, Scene
from bench.peers.peer import Kind, Peer, PeerError, Running
from bench.peers.qproxy import QProxy
from bench.site import WORK, Site, new_site
from bench.workloads import Unknown, chosen

ROUNDS, SECONDS, CANNOT = 3, 1.0, 2
Taken = dict[tuple[str, str], list[Figures]]


def options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/workers.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", metavar="N,..", default="1,2", help="numbers of workers")
    parser.add_argument("--only", metavar="NAME,..", default="get-1k,ws-200b-100", help="workloads of kind steady")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each load")
    return parser.parse_args(words)


def make(name: str, kind: Kind) -> Peer:
    return QProxy(kind, name=name, workers=int(name.rpartition("-")[2]))


def unpinned(running: Running) -> Running:
    """On all cores that this program may use."""
    if sys.platform == "linux":
        for pid in machine.tree(running.pid):
            os.sched_setaffinity(pid, os.sched_getaffinity(0))
    return running


def measure(given: argparse.Namespace) -> Taken:
    names = [f"workers-{number}" for number in given.workers.split(",")]
    programs, taken = build(), defaultdict(list)
    with _site() as site, _upstream(programs.upstream, site) as upstream, _fleet(site) as fleet:
        scene = Scene(site, upstream, programs.load, given.seconds)
        for workload in chosen(given.only.split(",")):
            for _ in range(given.rounds):
                for name in names:
                    running = unpinned(fleet.get(name, workload.front))
                    taken[workload.name, name].append(WAYS[workload.kind](scene, workload, running))
    return taken


@contextlib.contextmanager
def _site() -> Iterator[Site]:
    site = new_site(WORK / f"workers-{os.getpid()}")
    try:
        yield site
    finally:
        shutil.rmtree(site.work, ignore_errors=True)


def _upstream(binary: Path, site: Site) -> contextlib.closing[Upstream]:
    tls = ["--tls-port", str(site.upstream_tls_port), "--cert", str(site.certificate), "--key", str(site.key)]
    return contextlib.closing(start_upstream(binary, tls, site.upstream_port))


def _fleet(site: Site) -> Fleet:
    return Fleet(site, machine.cores()[0], make)


def table(taken: Taken) -> str:
    lines = [f"{'workload':<20} {'':<12} {'a second':>10} {'CPU of one':>12}"]
    for (workload, name), figures in taken.items():
        rate, cpu = (statistics.median(one[what] for one in figures) for what in ("per_second", "cpu_us"))
        lines.append(f"{workload:<20} {name:<12} {rate:>10.0f} {cpu:>9.1f} us")
    return "\n".join(lines)


def main(words: Sequence[str]) -> int:
    try:
        print(table(measure(options(words))))
    except (Unknown, machine.Unfit, BuildError, PeerError, Failed, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return CANNOT
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
