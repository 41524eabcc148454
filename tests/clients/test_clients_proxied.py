"""Real Qlik clients through qproxy: what they see must be what they see straight at the node, event for event."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from a_site import Site, site
from clients.evenings import JOHN, SCENARIOS, Visit, direct_visit, spend
from clients.runner import require_node_clients

from qproxy.model import Attributes, User

pytestmark = pytest.mark.clients


@pytest.fixture
async def qlik(tmp_path: Path) -> AsyncIterator[Site]:
    require_node_clients()
    async with site(tmp_path, vps={"sso": "sso"}, qlik={"host_allow": ("localhost", "127.0.0.1")}) as built:
        yield built


async def proxied_visit(qlik: Site) -> Visit:
    vp = qlik.server.vps["sso"]
    session = await vp.open_session(User(*JOHN), Attributes(), relogin=False)
    return Visit(f"{qlik.origin}/sso", f"{vp.cookie_name}={session.id}", qlik.origin)


@pytest.mark.parametrize(("script", "scenario"), SCENARIOS)
async def test_a_client_cannot_tell_qproxy_from_qlik(qlik: Site, script: str, scenario: str) -> None:
    direct = await spend(qlik.node, direct_visit(qlik.node), script, scenario)
    assert len(direct) > 3
    assert await spend(qlik.node, await proxied_visit(qlik), script, scenario) == direct
