"""Results for the tests of the benchmark, as if they had been measured."""

from bench.results import Results, Sample

SETTING = {
    "date": "2026-11-22",
    "machine": {"processor": "A processor", "cores": 2, "memory_gb": 8, "kernel": "6.1", "python": "3.11.7"},
    "rounds": 2,
    "thrown_away": [],
    "left_out": {},
    "versions": {"nginx": "1.22.1"},
}


def results(workload: str = "get-1k", figure: str = "cpu_us", **values: list[float]) -> Results:
    """A value for each round, by peer (`nginx_64k` for nginx-64k)."""
    found = Results(dict(SETTING))
    for peer, figures in values.items():
        for number, value in enumerate(figures):
            found.samples.append(Sample(workload, peer.replace("_", "-"), number, {figure: value}))
    return found
