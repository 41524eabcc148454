"""The benchmark's one command: builds, starts, measures side by side, prints, compares, writes down.

    bench/run.py                  everything, about 12 minutes; JSON lines in bench/.work/results.jsonl
    bench/run.py --quick          the most telling workloads, about 80 seconds
    bench/run.py --only get-1k --peers nginx,qproxy
    bench/run.py --check          floors.yaml: exit status 1 when one is missed twice
    bench/run.py --results        everything, then RESULTS.md, results.svg and the README's table
    bench/run.py --without-cc     GETs and downloads only, as where no C compiler is: nginx and wrk stand in

The proxy has the first core for itself; load, upstream and this program share the second one. Exit status 1: a floor
is missed, or a measurement does not count. Exit status 2: it cannot run here.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import compiled, floors, machine, report  # noqa: E402
from bench.build import BuildError  # noqa: E402
from bench.install import install  # noqa: E402
from bench.load import Failed  # noqa: E402
from bench.peers.lineup import LINEUP  # noqa: E402
from bench.peers.peer import PeerError  # noqa: E402
from bench.results import COMPILED, OURS, Results  # noqa: E402
from bench.rounds import QUICK, ROUNDS, SECONDS, Plan, measure  # noqa: E402
from bench.site import WORK  # noqa: E402
from bench.workloads import WORKLOADS, Unknown, chosen  # noqa: E402

MISSED, CANNOT, INTERRUPTED = 1, 2, 130


def options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the most telling workloads only, shorter")
    parser.add_argument("--only", metavar="NAME,..", type=_names, default=(), help="workloads, or what they begin with")
    parser.add_argument("--peers", metavar="NAME,..", type=_names, default=(), help="proxies that take part")
    parser.add_argument("--rounds", type=int, default=0, help=f"of A B A B (default {ROUNDS})")
    parser.add_argument("--seconds", type=float, default=0.0, help=f"for each load (default {SECONDS})")
    parser.add_argument(
        "--compiled",
        metavar="PYTHON",
        type=Path,
        help="a venv's Python whose qproxy is compiled (default: what --install made)",
    )
    parser.add_argument("--install", action="store_true", help="get the other proxies first")
    parser.add_argument("--without-cc", action="store_true", help="as where no C compiler is: nginx and wrk stand in")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a floor is missed in 2 of 2 attempts")
    parser.add_argument("--results", action="store_true", help="write RESULTS.md, results.svg and the README's table")
    parser.add_argument("--json", metavar="FILE", type=Path, default=WORK / "results.jsonl", help="where samples go")
    parser.add_argument("--read", metavar="FILE", type=Path, help="take samples from there instead of measuring")
    parser.add_argument("--list", action="store_true", help="name workloads and floors, measure nothing")
    return parser.parse_args(words)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def plan(given: argparse.Namespace) -> Plan:
    """Raises Unknown and floors.BadFloors."""
    workloads = chosen(given.only or (QUICK.workloads if given.quick else ()))
    peers = given.peers or (QUICK.peers if given.quick and not given.only else ())
    needed = floors.needed(floors.read()) if given.check and not given.results else None
    if needed is not None:
        workloads = tuple(one for one in workloads if one.name in needed)
    build = given.compiled.absolute() if given.compiled else compiled.python()
    known = {*LINEUP, *([COMPILED] if build else [])}
    if unknown := [name for name in peers if name not in known]:
        raise Unknown(f"no peer is called {unknown[0]!r}")
    return Plan(
        workloads,
        peers,
        given.rounds or (QUICK.rounds if given.quick else ROUNDS),
        given.seconds or (QUICK.seconds if given.quick else SECONDS),
        build,  # a venv's Python is a link that must not be followed
        needed,
        given.without_cc,
    )


def listing() -> str:
    lines = [f"{one.name:<20} {one.title:<50} {one.measure.title}" for one in WORKLOADS]
    bounds = [f"{one.workload:<20} {report.bound_text(one):<50} {one.why}" for one in floors.read()]
    return "\n".join(["Workloads", *lines, "", "Floors", *bounds])


SURER = 3
"""Times as many rounds in a second attempt, of those alone whom floors compare."""


def check(wanted: Plan, results: Results) -> list[floors.Verdict]:
    """On all floors of the workloads in question, after a second attempt where needed."""

    def again(missed: set[str]) -> Results:
        print(f"\nA second attempt at {', '.join(sorted(missed))}", flush=True)
        surer = replace(wanted.only(missed), rounds=SURER * wanted.rounds, needed=floors.needed(floors.read()))
        second = measure(surer, report.show)
        results.setting["thrown_away"] += second.setting["thrown_away"]
        return second

    taken = {one.name: wanted.of(one) for one in wanted.workloads}
    concerned = [one for one in floors.read() if (one.peer or OURS) in taken.get(one.workload, ())]
    verdicts = floors.settle(concerned, results, again)
    print("\n" + report.verdict_table(verdicts), flush=True)
    return verdicts


def _refuse_part(measured: Sequence[str]) -> None:
    """Raises Unknown: the pages tell of a full run, and a part of one would take the other figures away."""
    if missing := [one.name for one in WORKLOADS if one.name not in measured]:
        raise Unknown(f"--results needs a full run; these workloads are missing: {', '.join(missing)}")


def work(given: argparse.Namespace) -> int:
    if given.install and (problems := install()):
        print("\n".join(problems), file=sys.stderr)
        return CANNOT
    wanted = plan(given)
    results = Results.read(given.read) if given.read else None
    if given.results:
        _refuse_part([one.name for one in wanted.workloads] if results is None else results.workloads())
    if results is None:
        results = measure(wanted, report.show)
        results.save(given.json)
    verdicts = check(wanted, results) if given.check else floors.judge(floors.read(), [results])
    if given.results:
        _refuse_part(results.workloads())
        report.write(results, verdicts, ROOT)
    thrown_away = results.setting.get("thrown_away", [])
    for line in thrown_away:
        print(f"THROWN AWAY: {line}", file=sys.stderr)
    held = not given.check or all(verdict.held for verdict in verdicts)
    return 0 if held and not thrown_away else MISSED


def main(words: Sequence[str]) -> int:
    given = options(words)
    try:
        if given.list:
            print(listing())
            return 0
        return work(given)
    except (Unknown, floors.BadFloors, machine.Unfit, BuildError, PeerError, Failed, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        print("bench: interrupted; all that it started is stopped", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
