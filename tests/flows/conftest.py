"""The sites that most evenings are spent on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from a_site import Site, site


@pytest.fixture
async def qlik(tmp_path: Path) -> AsyncIterator[Site]:
    """Plain http, two virtual proxies, sessions in memory."""
    async with site(tmp_path) as built:
        yield built


@pytest.fixture
async def tls(tmp_path: Path) -> AsyncIterator[Site]:
    """As in production: https for browsers, a pinned CA towards the node, client certificates at the session module."""
    async with site(tmp_path, tls=True) as built:
        yield built
