"""A Kerberos realm of its own: MIT's key server on loopback, people, services, and curl with a ticket.

All in one folder, nothing of the machine's own configuration.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import needs
from extras import DEBIANS_PYTHON, ROOT, search_path
from site_plan import free_port
from waiting import wait_until

REALM = "QPROXY.TEST"
SERVICE = f"HTTP/localhost@{REALM}"
LENT = ROOT / "build" / "debian-python"
PASSWORD = "the password of everybody"

LIBRARY = """\
[libdefaults]
default_realm = {realm}
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
[realms]
{realm} = {{
    kdc = 127.0.0.1:{port}
}}
[domain_realm]
localhost = {realm}
"""
SERVER = """\
[kdcdefaults]
kdc_listen = 127.0.0.1:{port}
kdc_tcp_listen = 127.0.0.1:{port}
[realms]
{realm} = {{
    database_name = {folder}/principal
    key_stash_file = {folder}/stash
    max_life = 1h
}}
[logging]
kdc = FILE:{folder}/kdc.log
"""


def use_gssapi() -> None:
    """From now on this process can import it: Debian's, where pip has installed none. Its other modules stay out."""
    needs.require("gssapi")
    if find_spec("gssapi") is None:
        LENT.mkdir(parents=True, exist_ok=True)
        for name in ("gssapi", "decorator.py"):
            with contextlib.suppress(FileExistsError):  # another worker's, or an earlier run's
                (LENT / name).symlink_to(DEBIANS_PYTHON / name)
        sys.path.append(str(LENT))


@dataclass(frozen=True)
class Realm:
    folder: Path
    port: int

    @property
    def environ(self) -> dict[str, str]:
        """For programs of the realm, and for qproxy."""
        return {
            "KRB5_CONFIG": str(self.folder / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf"),
            "KRB5RCACHENAME": f"file2:{self.folder}/replays",
        }

    def run(self, *command: str, typed: str = "", **more: str) -> str:
        environ = {**os.environ, **self.environ, "PATH": search_path(), **more}
        done = subprocess.run(
            command, env=environ, input=typed, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def add(self, principal: str) -> None:
        self.run("kadmin.local", "addprinc", "-pw", PASSWORD, principal)

    def keytab(self, name: str, *services: str) -> Path:
        """A file with a new key of each service."""
        path = self.folder / name
        for service in services:
            self.run("kadmin.local", "addprinc", "-randkey", service)
            self.run("kadmin.local", "ktadd", "-k", str(path), service)
        path.chmod(0o600)
        return path

    def log_in(self, principal: str) -> dict[str, str]:
        """kinit; the environment in which the ticket is found."""
        cache = {"KRB5CCNAME": f"FILE:{self.folder}/ccache-{principal.replace('/', '-')}"}
        self.run("kinit", principal, typed=f"{PASSWORD}\n", **cache)
        return self.environ | cache

    async def curl(self, environ: dict[str, str], *arguments: str) -> str:
        """What it prints; the heads of all answers with `-i`."""
        needs.require("curl")
        curl = await asyncio.create_subprocess_exec(
            "curl",
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            *arguments,
            env={"PATH": search_path(), **environ},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await curl.communicate()
        return said.decode()


@contextlib.contextmanager
def realm(folder: Path) -> Iterator[Realm]:
    needs.require("kdc")
    use_gssapi()
    opened = Realm(folder, free_port())
    for name, text in {"krb5.conf": LIBRARY, "kdc.conf": SERVER}.items():
        (folder / name).write_text(text.format(realm=REALM, port=opened.port, folder=folder))
    opened.run("kdb5_util", "create", "-s", "-P", "master", "-r", REALM)
    for person in ("ann", "bob/admin"):
        opened.add(person)
    environ = {**os.environ, **opened.environ, "PATH": search_path()}
    server = subprocess.Popen(["krb5kdc", "-n"], env=environ)
    try:
        wait_until(lambda: _answers(opened.port))
        yield opened
    finally:
        server.terminate()
        server.wait(10)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
