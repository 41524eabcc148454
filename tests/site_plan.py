"""What a site for tests consists of before it runs: certificates, configuration files, and Qlik's side to match."""

import contextlib
import itertools
import json
import random
import socket
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
import yaml

from qproxy.qliksim import QlikNode, Toggles, VirtualProxySettings

VPS = {"sales": "sales", "finance": "finance"}
"""Name and prefix of each virtual proxy, where a test wants no others."""
MACHINE = "qlik1.internal"


@dataclass
class Plan:
    """What a test wants otherwise: `server` and `vp` as YAML over the configuration files, the rest of Qlik's side."""

    server: str = ""
    vp: str = ""
    qlik: Mapping[str, object] = field(default_factory=dict)
    toggles: Toggles = field(default_factory=Toggles)
    node: Mapping[str, Any] = field(default_factory=dict)
    tls: bool = False
    nodes: int = 1
    drained: Collection[int] = ()
    vps: Mapping[str, str] = field(default_factory=lambda: VPS)
    mode: str = ""
    """With one of the modes the node has its API on a port, and qproxy is configured to call it."""
    port: int = 0
    """qproxy's public one, where somebody else has to know it before."""
    now: float = 1_800_000_000.0
    """What the site's clock says; the true time where others must agree."""


class Certificates:
    """One authority, as a Qlik site has one: for browsers, for the node, and for the node's calls to us."""

    def __init__(self, directory: Path) -> None:
        self._authority = trustme.CA()
        self.root = directory / "root.pem"
        self.certificate, self.key = directory / "localhost.pem", directory / "localhost_key.pem"
        self._authority.cert_pem.write_to_path(self.root)
        made = self._authority.issue_cert("localhost", "127.0.0.1")
        made.cert_chain_pems[0].write_to_path(self.certificate)
        made.private_key_pem.write_to_path(self.key)
        self.client_certificate, self.client_key = directory / "client.pem", directory / "client_key.pem"
        client = self._authority.issue_cert("QlikClient")
        client.cert_chain_pems[0].write_to_path(self.client_certificate)
        client.private_key_pem.write_to_path(self.client_key)
        for key in (self.key, self.client_key):
            key.chmod(0o600)

    def of_node(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(MACHINE).configure_cert(context)
        return context

    def of_api(self) -> ssl.SSLContext:
        """The node's, which asks for a client certificate of this authority; the API says 403 to who has none."""
        context = self.of_node()
        context.load_verify_locations(self.root)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def of_client(self) -> ssl.SSLContext:
        """Trusts this authority only, and has a certificate to show."""
        context = ssl.create_default_context(cafile=self.root)
        self._authority.issue_cert("QlikClient").configure_cert(context)
        return context


_ports = itertools.cycle(random.SystemRandom().sample(range(15_000, 32_000), 17_000))


def free_port() -> int:
    """For an address that must be known before it is listened on: below the ports that systems give to connections
    and to whoever asks for any, so that no other test takes it in between."""
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Both, key by key; the second one wins."""
    both = dict(first)
    for key, value in second.items():
        nested = isinstance(value, Mapping) and isinstance(both.get(key), Mapping)
        both[key] = merged(both[key], value) if nested else value
    return both


def server_file(directory: Path, origin: str, certificates: Certificates | None) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "public": {"url": origin, "listen": f"127.0.0.1:{origin.rpartition(':')[2]}"},
        "internal": {"listen": "127.0.0.1:0"},
        "sessions": {"store": "memory"},
        "logging": {"access": str(directory / "access.log"), "audit": str(directory / "audit.log")},
        "timeouts": {"drain": "5s"},
    }
    if certificates is not None:
        tls = {"tls": {"certificate": str(certificates.certificate), "key": str(certificates.key)}}
        client_ca = {"client_ca": str(certificates.root)}
        wanted = merged(wanted, {"public": tls, "internal": tls | client_ca})
    return wanted


def upstreams(nodes: list[QlikNode], plan: Plan) -> list[dict[str, Any]]:
    urls = [node.https_url if plan.tls else node.http_url for node in nodes]
    return [{"url": url, "drain": number in plan.drained} for number, url in enumerate(urls)]


def vp_file(name: str, prefix: str, certificates: Certificates | None) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "prefix": prefix,
        "cookie": f"X-Qlik-Session-{name}",
        "user_directory": name.upper(),
        "internal_names": [MACHINE, "qlik1"],
        "login": [{"method": "password_file", "file": "users"}],
    }
    if certificates is not None:
        wanted["upstream_tls"] = {"ca": str(certificates.root), "server_name": MACHINE}
    return wanted


def with_mode(mode: str, nodes: list[QlikNode], certificates: Certificates | None) -> dict[str, Any]:
    if not mode or certificates is None:
        return {}
    shown = {"client_certificate": str(certificates.client_certificate), "client_key": str(certificates.client_key)}
    return {
        "mode": mode,
        "qps_api": {
            "urls": [node.rest_url for node in nodes],
            "ca": str(certificates.root),
            "server_name": MACHINE,
            **shown,
        },
    }


def qlik_vp(name: str, prefix: str, origin: str, **settings: object) -> VirtualProxySettings:
    wanted: dict[str, object] = {
        "prefix": prefix,
        "cookie_name": f"X-Qlik-Session-{name}",
        "redirect_uri": f"{origin}/qproxy/login/{name}",
        "host_allow": ("localhost",),
    }
    return VirtualProxySettings(**(wanted | settings))  # type: ignore[arg-type]


def write_files(
    directory: Path, origin: str, nodes: list[QlikNode], plan: Plan, certificates: Certificates | None
) -> None:
    """The configuration directory, as an administrator would write it."""
    files = {"server": merged(server_file(directory, origin, certificates), yaml.safe_load(plan.server) or {})}
    for name, prefix in plan.vps.items():
        wanted = vp_file(name, prefix, certificates) | {"upstreams": upstreams(nodes, plan)}
        wanted |= with_mode(plan.mode, nodes, certificates)
        files[name] = merged(wanted, yaml.safe_load(plan.vp) or {})
    for name, wanted in files.items():
        (directory / f"{name}.yaml").write_text(json.dumps(wanted, indent=2), "utf-8")  # JSON is YAML
