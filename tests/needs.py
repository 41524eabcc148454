"""The parts that pip cannot bring: a test says which one it needs with `require("chromium")`."""

import os

import pytest
from extras import part_missing


def require(name: str) -> None:
    """Skip the running test when the part is not on this machine; with QPROXY_REQUIRE_EXTRAS=1 (CI) fail it instead."""
    remedy = part_missing(name)
    if remedy is None:
        return
    reason = f"needs {name}; get it with: {remedy}"
    if os.environ.get("QPROXY_REQUIRE_EXTRAS") == "1":
        pytest.fail(f"{reason} (QPROXY_REQUIRE_EXTRAS=1)", pytrace=False)
    pytest.skip(reason)
