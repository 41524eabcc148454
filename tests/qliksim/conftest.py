"""Fixtures of the stand-in's tests."""

import pytest
from qliksim.engine_client import Client, client


@pytest.fixture
def sales() -> Client:
    """A client whose socket points at the sales app; nothing is opened yet."""
    return client()
