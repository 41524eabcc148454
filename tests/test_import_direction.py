"""The import contracts of pyproject.toml: the package keeps them, and each of them can be broken."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
# Which contract, the module that sins, the line it sins with, and modules that must exist for that.
SINS = [
    ("Imports go down the layers", "gate", "import qproxy.server", ["server"]),
    ("Imports go down the layers", "gate", "def late():\n    from qproxy import server", ["server"]),
    ("Imports go down the layers", "auth", "import qproxy.sessions", ["sessions"]),
    ("every module has its layer", "odds_and_ends", "", []),
    ("No cycles", "web", "import qproxy.road", ["road:import qproxy.web"]),
    ("Imports go down the layers", "doctor", "import qproxy.qliksim", []),
    ("Pure modules", "routing", "import socket", []),
    ("Pure modules", "headers", "import aiohttp", []),
    ("Pure modules", "model", "import qproxy.errors", ["errors:import time"]),
    ("The data plane", "forwarding", "import qproxy.auth", ["auth"]),
    ("The stand-in imports nothing", "qliksim", "import qproxy.headers", ["headers"]),
    ("Imports go down the layers", "server", "import qproxy.qliksim", []),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(LINT_IMPORTS), "--no-cache", "--config", "pyproject.toml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def write_package(folder: Path, modules: dict[str, str]) -> None:
    """A qproxy with nothing but these modules, under the real contracts."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "qproxy").mkdir()
    for name, text in {"__init__": "", "qliksim": "", "forwarding": "", **modules}.items():
        (folder / "qproxy" / f"{name}.py").write_text(text + "\n")


def test_the_package_keeps_its_import_contracts() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("contract", "sinner", "line", "others"), SINS)
def test_an_import_in_the_wrong_direction_breaks_its_contract(
    tmp_path: Path, contract: str, sinner: str, line: str, others: list[str]
) -> None:
    write_package(tmp_path, {sinner: line, **{name: text for name, _, text in (o.partition(":") for o in others)}})
    done = lint(tmp_path)
    assert done.returncode == 1
    assert any(contract in said and said.endswith("BROKEN") for said in done.stdout.splitlines()), done.stdout


def test_the_command_line_and_the_demo_may_import_the_stand_in(tmp_path: Path) -> None:
    write_package(tmp_path, {"cli": "import qproxy.qliksim\nimport qproxy.demo", "demo": "import qproxy.qliksim"})
    assert lint(tmp_path).returncode == 0
