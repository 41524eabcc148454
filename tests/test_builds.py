"""Which build of qproxy runs is known, chosen and told. `make test-compiled` runs this on the compiled one."""

import importlib
import os
import subprocess
import sys
from importlib.machinery import ExtensionFileLoader, SourceFileLoader

import pytest
from compile import MODULES

from qproxy import builds

WANTED = os.environ.get("QPROXY_BUILD", "pure")


@pytest.mark.parametrize("name", MODULES)
def test_the_build_that_is_tested_is_the_one_that_was_asked_for(name: str) -> None:
    spec = importlib.import_module(f"qproxy.{name}").__spec__
    assert spec is not None
    assert isinstance(spec.loader, ExtensionFileLoader if WANTED == "compiled" else SourceFileLoader)


def test_the_build_is_told() -> None:
    assert builds.described() == (f"compiled: {len(MODULES)} modules" if WANTED == "compiled" else "pure Python")


def test_a_variable_brings_back_pure_python() -> None:
    code = "from qproxy import builds, forwarding, headers; print(headers.__file__[-3:], builds.described())"
    env = {**os.environ, "QPROXY_PURE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == ".py pure Python\n"
