"""results.svg: for each workload, how many times qproxy's CPU (or memory, or latency) the other proxies need.

A small writer of its own, because the drawing is rows of dots and a library would be the benchmark's heaviest part. It
must not compute figures.
"""

import math
from collections.abc import Iterator
from html import escape

from bench.results import Results
from bench.workloads import WORKLOADS, Workload

DOTS = {
    "nginx": ("nginx", "#0b7a3b"), "nginx-64k": ("nginx, 64 KB buffers", "#7cc49a"), "haproxy": ("HAProxy", "#1f5fa8"),
    "caddy": ("Caddy", "#c2571a"), "node-http-proxy": ("Node", "#8a3ffc"), "naive": ("naive aiohttp", "#9a2a2a"),
    "relay": ("relay in C", "#888888"), "qproxy-compiled": ("qproxy, compiled", "#111111"),
}  # fmt: skip
"""What each peer is called, and its colour; others are not drawn."""
LETTER = 7
SVG = "http://www.w3.org/2000/svg"
MEANING = "cost of the other proxy / cost of qproxy; right of 1 qproxy is cheaper"
LEFT, RIGHT, TOP, ROW, WIDTH = 300, 30, 64, 20, 900
LOW, HIGH = 0.25, 32.0
TICKS = (0.25, 0.5, 1, 2, 4, 8, 16, 32)


def place(ratio: float) -> float:
    """The x of a ratio, on a scale where each doubling is as wide; what is beyond the ends stands at the end."""
    share = math.log(min(max(ratio, LOW), HIGH) / LOW) / math.log(HIGH / LOW)
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def svg(results: Results) -> str:
    rows = [one for one in WORKLOADS if len(results.peers(one.name)) > 1]
    height = TOP + ROW * len(rows) + 34
    parts = [
        f'<svg xmlns="{SVG}" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_legend({one.peer for one in results.samples}),
        *_scale(TOP - 8, TOP + ROW * len(rows)),
    ]
    for number, workload in enumerate(rows):
        parts += _row(workload, TOP + ROW * number + ROW / 2, results)
    return "\n".join([*parts, "</svg>", ""])


def _legend(present: set[str]) -> Iterator[str]:
    x = 20
    for name, colour in (DOTS[peer] for peer in DOTS if peer in present):
        yield f'<circle cx="{x}" cy="18" r="5" fill="{colour}"/><text x="{x + 9}" y="22">{escape(name)}</text>'
        x += 36 + LETTER * len(name)
    yield f'<text x="{LEFT}" y="44" fill="#555555">{MEANING}</text>'


def _scale(top: float, bottom: float) -> Iterator[str]:
    for tick in TICKS:
        x, strong = place(tick), tick == 1
        colour = "#444444" if strong else "#dddddd"
        yield f'<line x1="{x}" y1="{top}" x2="{x}" y2="{bottom}" stroke="{colour}"/>'
        yield f'<text x="{x}" y="{bottom + 16}" text-anchor="middle" fill="#555555">{tick:g}</text>'


def _row(workload: Workload, y: float, results: Results) -> Iterator[str]:
    yield f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(workload.title)}</text>'
    for peer, (name, colour) in DOTS.items():
        ratio = results.ratio(workload.name, workload.measure.name, peer)
        if ratio:
            title, x = f"<title>{escape(name)}: {ratio.median:.2f}</title>", place(ratio.median)
            yield f'<circle cx="{x}" cy="{y}" r="4.5" fill="{colour}" fill-opacity="0.85">{title}</circle>'
