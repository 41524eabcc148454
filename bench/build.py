"""Builds the bench's C programs (bench/c) and keeps them by the hash of what they are made of.

They are in C because load and upstream share one core and must still keep a C proxy on the other core busy. This module
must not install anything: what is missing it names, and how to get it. Where no compiler is, without_cc.py has others.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

SOURCES = Path(__file__).resolve().parent / "c"
WORK = Path(__file__).resolve().parent / ".work"
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")
LIBRARIES = ("-lssl", "-lcrypto")
COMPILERS = ("cc", "gcc", "clang")
SHARED = ("net.c", "http.c")
GET_COMPILER = "apt-get install --no-install-recommends gcc libc6-dev (or set CC)"
GET_OPENSSL = "apt-get install --no-install-recommends libssl-dev"
PROBE = """
#include <openssl/ssl.h>
#if OPENSSL_VERSION_MAJOR < 3
#error OpenSSL 3 is wanted
#endif
int main(void) { return SSL_CTX_new(TLS_method()) == 0; }
"""


class BuildError(Exception):
    """What is missing or did not compile, and what to do about it."""


@dataclass(frozen=True)
class Programs:
    """Absolute paths of the built programs; their arguments are told at the head of load.c, upstream.c and awake.c."""

    upstream: Path
    load: Path
    awake: Path


def compiler() -> str:
    """Path of the C compiler. BuildError when there is none."""
    for name in filter(None, (os.environ.get("CC"), *COMPILERS)):
        if found := shutil.which(name):
            return found
    raise BuildError(f"bench needs a C compiler ({', '.join(COMPILERS)}); get it with: {GET_COMPILER}")


def missing() -> str | None:
    """What the build lacks and how to get it; None when it lacks nothing."""
    try:
        cc = compiler()
    except BuildError as error:
        return str(error)
    with TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(PROBE, encoding="ascii")
        done = _compile(cc, [source], Path(folder, "probe"))
    if done.returncode == 0:
        return None
    return f"bench needs the headers of OpenSSL 3; get them with: {GET_OPENSSL}\n{done.stderr.strip()}"


def build(work: Path = WORK) -> Programs:
    """The programs, compiled unless `work` has them. BuildError with what is missing or what the compiler said."""
    return Programs(*(_program(name, work) for name in ("upstream", "load", "awake")))


def sources(program: str) -> list[Path]:
    """The C files that make up one of the programs."""
    return [*sorted(SOURCES.glob(f"{program}*.c")), *(SOURCES / name for name in SHARED)]


def _program(program: str, work: Path) -> Path:
    cc = compiler()
    target = work.resolve() / f"{program}-{_fingerprint(cc, program)}"
    if not target.exists():
        work.mkdir(parents=True, exist_ok=True)
        _make(cc, program, target)
    return target


def _make(cc: str, program: str, target: Path) -> None:
    """Under another name first: two builds at once must not run a half-written file."""
    half = target.with_name(f"{target.name}.{os.getpid()}")
    done = _compile(cc, sources(program), half)
    if done.returncode:
        raise BuildError(missing() or f"{program} did not compile:\n{done.stderr.strip()}")
    half.replace(target)


def _compile(cc: str, files: list[Path], target: Path) -> subprocess.CompletedProcess[str]:
    command = [cc, *FLAGS, "-o", str(target), *map(str, files), *LIBRARIES]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _fingerprint(cc: str, program: str) -> str:
    """Changes with the sources, the flags and the compiler."""
    version = subprocess.run([cc, "--version"], capture_output=True, text=True, check=True).stdout
    digest = hashlib.sha256("\n".join([cc, version, *FLAGS, *LIBRARIES]).encode())
    for path in [*sources(program), *sorted(SOURCES.glob("*.h"))]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
