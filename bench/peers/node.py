"""The two proxies of Node: the library http-proxy in a script of ours, and Jupyter's configurable-http-proxy.

configurable-http-proxy keeps no access log (only its debug level tells of requests, a trace of each step), so it has an
easier task than the others.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from bench.install import NODE_MODULES
from bench.peers.peer import KINDS, POOL, Kind, Running, lacking, launch, listening, ports
from bench.site import HOST, Site, free_port

SCRIPT = Path(__file__).resolve().with_name("node_http_proxy.cjs")
CHP = NODE_MODULES / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
KEEP_ALIVE_MS = 75_000


@dataclass(frozen=True, slots=True)
class NodeHttpProxy:
    """One process serves all kinds."""

    kind: Kind = "plain"
    name: str = "node-http-proxy"
    kinds: tuple[Kind, ...] = KINDS

    def available(self) -> str | None:
        return _unavailable(NODE_MODULES / "http-proxy")

    def start(self, site: Site, core: int) -> Running:
        folder, taken = site.folder(self.name), ports()
        settings = {
            "host": HOST,
            "ports": taken,
            "upstream": f"http://{HOST}:{site.upstream_port}",
            "upstreamTls": f"https://{HOST}:{site.upstream_tls_port}",
            "ca": str(site.ca),
            "certificate": str(site.certificate),
            "key": str(site.key),
            "accessLog": str(folder / "access.log"),
            "pool": POOL,
        }
        command = ["node", str(SCRIPT), json.dumps(settings)]
        process = launch(command, folder, core, {"NODE_PATH": str(NODE_MODULES)})
        return listening(Running(self.name, self.kind, process, taken, folder))


@dataclass(frozen=True, slots=True)
class ConfigurableHttpProxy:
    """It has one public port: each kind is a process of its own."""

    kind: Kind = "plain"
    name: str = "configurable-http-proxy"
    kinds: tuple[Kind, ...] = KINDS

    def available(self) -> str | None:
        return _unavailable(CHP)

    def start(self, site: Site, core: int) -> Running:
        folder, taken = site.folder(self.name), ports([self.kind])
        both = self.kind == "tls_both"
        target = f"https://{HOST}:{site.upstream_tls_port}" if both else f"http://{HOST}:{site.upstream_port}"
        command = ["node", str(CHP), "--ip", HOST, "--port", str(taken[self.kind]), "--default-target", target]
        command += ["--api-ip", HOST, "--api-port", str(free_port()), "--keep-alive-timeout", str(KEEP_ALIVE_MS)]
        if self.kind != "plain":
            command += ["--ssl-cert", str(site.certificate), "--ssl-key", str(site.key)]
        process = launch(command, folder, core, {"NODE_EXTRA_CA_CERTS": str(site.ca)})
        return listening(Running(self.name, self.kind, process, taken, folder))


def _unavailable(module: Path) -> str | None:
    missing = f"{module} is not installed: bench/run.py --install"
    return lacking("node", "nodejs") or (None if module.exists() else missing)
