"""Several processes as one qproxy: how they start, who is restarted, how they stop, and what each knows of the others."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from a_process import ProcessSite, process_site
from waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes share a port on Linux only")


@pytest.fixture
async def qlik(tmp_path: Path) -> AsyncIterator[ProcessSite]:
    async with process_site(tmp_path, server="workers: 2") as built:
        yield built


async def test_people_log_in_and_stay(qlik: ProcessSite) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    assert await qlik.status(person, "/sales/hub/") == 200
    await qlik.stop()
    print(qlik.process.errors)
