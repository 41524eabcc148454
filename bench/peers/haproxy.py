"""HAProxy with one thread and a pool of kept-alive connections.

It writes no files by itself. Of what it has, "stdout" comes nearest to nginx's access log: one write for each request,
here to output.log. (Its ring in memory would cost less and keep only the newest lines.)
"""

from dataclasses import dataclass
from pathlib import Path

from bench.peers.peer import KINDS, Kind, Running, lacking, launch, listening, ports
from bench.site import HOST, SERVER_NAME, Site

# No maxconn: HAProxy takes what the limit of open files allows, and refuses to start when told more.
FILE = """\
global
    nbthread 1
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    option forwardfor
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout http-request 10s
    timeout http-keep-alive 75s
    timeout client 10m
    timeout server 10m
    timeout tunnel 1h
frontend plain
    bind {host}:{plain} backlog 4096
    default_backend plain
frontend tls
    bind {host}:{tls} backlog 4096 ssl crt {pem} alpn http/1.1
    default_backend plain
frontend tls_both
    bind {host}:{tls_both} backlog 4096 ssl crt {pem} alpn http/1.1
    default_backend tls
backend plain
    server node {host}:{site.upstream_port}
backend tls
    server node {host}:{site.upstream_tls_port} ssl verify required ca-file {site.ca} sni str({name}) verifyhost {name}
"""


@dataclass(frozen=True, slots=True)
class HAProxy:
    """One process serves all kinds."""

    kind: Kind = "plain"
    name: str = "haproxy"
    kinds: tuple[Kind, ...] = KINDS

    def available(self) -> str | None:
        return lacking("haproxy", "haproxy")

    def start(self, site: Site, core: int) -> Running:
        folder, taken = site.folder(self.name), ports()
        file = folder / "haproxy.cfg"
        file.write_text(FILE.format(site=site, pem=_pem(site, folder), host=HOST, name=SERVER_NAME, **taken), "utf-8")
        process = launch(["haproxy", "-db", "-f", file], folder, core)
        return listening(Running(self.name, self.kind, process, taken, folder))


def _pem(site: Site, folder: Path) -> Path:
    """Certificate and key in one file."""
    pem = folder / "both.pem"
    pem.touch(mode=0o600)
    pem.write_bytes(site.certificate.read_bytes() + site.key.read_bytes())
    return pem
