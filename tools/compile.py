"""Compiles qproxy's hot modules from the same source, into a directory of their own: `python tools/compile.py --into DIR`.

Never into the checkout: it stays pure Python, and no stale binary can run instead of what stands in a file. A wheel
with the compiled modules is made by tools/build_hook.py, which calls `compile_into`. Needs Cython, setuptools and a C
compiler.
"""

import argparse
import os
import shutil
import sys
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from declarations import Declarations, edited, read_module

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ["/O2"] if sys.platform == "win32" else ["-O2", "-g0", "-fno-semantic-interposition", "-Wno-unused-function"]
DIRECTIVES = {"language_level": 3, "annotation_typing": False, "binding": True}

MODULES = (
    "clients", "cookies", "gate", "headers", "ledger", "model", "records", "road", "routing", "virtual_proxy",
    "forwarding.body", "forwarding.conduct", "forwarding.downstream", "forwarding.exchange", "forwarding.frames",
    "forwarding.head", "forwarding.listener", "forwarding.patience", "forwarding.pool", "forwarding.request_body",
    "forwarding.tunnel", "forwarding.upstream",
    "observe.access", "observe.lines", "observe.metrics", "observe.observer", "observe.redact",
    "observe.traffic",
    "sessions.cache", "sessions.front",
)  # fmt: skip
"""What a request or a message passes through. Each one more costs build time and is worth it only on that road."""


def write_sources(into: Path) -> list[str]:
    """qproxy's source as it is compiled, with its declarations; the names of the modules to compile."""
    shutil.copytree(ROOT / "qproxy", into / "qproxy", ignore=shutil.ignore_patterns("__pycache__"))
    names = [f"qproxy.{name}" for name in MODULES]
    places = {name: into / (name.replace(".", "/") + ".py") for name in names}
    modules = {name: read_module(name, place.read_text("utf-8")) for name, place in places.items()}
    declarations = Declarations(modules.values())
    for name, place in places.items():
        place.with_suffix(".pxd").write_text(declarations.pxd(name), "utf-8")
        place.write_text(edited(modules[name].text, declarations.edits(name)), "utf-8")
    for package in (into / "qproxy").rglob("__init__.py"):
        package.with_suffix(".pxd").touch()
    return names


def build(directory: Path, names: list[str], jobs: int) -> None:
    """Translate to C and compile, in `directory`."""
    from Cython.Build import cythonize  # noqa: PLC0415 - needed for a compiled build only
    from setuptools import Distribution, Extension  # noqa: PLC0415

    before = Path.cwd()
    os.chdir(directory)
    try:
        sources = [Extension(name, [name.replace(".", "/") + ".py"], extra_compile_args=FLAGS) for name in names]
        extensions = cythonize(sources, nthreads=jobs, compiler_directives=DIRECTIVES, show_all_warnings=False)
        command = Distribution({"name": "qproxy", "ext_modules": extensions}).get_command_obj("build_ext")
        command.inplace, command.parallel = True, jobs
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(before)


def compile_into(directory: Path, jobs: int = os.cpu_count() or 1) -> list[Path]:
    """Make the extension modules and leave them in `directory`, as qproxy/...; where they are, relative to it."""
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        build(work, write_sources(work), jobs)
        made = sorted(found for suffix in EXTENSION_SUFFIXES[:1] for found in (work / "qproxy").rglob(f"*{suffix}"))
        for found in made:
            target = directory / found.relative_to(work)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, target)
        return [found.relative_to(work) for found in made]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--into", type=Path, required=True, help="where the modules go; a copy of qproxy goes there too")
    parser.add_argument("--sources", action="store_true", help="only write what would be compiled, to look at it")
    wanted = parser.parse_args()
    if wanted.sources:
        print(f"{len(write_sources(wanted.into))} modules are written to {wanted.into}")
        return
    shutil.copytree(ROOT / "qproxy", wanted.into / "qproxy", ignore=shutil.ignore_patterns("__pycache__"))
    made = compile_into(wanted.into)
    print(f"{len(made)} modules are compiled in {wanted.into}; run them with PYTHONPATH={wanted.into}")


if __name__ == "__main__":
    main()
