"""Both ways in which TLS is carried, for the tests that must pass on each."""

import importlib.util
from types import ModuleType

import pytest

from qproxy.forwarding import transports


@pytest.fixture(params=["aiofastnet", "loop"])
def carrier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name = str(request.param)
    monkeypatch.setattr(transports, "fast", aiofastnet() if name == "aiofastnet" else None)
    return name


def aiofastnet() -> ModuleType:
    if importlib.util.find_spec("aiofastnet") is None:
        pytest.skip("aiofastnet is not installed")
    return importlib.import_module("aiofastnet")
