"""What is measured: each workload's name, load, way of measuring, figure that counts, and which peers take part.

Pure data. A workload's `kind` names the way in measure.py; its load is one mode of the C program. It must not know how
anything is run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.peers.peer import Kind

MEGABYTE = 1_000_000
LARGE, UPLOAD = 100 * MEGABYTE, 10 * MEGABYTE


@dataclass(frozen=True)
class Measure:
    """`higher` says that more is better; ratios are turned so that above 1.0 is always better than the peer."""

    name: str
    title: str
    unit: str
    higher: bool = False


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("cpu_us", "CPU per operation", "us"),
        Measure("tunnel_bytes", "memory per idle tunnel", "B"),
        Measure("stream_bytes", "memory per slow stream", "B"),
        Measure("added_p50_us", "added latency, p50", "us"),
        Measure("added_p99_us", "added latency, p99", "us"),
        Measure("per_core_s", "operations a second and core", "1/s", higher=True),
    )
}

OWN = ("qproxy",)
CLOSE = ("nginx", "caddy", "naive", "qproxy", "qproxy-quiet")
MAIN = ("nginx", "nginx-64k", "haproxy", "qproxy")
FIELD = (*MAIN, "caddy", "node-http-proxy", "naive")
PLAIN_FIELD = (*FIELD, "configurable-http-proxy", "relay")
"""Who takes part: where it counts most, everywhere of interest, and without TLS. A run has to end."""


@dataclass(frozen=True)
class Workload:
    """`front`: what is encrypted, as the peers know it. `expect` is the length of each answer, `posted` that of each
    body; `options` are further words for the load; `close` are the peers of whom floors ask for differences as small as
    the noise: they have `more_rounds`. `most_rounds` bounds what takes long."""

    name: str
    title: str
    group: str
    kind: str
    mode: str = "http"
    front: Kind = "plain"
    expect: int = 1024
    posted: int = 0
    connections: int = 1
    options: tuple[str, ...] = ()
    measures: tuple[str, ...] = ("cpu_us",)
    peers: tuple[str, ...] = FIELD
    close: tuple[str, ...] = ()
    more_rounds: int = 0
    most_rounds: int = 0

    @property
    def measure(self) -> Measure:
        """The one that its row in a table shows."""
        return MEASURES[self.measures[0]]


FRONTS: dict[Kind, str] = {"plain": "", "tls": ", TLS", "tls_both": ", TLS on both sides"}
SUFFIX: dict[Kind, str] = {"plain": "", "tls": "-tls", "tls_both": "-tls"}
PLAIN_AND_TLS: tuple[Kind, ...] = ("plain", "tls")
PLAIN_AND_BOTH: tuple[Kind, ...] = ("plain", "tls_both")


def field_of(front: Kind) -> tuple[str, ...]:
    return PLAIN_FIELD if front == "plain" else FIELD


def _small() -> Iterator[Workload]:
    group = "Requests over kept connections"
    for size, name, peers in ((1024, "1 KB", (*PLAIN_FIELD, "qproxy-quiet")), (102_400, "100 KB", PLAIN_FIELD)):
        for front in PLAIN_AND_TLS:
            yield Workload(
                f"get-{size // 1024}k{SUFFIX[front]}",
                f"GET {name}{FRONTS[front]}",
                group,
                "steady",
                front=front,
                expect=size,
                connections=50,
                peers=peers if front == "plain" else FIELD,
                close=CLOSE,
                more_rounds=4,
            )


def _large() -> Iterator[Workload]:
    group = "Large bodies"
    for front in PLAIN_AND_TLS:
        ends = SUFFIX[front], FRONTS[front]
        yield Workload(
            f"download{ends[0]}", f"100 MB down{ends[1]}", group, "steady",
            front=front, expect=LARGE, connections=2, options=("--count", "8"),
            peers=field_of(front),
        )  # fmt: skip
        yield Workload(
            f"upload{ends[0]}", f"10 MB up{ends[1]}", group, "steady",
            front=front, expect=len(str(UPLOAD)), posted=UPLOAD, connections=2, options=("--count", "40"),
            peers=field_of(front),
        )  # fmt: skip


def _handshakes() -> Iterator[Workload]:
    kinds: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("full", "full handshake", ()),
        ("resumed", "resumed session", ("--resume",)),
    )
    for name, title, more in kinds:
        yield Workload(
            f"connect-{name}", f"TLS connection, {title}", "New connections", "steady",
            mode="handshake", front="tls", connections=8, options=more,
        )  # fmt: skip


def _websockets() -> Iterator[Workload]:
    for front in PLAIN_AND_BOTH:
        for size, name in ((200, "200 B"), (16_384, "16 KB"), (1_048_576, "1 MB")):
            for sockets in (1, 100, 1000):
                yield _websocket(front, (size, name), sockets)


def _websocket(front: Kind, size: tuple[int, str], sockets: int) -> Workload:
    many = "1 socket" if sockets == 1 else f"{sockets:,} sockets"
    heavy = size[0] * sockets > 1_000_000_000  # where a clock would stop in the middle of all messages
    return Workload(
        f"ws-{size[1].replace(' ', '').lower()}-{sockets}{SUFFIX[front]}",
        f"{size[1]} echo, {many}{FRONTS[front]}",
        "WebSockets",
        "steady",
        mode="websocket",
        front=front,
        connections=sockets,
        options=("--size", str(size[0]), *(("--count", "1000") if heavy else ())),
        most_rounds=2 if heavy else 0,
        peers=PLAIN_FIELD if sockets == 100 and front == "plain" else MAIN,
    )


def _memory() -> Iterator[Workload]:
    idle: tuple[tuple[int, Kind], ...] = ((1000, "plain"), (9000, "plain"), (1000, "tls_both"))
    for sockets, front in idle:
        yield Workload(
            f"idle-{sockets}{SUFFIX[front]}", f"{sockets:,} idle tunnels{FRONTS[front]}", "Memory", "idle",
            mode="idle", front=front, connections=sockets, measures=("tunnel_bytes",),
            peers=MAIN if sockets == 9000 else field_of(front),
        )  # fmt: skip
    for front in PLAIN_AND_TLS:
        yield Workload(
            f"slow-reader{SUFFIX[front]}", f"100 MB read at 1 MB/s by 8{FRONTS[front]}", "Memory", "slow",
            mode="slow", front=front, expect=LARGE, options=("--read-rate", str(MEGABYTE)),
            measures=("stream_bytes",), peers=MAIN if front == "tls" else PLAIN_FIELD, connections=8,
        )  # fmt: skip


def _latency() -> Iterator[Workload]:
    for front in PLAIN_AND_TLS:
        yield Workload(
            f"rate-1000{SUFFIX[front]}", f"1,000 requests a second{FRONTS[front]}", "Added latency", "rate",
            mode="rate", front=front, connections=50, options=("--rate", "1000"),
            measures=("added_p50_us", "added_p99_us"), peers=PLAIN_FIELD if front == "plain" else MAIN,
        )  # fmt: skip
    yield Workload(
        "hub", "a hub's start: 25 requests, 4 sockets", "Page loads", "hub",
        mode="hub", options=("--count", "60"), peers=PLAIN_FIELD,
    )  # fmt: skip


def _own() -> Iterator[Workload]:
    group = "qproxy's own pages"
    yield Workload(
        "session-module", "session module, GET session", group, "module",
        connections=16, measures=("per_core_s",), peers=OWN,
    )  # fmt: skip
    yield Workload(
        "logins", "logins by form, without the password hash", group, "logins",
        measures=("per_core_s",), peers=OWN,
    )  # fmt: skip


WORKLOADS = tuple(one for part in (_small, _large, _handshakes, _websockets, _memory, _latency, _own) for one in part())


class Unknown(Exception):
    """No workload has such a name."""


def chosen(names: Sequence[str]) -> tuple[Workload, ...]:
    """Those with one of the names, else those that begin with one; all when there are no names. Raises Unknown."""
    for name in names:
        if not any(one.name.startswith(name) for one in WORKLOADS):
            raise Unknown(f"no workload is called {name!r}; `--list` shows them")
    exact = {one.name for one in WORKLOADS} & set(names)
    prefixes = tuple(set(names) - exact)
    return tuple(one for one in WORKLOADS if not names or one.name in exact or one.name.startswith(prefixes or ("\0",)))
