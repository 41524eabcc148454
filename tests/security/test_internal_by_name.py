"""The internal listener, called by names that are not its own: a web page can let its own name point to loopback, and
is then of the same origin as the session module (DNS rebinding)."""

from pathlib import Path

import pytest
from a_site import Site, site
from hostile.wire import Reply, ask
from site_plan import free_port


async def called(site: Site, host: str, target: str = "/session-module/sales/user/SALES/ann") -> Reply:
    port = site.server.internal_ports[0]
    return await ask(port, f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


@pytest.mark.parametrize(
    "host", ["evil.example", "EVIL.example:8443", "127.0.0.1.evil.example", "localhost.evil.example"]
)
async def test_a_web_pages_own_name_reaches_no_session(tmp_path: Path, host: str) -> None:
    async with site(tmp_path) as qlik:
        await qlik.log_in(qlik.browser())
        reply = await called(qlik, host)
    assert (reply.status, reply.body) == (403, b"")
    assert '"reason":"host"' in (tmp_path / "audit.log").read_text("utf-8").replace(" ", "")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:8443", "[::1]", "[::1]:8443", "qproxy.internal:1"]
)
async def test_addresses_and_the_configured_name_are_answered(tmp_path: Path, host: str) -> None:
    port = free_port()
    async with site(
        tmp_path, server=f"internal: {{listen: '127.0.0.1:{port}', url: 'http://qproxy.internal:{port}'}}"
    ) as qlik:
        assert (await called(qlik, host)).status == 200


async def test_probes_may_use_any_name(tmp_path: Path) -> None:
    async with site(tmp_path) as qlik:
        assert [(await called(qlik, "probe.example", f"/{page}")).status for page in ("livez", "metrics")] == [200, 200]
