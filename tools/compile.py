"""Compiles qproxy's hot modules from the same source: `python tools/compile.py DIR` makes a qproxy in DIR with them.

Never in the checkout: it stays pure Python, so that no stale binary can run instead of what stands in a file. A wheel
with the compiled modules is made by tools/build_hook.py, which calls `compile_into`. Needs Cython, setuptools and a C
compiler.
"""

import argparse
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from declarations import Declarations  # noqa: E402 - a build runs this file from anywhere
from hot_source import edited, read_module  # noqa: E402 - a build runs this file from anywhere

FLAGS = ["/O2"] if sys.platform == "win32" else ["-O2", "-g0", "-Wno-unused-function"]
DIRECTIVES = {"language_level": 3, "annotation_typing": False}

MODULES = (
    "clients", "cookies", "gate", "headers", "ledger", "model", "records", "road", "routing",
    "session_tunnels", "virtual_proxy",
    "forwarding.body", "forwarding.conduct", "forwarding.downstream", "forwarding.exchange", "forwarding.frames",
    "forwarding.head", "forwarding.health", "forwarding.listener", "forwarding.node", "forwarding.node_pool",
    "forwarding.patience", "forwarding.pool", "forwarding.request_body", "forwarding.response", "forwarding.tunnel",
    "forwarding.upstream",
    "observe.access", "observe.lines", "observe.metrics", "observe.observer", "observe.redact", "observe.traffic",
    "sessions.cache", "sessions.front",
)  # fmt: skip
"""What a request or a message passes through. Each one more costs build time and is worth it only on that road."""


def write_sources(into: Path) -> list[str]:
    """qproxy's source as it is compiled, with its declarations; the names of the modules to compile.

    Only what is not there yet is written, so that only what has changed is compiled again.
    """
    _copy(ROOT / "qproxy", into / "qproxy")
    names = [f"qproxy.{name}" for name in MODULES]
    modules = {name: read_module(name, _place(ROOT, name).read_text("utf-8")) for name in names}
    declarations = Declarations(modules.values())
    for name, module in modules.items():
        _write(_place(into, name), edited(module.text, declarations.edits(name)).encode())
        _write(_place(into, name).with_suffix(".pxd"), declarations.pxd(name).encode())
    for package in (into / "qproxy").rglob("__init__.py"):
        package.with_suffix(".pxd").touch()
    return names


def _place(root: Path, module: str) -> Path:
    return root.joinpath(*module.split(".")).with_suffix(".py")


def _copy(source: Path, target: Path) -> None:
    """All files but compiled ones, and but those that `write_sources` writes."""
    hot = {_place(ROOT, f"qproxy.{name}") for name in MODULES}
    for found in source.rglob("*"):
        if found.is_file() and found not in hot and "__pycache__" not in found.parts:
            _write(target / found.relative_to(source), found.read_bytes())


def _write(place: Path, data: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists() or place.read_bytes() != data:
        place.write_bytes(data)


def build(directory: Path, names: list[str]) -> None:
    """Translate to C and compile, in `directory`."""
    from Cython.Build import cythonize  # noqa: PLC0415 - needed for a compiled build only
    from setuptools import Distribution, Extension  # noqa: PLC0415

    before = Path.cwd()
    os.chdir(directory)
    try:
        sources = [Extension(name, [str(_place(Path(), name))], extra_compile_args=FLAGS) for name in names]
        extensions: list[Extension] = cythonize(
            sources, nthreads=os.cpu_count(), compiler_directives=DIRECTIVES, quiet=True
        )  # type: ignore[no-untyped-call]
        command = Distribution({"name": "qproxy", "ext_modules": extensions}).get_command_obj("build_ext")
        command.inplace, command.parallel = True, os.cpu_count()
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(before)


def compile_into(directory: Path) -> list[Path]:
    """Make a qproxy with extension modules in `directory`; where those are, relative to it."""
    build(directory, write_sources(directory))
    suffix = EXTENSION_SUFFIXES[0]
    return sorted(found.relative_to(directory) for found in (directory / "qproxy").rglob(f"*{suffix}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--sources", action="store_true", help="only write what would be compiled, to look at it")
    wanted = parser.parse_args()
    directory = wanted.directory.resolve()
    if wanted.sources:
        print(f"{len(write_sources(directory))} modules would be compiled: see {directory}")
    else:
        print(f"{len(compile_into(directory))} modules are compiled: PYTHONPATH={directory}")


if __name__ == "__main__":
    main()
