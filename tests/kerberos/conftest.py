"""One realm for all of these tests, and a site whose people have tickets of it."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from a_realm import SERVICE, Realm, realm
from a_site import Site, site
from kerberos_sites import Initiator, login


@pytest.fixture(scope="session")
def kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """qproxy runs in this process, so this process knows the realm from now on."""
    with realm(tmp_path_factory.mktemp("realm")) as opened:
        before = {name: os.environ.get(name) for name in opened.environ}
        os.environ.update(opened.environ)
        yield opened
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture(scope="session")
def keytab(kdc: Realm) -> Path:
    return kdc.keytab("qproxy.keytab", SERVICE)


@pytest.fixture
def ticket(kdc: Realm) -> dict[str, str]:
    """The environment of somebody who is ann in the realm."""
    return kdc.log_in("ann")


@pytest.fixture
def ann(ticket: dict[str, str]) -> Initiator:
    return Initiator(ticket)


@pytest.fixture
async def qlik(tmp_path: Path, keytab: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, vp=login(keytab)) as built:
        yield built
