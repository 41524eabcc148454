"""Which versions were measured: asked of each program, or of the package that brought it. It starts no server."""

import json
import re
import subprocess
from collections.abc import Callable, Iterable
from importlib.metadata import version

from bench.install import CADDY, NODE_MODULES, program

PATIENCE_S = 30
NUMBER = re.compile(r"\d+(\.\d+)+[-\w.]*")


def versions(peers: Iterable[str]) -> dict[str, str]:
    """By peer; those that are not known, or do not say, are left out."""
    asked = {name: ASK[name]() for name in dict.fromkeys(peers) if name in ASK}
    return {name: said for name, said in asked.items() if said}


def _says(*command: str | None) -> str:
    """The first version number in what a program prints; empty when it cannot be asked."""
    words = [word for word in command if word]
    if len(words) < len(command):
        return ""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except OSError:
        return ""
    found = NUMBER.search(done.stdout + done.stderr)
    return found.group() if found else ""


def _package(name: str) -> str:
    """A package of Node, and Node."""
    try:
        said = json.loads((NODE_MODULES / name / "package.json").read_text("utf-8"))["version"]
    except OSError:
        return ""
    return f"{said} on Node {_says(program('node'), '--version')}"


def _python(*names: str) -> str:
    return ", ".join(f"{name} {version(name)}" for name in names)


def _qproxy() -> str:
    return _python("qproxy", "aiohttp", "httptools", "uvloop", "aiofastnet")


ASK: dict[str, Callable[[], str]] = {
    "qproxy": _qproxy,
    "nginx": lambda: _says(program("nginx"), "-v"),
    "haproxy": lambda: _says(program("haproxy"), "-v"),
    "caddy": lambda: _says(str(CADDY), "version"),
    "node-http-proxy": lambda: _package("http-proxy"),
    "configurable-http-proxy": lambda: _package("configurable-http-proxy"),
    "naive": lambda: _python("aiohttp"),
}
