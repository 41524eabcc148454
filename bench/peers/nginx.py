"""nginx, the yardstick: as it comes, and with buffers so large that bodies do not go through 4 KB pieces."""

from dataclasses import dataclass
from pathlib import Path

from bench.peers.peer import KINDS, POOL, Kind, Running, lacking, launch, listening, ports
from bench.site import HOST, SERVER_NAME, Site

LARGE_BUFFERS = "proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;"

# ssl_protocols, proxy_ssl_protocols: the defaults of nginx since 1.23.4; Debian's 1.22 would stay with TLS 1.2, whose
# resumption makes no new keys, so that no proxy with TLS 1.3 could be compared.
# keepalive_requests: nginx closes a connection after 1000 requests by itself, which the load would take for an error.
BEGIN = """\
worker_processes 1;
user root;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 20000; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
"""
"""Of any nginx of ours: one process, all that it writes in a folder of its own, and connections that are kept."""

FILE = (
    BEGIN
    + """\
    access_log {folder}/access.log;
    client_max_body_size 0;
    upstream plain {{ server {host}:{site.upstream_port}; keepalive {pool}; keepalive_requests 1000000000; }}
    upstream tls {{ server {host}:{site.upstream_tls_port}; keepalive {pool}; keepalive_requests 1000000000; }}
    map $http_upgrade $connection_upstream {{ default upgrade; '' ''; }}
    ssl_certificate {site.certificate};
    ssl_certificate_key {site.key};
    ssl_session_cache shared:browsers:10m;
    ssl_session_tickets on;
    ssl_protocols TLSv1.2 TLSv1.3;
    proxy_ssl_protocols TLSv1.2 TLSv1.3;
    proxy_ssl_verify on;
    proxy_ssl_trusted_certificate {site.ca};
    proxy_ssl_name {server_name};
    proxy_ssl_server_name on;
    proxy_http_version 1.1;
    proxy_set_header Connection $connection_upstream;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_read_timeout 1h;
    {more}
    server {{ listen {host}:{plain} backlog=4096; location / {{ proxy_pass http://plain; }} }}
    server {{ listen {host}:{tls} ssl backlog=4096; location / {{ proxy_pass http://plain; }} }}
    server {{ listen {host}:{tls_both} ssl backlog=4096; location / {{ proxy_pass https://tls; }} }}
}}
"""
)


@dataclass(frozen=True, slots=True)
class Nginx:
    """One process tree serves all kinds."""

    kind: Kind = "plain"
    name: str = "nginx"
    kinds: tuple[Kind, ...] = KINDS
    more: str = ""
    """Further directives."""

    def available(self) -> str | None:
        return lacking("nginx", "nginx-light")

    def start(self, site: Site, core: int) -> Running:
        folder, taken = site.folder(self.name), ports()
        file = self._write(site, folder, taken)
        process = launch(["nginx", "-e", folder / "error.log", "-c", file], folder, core)
        return listening(Running(self.name, self.kind, process, taken, folder))

    def _write(self, site: Site, folder: Path, taken: dict[Kind, int]) -> Path:
        file = folder / "nginx.conf"
        own = {"folder": folder, "site": site, "more": self.more}
        file.write_text(FILE.format(**own, **taken, host=HOST, server_name=SERVER_NAME, pool=POOL), "utf-8")
        return file


def nginx_64k(kind: Kind = "plain") -> Nginx:
    return Nginx(kind, name="nginx-64k", more=LARGE_BUFFERS)
