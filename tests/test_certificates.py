"""How long the certificates of a configuration are still good, and what /readyz makes of it."""

import time
from pathlib import Path

import pytest
from a_site import site

from qproxy.certificates import certificate_lifetimes
from qproxy.checks import readiness
from qproxy.server import Server

YEARS = 5000 * 365 * 86400


async def test_each_certificate_of_the_configuration_has_its_time(tmp_path: Path) -> None:
    async with site(tmp_path, tls=True) as qlik:
        left = certificate_lifetimes(qlik.server.config, time.time())
    names = {"public", "internal", "internal client_ca", "sales upstream ca", "finance upstream ca"}
    assert set(left) == names
    assert min(left.values()) > 86400


async def test_a_site_without_tls_has_none(tmp_path: Path) -> None:
    async with site(tmp_path) as qlik:
        assert certificate_lifetimes(qlik.server.config, time.time()) == {}


@pytest.fixture
def expired_at() -> float:
    return time.time() + YEARS


async def test_an_expired_certificate_makes_qproxy_not_ready(tmp_path: Path, expired_at: float) -> None:
    async with site(tmp_path, tls=True) as qlik:
        running: Server = qlik.server
        running.clock = lambda: expired_at
        reason = await readiness(running)["certificates"]()
    assert reason is not None
    assert "expired" in reason
    assert "public" in reason


async def test_those_for_qliks_api_are_watched_too(tmp_path: Path) -> None:
    async with site(tmp_path, tls=True, mode="session_api", vps={"sales": "sales"}) as qlik:
        left = certificate_lifetimes(qlik.server.config, time.time())
    assert left["sales qps_api ca"] > 0
    assert left["sales qps_api client"] > 0


async def test_a_certificate_that_is_gone_counts_as_expired(tmp_path: Path) -> None:
    async with site(tmp_path, tls=True) as qlik:
        assert qlik.certificates is not None
        qlik.certificates.certificate.write_text("no certificate any more")
        assert certificate_lifetimes(qlik.server.config, time.time())["public"] == float("-inf")


async def test_the_numbers_tell_how_long_they_last(tmp_path: Path) -> None:
    async with site(tmp_path, tls=True) as qlik:
        assert 'qproxy_certificate_expiry_seconds{certificate="public"}' in qlik.server.observer.metrics.text().decode()
