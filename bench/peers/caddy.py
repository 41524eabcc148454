"""Caddy on one processor, with an access log and as many idle connections as the others may keep."""

from dataclasses import dataclass

from bench.install import CADDY, program
from bench.peers.peer import KINDS, POOL, Kind, Running, launch, listening, ports
from bench.site import HOST, SERVER_NAME, Site

FILE = """\
{{
    admin off
    auto_https off
    persist_config off
    servers {{
        protocols h1
    }}
}}
(logged) {{
    bind {host}
    log {{
        output file {folder}/access.log {{
            roll_disabled
        }}
    }}
}}
http://:{plain} {{
    import logged
    reverse_proxy {host}:{site.upstream_port} {{
        transport http {{
            keepalive_idle_conns_per_host {pool}
        }}
    }}
}}
https://:{tls} {{
    import logged
    tls {site.certificate} {site.key}
    reverse_proxy {host}:{site.upstream_port} {{
        transport http {{
            keepalive_idle_conns_per_host {pool}
        }}
    }}
}}
https://:{tls_both} {{
    import logged
    tls {site.certificate} {site.key}
    reverse_proxy https://{host}:{site.upstream_tls_port} {{
        transport http {{
            tls_trust_pool file {site.ca}
            tls_server_name {name}
            versions 1.1
            keepalive_idle_conns_per_host {pool}
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Caddy:
    """One process serves all kinds."""

    kind: Kind = "plain"
    name: str = "caddy"
    kinds: tuple[Kind, ...] = KINDS

    def available(self) -> str | None:
        return None if _binary() else f"caddy is neither on PATH nor {CADDY}: bench/run.py --install"

    def start(self, site: Site, core: int) -> Running:
        folder, taken = site.folder(self.name), ports()
        file = folder / "Caddyfile"
        words = FILE.format(site=site, folder=folder, host=HOST, name=SERVER_NAME, pool=POOL, **taken)
        file.write_text(words, "utf-8")
        command = [_binary() or "caddy", "run", "--config", str(file), "--adapter", "caddyfile"]
        homes = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        process = launch(command, folder, core, {"GOMAXPROCS": "1", **homes})
        return listening(Running(self.name, self.kind, process, taken, folder))


def _binary() -> str | None:
    return str(CADDY) if CADDY.exists() else program("caddy")
