"""What stands in for the two C programs where no C compiler is: nginx as the upstream, wrk as the browsers.

They can do less (GETs over kept connections) and cost more, so proxies are kept less busy; what they cannot do is left
out with a reason. They are held to the same: every answer's status and length, and the upstream's count of requests.
It must not be used where the C programs can be built, unless it is asked for.
"""

import http.client
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.build import BuildError, compiler
from bench.load import START_S, Counters, CountingUpstream, Failed
from bench.peers.nginx import BEGIN
from bench.peers.peer import Kind, Running, lacking, launch, listening
from bench.site import HOST, WORK, Site
from bench.workloads import WORKLOADS, Workload

NOTICE = "without a C compiler: nginx and wrk stand in for the bench's own upstream and load"
LOAD = Path(__file__).resolve().parent / "wrk" / "load.py"
NOT_BY_WRK = {
    "rate": "wrk keeps no rate",
    "handshake": "wrk keeps its connections",
    "websocket": "wrk speaks no WebSocket",
    "idle": "wrk speaks no WebSocket",
    "hub": "wrk speaks no WebSocket",
    "slow": "wrk reads as fast as it can",
}
# The answers' fields are those of bench/c/upstream_http.c but for Server, which nginx writes itself.
FILE = (
    BEGIN
    + """\
    access_log off;
    keepalive_timeout 1h;
    sendfile on;
    open_file_cache max=16;
    server_tokens off;
    etag off;
    max_ranges 0;
    default_type "application/json; charset=UTF-8";
    ssl_certificate {site.certificate};
    ssl_certificate_key {site.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    server {{
        listen {host}:{site.upstream_port} backlog=4096;
        listen {host}:{site.upstream_tls_port} ssl backlog=4096;
        location = /counters {{ stub_status; }}
        location ~ "/(?<size>[0-9]+b)$" {{
            alias {folder}/$size;
            add_header Last-Modified "";
            add_header ETag '"5d8c72a5-$size"';
            add_header Cache-Control "private, must-revalidate, max-age=0";
            add_header X-Content-Type-Options nosniff;
            add_header X-Frame-Options SAMEORIGIN;
        }}
        location / {{ return 404 "want a path that ends in /<n>b"; }}
    }}
}}
"""
)


@dataclass(frozen=True)
class Players:
    """What a run needs to have loads: a way to start the upstream, the load, why a workload cannot be run, and what
    keeps a core awake."""

    upstream: Callable[[Site], CountingUpstream]
    load: Path
    lacks: Callable[[Workload], str | None] = lambda _: None
    notice: str = ""
    awake: Path | None = None


def needed() -> bool:
    try:
        compiler()
    except BuildError:
        return True
    return False


def players(core: int, work: Path = WORK) -> Players:
    """`core` is the upstream's. BuildError when nginx or wrk is missing, too."""
    for name, package in (("nginx", "nginx-light"), ("wrk", "wrk")):
        if problem := lacking(name, package):
            raise BuildError(f"{NOTICE}; but {problem}")
    work.mkdir(parents=True, exist_ok=True)
    start = work / "load-without-cc"
    start.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(LOAD))} "$@"\n', "utf-8")
    start.chmod(0o755)
    return Players(lambda site: NginxUpstream.start(site, core), start, lacks, NOTICE)


def lacks(workload: Workload) -> str | None:
    """Why it cannot be run; None when it can."""
    reason = "the upstream counts no bodies" if workload.posted else NOT_BY_WRK.get(workload.mode)
    return f"needs a C compiler: {reason}" if reason else None


class NginxUpstream:
    """Counts by stub_status: all requests since nginx started, its own among them, so what was before is taken away."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._calls = http.client.HTTPConnection(HOST, running.plain_port, timeout=START_S)
        self._known = 0

    @classmethod
    def start(cls, site: Site, core: int) -> "NginxUpstream":
        """Raises PeerError."""
        folder = site.folder("upstream")
        for size in {one.expect for one in WORKLOADS if not lacks(one)}:
            with (folder / f"{size}b").open("wb") as body:
                body.truncate(size)
        file = folder / "nginx.conf"
        file.write_text(FILE.format(folder=folder, site=site, host=HOST), "utf-8")
        process = launch(["nginx", "-e", folder / "error.log", "-c", file], folder, core)
        taken: dict[Kind, int] = {"plain": site.upstream_port, "tls": site.upstream_tls_port}
        return cls(listening(Running("upstream", "plain", process, taken, folder)))

    def counters(self, reset: bool = False) -> Counters:
        self._calls.request("GET", "/counters")
        text = self._calls.getresponse().read().decode("ascii", "replace")
        found = re.search(r"handled requests\n \d+ \d+ (\d+)", text)
        if not found:
            raise Failed(f"the upstream did not tell its counters, but {text!r}")
        self._known += 1
        seen = int(found[1]) - self._known
        if reset:
            self._known += seen
        return Counters(requests=seen)

    def close(self) -> None:
        self._calls.close()
        self._running.stop()
