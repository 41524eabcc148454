"""Results as text: the table on the terminal, RESULTS.md, and the small table in the README.

All figures come from Results; nothing is rounded before it is compared. It must not measure, and what it writes holds
no path of this machine and no time but the date.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench import plot
from bench.floors import Floor, Verdict
from bench.results import BUSY, COMPILED, OURS, Results, Spread
from bench.workloads import MEASURES, WORKLOADS, Measure, Workload

START, END = "<!-- bench:start -->", "<!-- bench:end -->"
"""What run.py --results replaces in the README stands between these two lines."""
IDLE_SHARE, NOISE = 0.02, 0.05
"""Of a core: what the peers without load may use together, and what other programs may."""
TITLES = {
    "qproxy": "qproxy", "qproxy-quiet": "qproxy without access log", "qproxy-compiled": "qproxy, compiled",
    "nginx": "nginx", "nginx-64k": "nginx, 64 KB buffers", "haproxy": "HAProxy", "caddy": "Caddy",
    "node-http-proxy": "Node http-proxy", "configurable-http-proxy": "configurable-http-proxy",
    "naive": "naive aiohttp proxy", "relay": "bare relay in C (no HTTP)",
}  # fmt: skip
UNITS = {
    "us": ((1e6, "s"), (1e3, "ms"), (1.0, "us")),
    "B": ((1e6, "MB"), (1e3, "kB"), (1.0, "B")),
    "1/s": ((1.0, "/s"),),
}
PACED, MEMORY, RESUMED = "rate", ("idle", "slow"), "connect-resumed"
"""Beginnings of the names of workloads that leave the core idle, or do not count CPU; and one name."""
WARNINGS: tuple[tuple[str, str, Callable[[str, float], bool]], ...] = (
    (
        "core not busy, so only CPU counts, not operations a second",
        "busy",
        lambda workload, share: share < BUSY and not workload.startswith(PACED),
    ),
    ("peers without load used the core meanwhile", "idle_share", lambda _, share: share > IDLE_SHARE),
    (
        "other programs used the core meanwhile, so figures are less sure",
        "strange_share",
        lambda workload, share: share > NOISE and not workload.startswith(MEMORY),
    ),
    ("sessions were not all resumed", "resumed", lambda workload, share: share < 1 and workload == RESUMED),
)
"""What is said, of which figure's median, of which workloads and when."""
README_ROWS = (
    "get-1k", "get-1k-tls", "get-100k", "get-100k-tls", "download", "upload", "ws-200b-100", "ws-16kb-100", "hub",
)  # fmt: skip
README_PEERS = ("nginx", "haproxy", "caddy", "node-http-proxy", "naive")
GLANCE_PEERS = {*README_PEERS, "nginx-64k", "configurable-http-proxy", "relay"}


def amount(value: float, unit: str) -> str:
    """With three digits that count: 52.1 us, 1.24 ms, 3,410 /s."""
    for factor, name in UNITS[unit]:
        if abs(value) >= factor or factor == UNITS[unit][-1][0]:
            scaled = value / factor
            digits = 0 if abs(scaled) >= 100 else 1 if abs(scaled) >= 10 else 2
            return f"{scaled:,.{digits}f} {name}"
    raise AssertionError("each unit has a smallest one")


def times(ratio: Spread | None) -> str:
    return f"{ratio.median:.2f}" if ratio else ""


def bound_text(floor: Floor) -> str:
    what = MEASURES[floor.measure]
    word = "at least" if floor.at_least is not None else "at most"
    if floor.peer:
        return f"{word} {floor.bound:g} of {TITLES.get(floor.peer, floor.peer)} ({what.title})"
    return f"{word} {amount(floor.bound, what.unit)} ({what.title})"


# the terminal


def show(workload: Workload, results: Results) -> None:
    print("\n".join(terminal_table(workload, results)), flush=True)


def terminal_table(workload: Workload, results: Results) -> list[str]:
    """A line for each peer: median, extremes, and how many times better qproxy is."""
    lines = [f"\n{workload.name}: {workload.title}"]
    for name in workload.measures:
        measure = MEASURES[name]
        lines.append(
            f"  {measure.title:<28}{'median':>10}  {'min .. max':<22}{'per second':>10}  core   qproxy is x of it"
        )
        for peer in results.peers(workload.name):
            spread = results.spread(workload.name, peer, name)
            if spread:
                lines.append(_terminal_row(workload.name, peer, (measure, spread), results))
    return lines + [f"  ! {warning}" for warning in warnings(workload.name, results)]


def _terminal_row(workload: str, peer: str, found: tuple[Measure, Spread], results: Results) -> str:
    measure, spread = found
    extremes = f"{amount(spread.low, measure.unit)} .. {amount(spread.high, measure.unit)}"
    speed, busy = results.spread(workload, peer, "per_second"), results.spread(workload, peer, "busy")
    ratio = results.ratio(workload, measure.name, peer) if peer != OURS else None
    against = f"{ratio.median:.2f}  ({ratio.low:.2f} .. {ratio.high:.2f})" if ratio else ""
    return (
        f"  {peer:<28}{amount(spread.median, measure.unit):>10}  {extremes:<22}"
        f"{f'{speed.median:,.0f}' if speed else '':>10}  {f'{busy.median:4.0%}' if busy else '    '}   {against}"
    )


def warnings(workload: str, results: Results) -> list[str]:
    """What a reader of this workload's figures must know."""
    found = []
    for text, figure, wrong in WARNINGS:
        spreads = {peer: results.spread(workload, peer, figure) for peer in results.peers(workload)}
        names = [f"{peer} {one.median:.0%}" for peer, one in spreads.items() if one and wrong(workload, one.median)]
        if names:
            found.append(f"{text}: {', '.join(names)}")
    return found


def verdict_table(verdicts: Iterable[Verdict]) -> str:
    return "\n".join(["Floors", *(f"  {_verdict_row(one)}" for one in verdicts)])


def _verdict_row(verdict: Verdict) -> str:
    word = "held" if verdict.held else "MISSED" if verdict.measured else "NOT MEASURED"
    return f"{word:<13}{verdict.floor.workload:<18}{_measured(verdict):<22}{bound_text(verdict.floor)}"


def _measured(verdict: Verdict) -> str:
    floor = verdict.floor
    unit = MEASURES[floor.measure].unit
    return ", ".join(f"{value:.2f}" if floor.peer else amount(value, unit) for value in verdict.values)


# files


def write(results: Results, verdicts: Sequence[Verdict], root: Path) -> None:
    """RESULTS.md and results.svg, and the README's table where it has the two marks."""
    folder = root / "bench"
    (folder / "RESULTS.md").write_text(results_page(results, verdicts), encoding="utf-8")
    (folder / "results.svg").write_text(plot.svg(results), encoding="utf-8")
    readme = root / "README.md"
    readme.write_text(refreshed(readme.read_text(encoding="utf-8"), readme_table(results)), encoding="utf-8")


def refreshed(text: str, table: str) -> str:
    """The text with the table between the marks; unchanged where it has none."""
    between = re.compile(f"{re.escape(START)}.*?{re.escape(END)}", re.DOTALL)
    return between.sub(lambda _: f"{START}\n{table}\n{END}", text)


def readme_table(results: Results) -> str:
    rows = [one for one in WORKLOADS if one.name in README_ROWS and results.peers(one.name)]
    head = ["CPU per operation", "qproxy", *(f"x {TITLES[peer]}" for peer in README_PEERS), "compiled: x nginx"]
    return table(head, (_readme_row(one, results) for one in rows))


def _readme_row(workload: Workload, results: Results) -> list[str]:
    spread = results.spread(workload.name, OURS, workload.measure.name)
    ratios = [times(results.ratio(workload.name, workload.measure.name, peer)) for peer in README_PEERS]
    compiled = times(results.ratio(workload.name, workload.measure.name, "nginx", COMPILED))
    return [workload.title, amount(spread.median, workload.measure.unit) if spread else "", *ratios, compiled]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """Markdown; the first `texts` columns are text, the others are figures."""
    rule = ["---" if column < texts else "---:" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def results_page(results: Results, verdicts: Sequence[Verdict]) -> str:
    groups = dict.fromkeys(one.group for one in WORKLOADS if results.peers(one.name))
    parts = [
        _opening(results),
        _glance(results),
        _versions(results),
        *(_group(name, results) for name in groups),
        _floors(verdicts),
    ]
    return "\n\n".join([part for part in parts if part]) + "\n"


def _opening(results: Results) -> str:
    setting = results.setting
    machine = setting.get("machine", {})
    return f"""# What qproxy costs beside other proxies

Written by `bench/run.py --results`; do not edit. Measured on {setting.get("date")}: {machine.get("processor")},
{machine.get("cores")} cores, {machine.get("memory_gb")} GB, Linux {machine.get("kernel")}.

Each proxy had one core for itself; load and upstream had the other one; while one socket was measured, both were kept
from falling asleep. All ran side by side and took turns within each round. CPU is user and system time of all processes
of a proxy, divided by the operations; memory is PSS. "qproxy is x times" is the proxy's cost divided by qproxy's: above
1.00 qproxy is cheaper, **below 1.00, in bold, it loses**. Min and max are those of the rounds: {setting.get("rounds")},
for memory at most 2, for GETs more of those whom floors compare.

Every answer's status and length were checked, and the upstream counted exactly the operations that were sent. Requests
are browser-like: 64 variants of some 15 header fields, with foreign cookies and the cookie of a session; through qproxy
that session is logged in, and all its logs are on.

![The cost of each proxy divided by qproxy's](results.svg)"""


def _glance(results: Results) -> str:
    """One row for each workload that others take part in: how many times better qproxy is."""
    peers = [peer for peer in TITLES if peer in GLANCE_PEERS]
    rows = [
        [one.title, *(_bold(results.ratio(one.name, one.measure.name, peer)) for peer in peers)]
        for one in WORKLOADS
        if len(results.peers(one.name)) > 1
    ]
    return "## At a glance\n\nHow many times better qproxy is than each.\n\n" + table(
        ["", *(TITLES[peer] for peer in peers)], rows
    )


def _bold(ratio: Spread | None) -> str:
    return f"**{times(ratio)}**" if ratio and ratio.median < 1 else times(ratio)


def _versions(results: Results) -> str:
    setting = results.setting
    versions = setting.get("versions", {})
    left_out = setting.get("left_out", {})  # the reasons may name paths of this machine
    lines = [f"* {TITLES.get(name, name)}: {version}" for name, version in versions.items()]
    lines += [f"* {TITLES.get(name, name)} was not there and is left out" for name in left_out]
    lines += [f"* {setting['notice']}"] if setting.get("notice") else []
    titles = {one.name: one.title for one in WORKLOADS}
    lines += [f"* {titles[name]} (`{name}`) is left out: {why}" for name, why in setting.get("not_run", {}).items()]
    return "\n".join(["## Versions", "", *lines]) if lines else ""


def _group(name: str, results: Results) -> str:
    workloads = [one for one in WORKLOADS if one.group == name and results.peers(one.name)]
    return "\n\n".join([f"## {name}", *(_section(one, results) for one in workloads)])


def _section(workload: Workload, results: Results) -> str:
    lines = [f"### {workload.title} (`{workload.name}`)"]
    for measure in workload.measures:
        head = [MEASURES[measure].title, "median", "min", "max", "operations a second", "qproxy is x times"]
        rows = [_row(workload.name, measure, peer, results) for peer in results.peers(workload.name)]
        lines.append(table(head, [row for row in rows if row]))
    return "\n\n".join(lines + [f"{warning[0].upper()}{warning[1:]}." for warning in warnings(workload.name, results)])


def _row(workload: str, measure: str, peer: str, results: Results) -> list[str]:
    spread = results.spread(workload, peer, measure)
    if spread is None:
        return []
    speed = results.spread(workload, peer, "per_second")
    ratio = results.ratio(workload, measure, peer) if peer != OURS else None
    unit = MEASURES[measure].unit
    cells = [amount(value, unit) for value in (spread.median, spread.low, spread.high)]
    return [TITLES.get(peer, peer), *cells, f"{speed.median:,.0f}" if speed else "", _bold(ratio)]


def _floors(verdicts: Sequence[Verdict]) -> str:
    rows = [
        [one.floor.workload, bound_text(one.floor), _measured(one) or "not measured", "yes" if one.held else "**no**"]
        for one in verdicts
    ]
    return f"## Floors\n\n{table(['workload', 'bound', 'measured', 'held'], rows, texts=2)}"
