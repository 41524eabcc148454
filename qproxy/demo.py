"""The whole thing on one machine in one minute: a stand-in Qlik node, qproxy in front of it, two people to log in as.

For trying and showing; nothing of it is kept. Plain http on localhost by default, so that no browser warns.
"""

import asyncio
import contextlib
import json
import secrets
import socket
import tempfile
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from qproxy.auth import users
from qproxy.config.load import load
from qproxy.demo_tls import Authority
from qproxy.qliksim import AppSettings, QlikNode, SimConfig, VirtualProxySettings
from qproxy.running import FAILED, hear, heed_signals, raise_file_limit, run_loop, settle
from qproxy.server import Server

PEOPLE = ("ann", "bob")
APPS = (
    AppSettings("11111111-0000-4000-8000-000000000001", "Sales, live", live=True),
    AppSettings("11111111-0000-4000-8000-000000000002", "Finance"),
)
PLACES = {"sales": "SALES", "finance": "FINANCE"}
"""The two virtual proxies: prefix and user directory."""

CONNECTIONS = 20_000
"""All come from one address here."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    port: int = 0
    internal_port: int = 0
    tls: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Demo:
    """What runs: where a person starts, and who they can be."""

    origin: str
    internal: str
    people: dict[str, str]
    node: QlikNode
    ca: Path | None

    @property
    def start(self) -> str:
        return f"{self.origin}/sales/hub/"

    @property
    def described(self) -> dict[str, Any]:
        people = [{"user": name, "password": password} for name, password in self.people.items()]
        return {"url": f"{self.origin}/sales", "internal": self.internal, "users": people, "app": APPS[0].id}


Drive = Callable[["Demo"], Awaitable[int]]


def run(options: DemoOptions, drive: Drive | None = None) -> int:
    """Serve until a signal, or as long as `drive` takes. The exit status."""
    try:
        return run_loop(lambda: _run(options, drive))
    except OSError as error:
        click.echo(f"the demo cannot start: {error.strerror or error}; see --port and --internal-port", err=True)
        return FAILED


async def _run(options: DemoOptions, drive: Drive | None) -> int:
    raise_file_limit(0)
    stop = heed_signals() if drive is None else asyncio.Event()
    with tempfile.TemporaryDirectory(prefix="qproxy-demo-") as directory:
        async with demo(Path(directory), options) as running:
            if drive is not None:
                return await drive(running)
            click.echo(json.dumps(running.described) if options.as_json else _told(running))
            settle()
            await hear(stop)
    return 0


def _told(running: Demo) -> str:
    rows = "\n".join(f"        {name}   password {password}" for name, password in running.people.items())
    return textwrap.dedent("""\

        qproxy demo: a stand-in Qlik Sense behind one host

          Open      {start}
          Log in as
        {rows}

        What to try
          - log in, open "Sales, live" and watch the chart move over the engine's WebSocket
          - the second virtual proxy, as somebody else in the same browser: {origin}/finance/hub/
          - log out in the hub: the open chart is told, and closes
          - what Qlik asks the session module, and the numbers: {internal}/metrics

        Ctrl-C ends it.""").format(start=running.start, rows=rows, origin=running.origin, internal=running.internal)


@contextlib.asynccontextmanager
async def demo(directory: Path, options: DemoOptions) -> AsyncIterator[Demo]:
    """Everything in one process; closed again at the end. Raises OSError for a port that is taken."""
    authority = Authority(directory) if options.tls else None
    scheme = "https" if authority else "http"
    port = options.port or _free_port()
    origin = f"{scheme}://localhost:{port}"
    node = QlikNode(SimConfig(virtual_proxies=_qlik_side(origin), apps=APPS, rest_port=None))
    await node.start()
    people = {name: secrets.token_urlsafe(12) for name in PEOPLE}
    for name, password in people.items():
        await asyncio.to_thread(users.add, directory / "users.txt", name, password)
    _write_config(directory, origin, options.internal_port, str(node.http_url), authority)
    server = Server(load(directory))
    try:
        await server.start()
        internal = f"http://127.0.0.1:{server.internal_ports[0]}"
        for prefix in PLACES:
            node.set_session_module(prefix, f"{internal}/session-module/{prefix}")
        yield Demo(origin, internal, people, node, authority.ca if authority else None)
    finally:
        await server.stop()
        await node.stop()


def _qlik_side(origin: str) -> tuple[VirtualProxySettings, ...]:
    return tuple(
        VirtualProxySettings(
            prefix=prefix,
            cookie_name=f"X-Qlik-Session-{prefix}",
            redirect_uri=f"{origin}/qproxy/login/{prefix}",
            host_allow=("localhost",),
        )
        for prefix in PLACES
    )


def _write_config(directory: Path, origin: str, internal_port: int, upstream: str, tls: Authority | None) -> None:
    """The same files that an administrator writes."""
    certificate = f"  tls: {{certificate: {tls.certificate}, key: {tls.key}}}\n" if tls else ""
    (directory / "server.yaml").write_text(
        f"public:\n  url: {origin}\n  listen: 127.0.0.1:{origin.rpartition(':')[2]}\n{certificate}"
        f"internal:\n  listen: 127.0.0.1:{internal_port}\n"
        "sessions:\n  store: memory\n"
        f"logging:\n  access: {directory / 'access.log'}\n  audit: {directory / 'audit.log'}\n"
        f"limits:\n  connections: {CONNECTIONS}\n  connections_per_address: {CONNECTIONS}\n"
        "timeouts:\n  drain: 5s\n",
        "utf-8",
    )
    for prefix, user_directory in PLACES.items():
        (directory / f"{prefix}.yaml").write_text(
            f"prefix: {prefix}\ncookie: X-Qlik-Session-{prefix}\nuser_directory: {user_directory}\n"
            f"upstreams: {upstream}\ninternal_names: [qlik1.internal]\n"
            "login:\n  - method: password_file\n    file: users.txt\n",
            "utf-8",
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
