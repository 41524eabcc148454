"""qproxy itself, as its administrator starts it: `qproxy run` with a YAML directory, sessions in SQLite, all logs on.

It has one public listener, and a virtual proxy's upstreams are all http or all https: so each kind is a process of its
own. A person logs in through the real form before anything is measured.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.heads import PREFIX
from bench.peers.peer import CONNECTIONS, KINDS, POOL, Kind, PeerError, Running, failed, launch, listening, ports
from bench.peers.sign_in import PERSON, SignInError, sign_in
from bench.site import HOST, SERVER_NAME, Site, free_port

START = "from qproxy.cli import main; main()"
PROBE_S = 60

# connections_per_address: all browsers are on one address here. health: the upstream counts every request.
SERVER = """\
public:
  url: {scheme}://{server_name}:{port}
  listen: {host}:{port}
{tls}internal:
  listen: {host}:{internal_port}
sessions:
  store: sqlite
  path: sessions.db
  key_file: session.key
logging:
  level: {level}
  access: {access}
  audit: {folder}/audit.log
limits:
  connections: {connections}
  connections_per_address: {connections}
timeouts:
  drain: 1s
workers: {workers}
"""
VIRTUAL_PROXY = """\
prefix: {prefix}
cookie: X-Qlik-Session-{prefix}
user_directory: BENCH
upstreams: {upstream}
{upstream_tls}login:
  - method: password_file
    file: users.txt
pool:
  connections: {pool}
health:
  interval: 1h
"""


@dataclass(frozen=True, slots=True)
class QProxy:
    """`interpreter`: the Python of the venv whose qproxy runs, so that two builds can be measured against each other.

    Without `observability` the access log is off and the level is "error"; audit log and metrics cannot be switched
    off. `environment` is added to this process's own.
    """

    kind: Kind = "plain"
    name: str = "qproxy"
    kinds: tuple[Kind, ...] = KINDS
    observability: bool = True
    interpreter: Path = Path(sys.executable)
    environment: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1

    def available(self) -> str | None:
        # In a folder without a qproxy in it, or a checkout would be found before what the interpreter has installed.
        command = [str(self.interpreter), "-c", "import qproxy.server"]
        try:
            subprocess.run(command, cwd="/", check=True, capture_output=True, timeout=PROBE_S)
        except (OSError, subprocess.SubprocessError) as error:
            printed = getattr(error, "stderr", None) or b""
            why = printed.decode("utf-8", "replace").strip().rpartition("\n")[2] or str(error)
            return f"{self.interpreter} cannot run qproxy ({why}): {self.interpreter} -m pip install --editable ."
        return None

    def start(self, site: Site, core: int) -> Running:
        folder, internal_port = site.folder(self.name), free_port()
        taken = ports([self.kind])
        self._write(site, folder, taken[self.kind], internal_port)
        command = [str(self.interpreter), "-c", START, "run", str(folder)]
        process = launch(command, folder, core, self.environment)
        running = Running(self.name, self.kind, process, taken, folder, internal_port=internal_port)
        listening(running)
        try:
            cookie = sign_in(running.port, PREFIX.strip("/"), site.ca if self.kind != "plain" else None)
        except SignInError as error:
            raise failed(running, f"let nobody log in: {error}") from error
        return Running(self.name, self.kind, process, taken, folder, cookie, internal_port)

    def _write(self, site: Site, folder: Path, port: int, internal_port: int) -> None:
        (folder / "server.yaml").write_text(self._server(site, folder, port, internal_port), "utf-8")
        vp = PREFIX.strip("/")
        (folder / f"{vp}.yaml").write_text(self._virtual_proxy(site, vp), "utf-8")
        key = folder / "session.key"
        key.touch(mode=0o600)
        key.write_text(os.urandom(32).hex(), "ascii")
        self._add_person(folder)

    def _server(self, site: Site, folder: Path, port: int, internal_port: int) -> str:
        tls = f"  tls: {{certificate: {site.certificate}, key: {site.key}}}\n"
        return SERVER.format(
            scheme="http" if self.kind == "plain" else "https",
            tls="" if self.kind == "plain" else tls,
            level="info" if self.observability else "error",
            access=folder / "access.log" if self.observability else '"off"',
            folder=folder,
            port=port,
            internal_port=internal_port,
            host=HOST,
            server_name=SERVER_NAME,
            connections=CONNECTIONS * self.workers,  # each worker takes its share
            workers=self.workers,
        )

    def _virtual_proxy(self, site: Site, vp: str) -> str:
        both = self.kind == "tls_both"
        return VIRTUAL_PROXY.format(
            prefix=vp,
            upstream=f"https://{HOST}:{site.upstream_tls_port}" if both else f"http://{HOST}:{site.upstream_port}",
            upstream_tls=f"upstream_tls: {{ca: {site.ca}, server_name: {SERVER_NAME}}}\n" if both else "",
            pool=POOL * self.workers,
        )

    def _add_person(self, folder: Path) -> None:
        command = [str(self.interpreter), "-c", START, "users", "add", "users.txt", PERSON.name, "--password-stdin"]
        given = f"{PERSON.password}\n".encode()
        made = subprocess.run(command, cwd=folder, input=given, capture_output=True, timeout=PROBE_S, check=False)
        if made.returncode:
            raise PeerError(f"{self.name}: qproxy users add failed: {made.stderr.decode('utf-8', 'replace').strip()}")


def qproxy_quiet(kind: Kind = "plain") -> QProxy:
    """What observability costs is the difference to this one."""
    return QProxy(kind, name="qproxy-quiet", observability=False)
