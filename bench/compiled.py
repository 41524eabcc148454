"""A qproxy whose hot modules are compiled, in a venv of its own under bench/.work, to be measured beside the pure one.

Made from this checkout by the same call as an administrator's (docs/deployment.md), with the extra `speed`. It must not
touch the checkout or the venv that runs the benchmark.
"""

import hashlib
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.site import WORK

ROOT = Path(__file__).resolve().parent.parent
VENV = WORK / "compiled"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "made-of"
Run = Callable[[Sequence[str], Mapping[str, str]], None]


def python() -> Path | None:
    """The Python of the compiled build, when there is one of this very source."""
    return PYTHON if STAMP.exists() and STAMP.read_text("ascii") == source_hash() else None


def source_hash() -> str:
    """Changes with each file that a build is made of."""
    files = [*sorted((ROOT / "qproxy").rglob("*.py")), *sorted((ROOT / "tools").glob("*.py"))]
    seen = hashlib.sha256()
    for path in (ROOT / "pyproject.toml", ROOT / "constraints.txt", *files):
        seen.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return seen.hexdigest()


def make(run: Run) -> None:
    """`run` starts a command with further environment variables; it raises when that fails."""
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(VENV)], {})
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, "--constraint", "constraints.txt", ".[speed]"], {"HATCH_BUILD_HOOK_ENABLE_CUSTOM": "true"})
    STAMP.write_text(source_hash(), "ascii")
