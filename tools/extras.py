"""Finds the system and npm parts that some tests need, installs what is missing, or names what is skipped.

Only the standard library, because it runs before anything else is certain. Nothing is remembered between runs: a part
is there when its probe finds it. As root with apt it makes one apt call for all that is missing, then one npm call.

Environment: QPROXY_EXTRAS=skip installs nothing; QPROXY_REQUIRE_EXTRAS=1 makes a part that stays missing an error.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = ROOT / "tests" / "clients"
POLICY = Path("/usr/sbin/policy-rc.d")
# Debian's word for "an install must not start services": exit status 101.
NO_SERVICES = "#!/bin/sh\nexit 101\n"
NPM_CI = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]


@dataclass(frozen=True)
class Part:
    """A part that tests need and pip cannot bring.

    `found` is the probe. `apt` names Debian packages; without them the part comes from `npm ci` in tests/clients.
    """

    name: str
    tests: str
    found: Callable[[], bool]
    apt: tuple[str, ...] = ()

    @property
    def remedy(self) -> str:
        if self.apt:
            return f"apt-get install --no-install-recommends {' '.join(self.apt)}"
        return f"cd {CLIENTS.relative_to(ROOT)} && {' '.join(NPM_CI)}"


def search_path() -> str:
    """Where programs are, those of administrators too."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def on_path(*programs: str) -> Callable[[], bool]:
    search = search_path()
    return lambda: all(shutil.which(program, path=search) for program in programs)


KERBEROS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit", "klist")
DEBIANS_PYTHON = Path("/usr/lib/python3/dist-packages")


def gssapi_found() -> bool:
    """Installed here, or by Debian for this version of Python: PyPI has no wheel for Linux, and building takes minutes.

    tests/a_realm.py takes Debian's.
    """
    abi = sysconfig.get_config_var("SOABI")
    return find_spec("gssapi") is not None or (DEBIANS_PYTHON / "gssapi" / "raw" / f"creds.{abi}.so").exists()


def c_compiler_found() -> bool:
    """A compiler, and the headers of OpenSSL where Debian has them."""
    return on_path("cc")() and Path("/usr/include/openssl/ssl.h").exists()


def samba_found() -> bool:
    """With what a domain controller needs beyond the program itself."""
    modules = Path("/usr/lib").glob("*/samba/vfs/acl_xattr.so")
    return on_path("samba", "samba-tool", "winbindd", "ip")() and any(modules)


def locked_packages(lock: Path) -> dict[str, str]:
    """Path in node_modules -> version, of the packages that are not optional."""
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    return {path: entry["version"] for path, entry in packages.items() if path and not entry.get("optional")}


def npm_clients_installed() -> bool:
    """True when node_modules holds what package-lock.json says (npm notes what it installed in a hidden lock)."""
    try:
        wanted = locked_packages(CLIENTS / "package-lock.json")
        there = locked_packages(CLIENTS / "node_modules" / ".package-lock.json")
    except FileNotFoundError:
        return False
    return wanted.items() <= there.items()


PARTS = (
    Part("chromium", "tests marked browser", on_path("chromium"), ("chromium",)),
    Part("systemd-analyze", "tests/test_deploy.py", on_path("systemd-analyze"), ("systemd",)),
    Part("nginx", "tests/bench/test_peers.py, tests/flows/test_trusted_header.py", on_path("nginx"), ("nginx-light",)),
    Part("haproxy", "tests/bench/test_peers.py", on_path("haproxy"), ("haproxy",)),
    Part("wrk", "tests/bench/test_without_cc.py", on_path("wrk"), ("wrk",)),
    Part("xmlsec1", "tests/test_saml.py", on_path("xmlsec1"), ("xmlsec1",)),
    Part("slapd", "tests/test_ldap.py", on_path("slapd"), ("slapd",)),
    Part("cc", "tests/bench", c_compiler_found, ("gcc", "libc6-dev", "libssl-dev")),
    Part("kdc", "tests/kerberos", on_path(*KERBEROS), ("krb5-kdc", "krb5-admin-server", "krb5-user")),
    Part("gssapi", "tests/kerberos", gssapi_found, ("python3-gssapi",)),
    Part("curl", "tests/kerberos", on_path("curl"), ("curl",)),
    Part("node", "tests marked clients", on_path("node", "npm"), ("nodejs", "npm")),
    Part("npm-clients", "tests marked clients, and those of a real OpenID provider", npm_clients_installed),
)

APART = (
    Part(
        "samba",
        "make test-ad",
        samba_found,
        ("samba", "samba-ad-provision", "samba-dsdb-modules", "samba-vfs-modules", "winbind", "iproute2"),
    ),
)
"""Only for who names them: `tools/extras.py samba`."""


def wanted_parts(named: Sequence[str] = ()) -> list[Part]:
    """The named ones; without names the parts that this checkout has a use for."""
    if named:
        return [part for part in (*PARTS, *APART) if part.name in named]
    return [part for part in PARTS if part.name != "npm-clients" or (CLIENTS / "package-lock.json").exists()]


def part_missing(name: str) -> str | None:
    """How to get the part, or None when it is there. KeyError for a name that the table lacks."""
    part = {part.name: part for part in (*PARTS, *APART)}[name]
    return None if part.found() else part.remedy


def run(command: list[str], cwd: Path = ROOT) -> bool:
    """Run one install step without input; when it fails, show the end of what it said."""
    print(f"extras: {' '.join(command)}", flush=True)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(  # noqa: PLW1510  (the status is the answer)
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        print(
            f"extras: failed with status {done.returncode}:", *done.stdout.splitlines()[-8:], sep="\n    ", flush=True
        )
    return done.returncode == 0


@contextlib.contextmanager
def no_service_starts(policy: Path) -> Iterator[None]:
    """While inside, a package that is installed starts no daemon; what stood in the policy file before is put back."""
    before = (policy.read_bytes(), policy.stat().st_mode) if policy.exists() else None
    policy.write_text(NO_SERVICES, encoding="ascii")
    policy.chmod(0o755)
    try:
        yield
    finally:
        if before is None:
            policy.unlink(missing_ok=True)
        else:
            policy.write_bytes(before[0])
            policy.chmod(before[1])


def may_use_apt() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(missing: list[Part]) -> None:
    """One apt call for all Debian parts, then one npm call. Whether it worked, the probes tell."""
    packages = sorted({package for part in missing for package in part.apt})
    if packages and may_use_apt():
        with no_service_starts(POLICY):
            if run(["apt-get", "update", "-qq"]):
                run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])
    if any(not part.apt for part in missing) and shutil.which("npm"):
        run(NPM_CI, cwd=CLIENTS)


def report(parts: list[Part], missing_before: list[Part]) -> list[Part]:
    """Print one line a part; returns those that are still missing."""
    still = [part for part in parts if not part.found()]
    for part in parts:
        state = "installed" if part in missing_before else "present"
        if part in still:
            state = f"MISSING: {part.tests} will be skipped; get it with: {part.remedy}"
        print(f"extras: {part.name:<16} {state}", flush=True)
    return still


def main(named: Sequence[str] = ()) -> int:
    parts = wanted_parts(named)
    missing = [part for part in parts if not part.found()]
    if missing and os.environ.get("QPROXY_EXTRAS") != "skip":
        install(missing)
    still = report(parts, missing)
    if still and os.environ.get("QPROXY_REQUIRE_EXTRAS") == "1":
        print("extras: QPROXY_REQUIRE_EXTRAS=1, so a missing part is an error", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
