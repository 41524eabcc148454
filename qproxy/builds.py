"""Which build of qproxy runs: pure Python, or with modules that tools/compile.py made of the same source.

Where a compiled module stands beside its source, Python loads it; with QPROXY_PURE in the environment it does not.
Imports nothing of qproxy: it must be there before anything else is.
"""

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType

PURE = bool(os.environ.get("QPROXY_PURE"))


class _Sources(MetaPathFinder):
    """Finds the source of qproxy's modules, whatever stands beside it."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if path is None or not name.startswith("qproxy."):
            return None
        return FileFinder(path[0], (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(name, target)


def choose() -> None:
    """Heed QPROXY_PURE; before the first module is loaded."""
    if PURE:
        sys.meta_path.insert(0, _Sources())


def compiled() -> list[Path]:
    """The compiled modules that this Python loads."""
    package = Path(__file__).parent
    return [] if PURE else [found for suffix in EXTENSION_SUFFIXES for found in package.rglob(f"*{suffix}")]


def described() -> str:
    """For `qproxy --version` and the log."""
    count = len(set(compiled()))
    return f"compiled: {count} modules" if count else "pure Python"
