"""qproxy's own pages under odd addresses: a clear 4xx, no error in the log, no second request behind it."""

import logging
from pathlib import Path

import pytest
from hostile.wire import connected
from security.behind import scripted

ODD = ["/qproxy/%0ax", "/qproxy/login/sales/%0d%0aX:%20y", "/qproxy/%E2%80%A8", "/qproxy/%ff", "/qproxy/login/%0a"]
ODD += ["/qproxy//login/sales", "/qproxy/login//sales", "/qproxy/session-module/sales/session", "/qproxy/metrics"]


async def test_an_odd_address_is_nothing_and_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with scripted(tmp_path) as qlik:
        for target in ODD:
            for field in ("Accept: text/html", "Expect: 100-continue"):
                assert (await qlik.ask(f"GET {target}", field)).status == 404, target
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_nothing_behind_a_request_for_an_own_page_is_believed(tmp_path: Path) -> None:
    """Only the data plane knows whose connection it is: what comes on it later must pass there again."""
    forged = ("X-Qproxy-Client: 6.6.6.6", "X-Qproxy-Request: forged")
    async with scripted(tmp_path) as qlik, connected(qlik.port) as browser:
        own = qlik.request("GET /qproxy/healthz", *forged)
        browser.send(own + qlik.request("GET /qproxy/login/sales", *forged) + own)
        reply = await browser.last_reply()
        assert (reply.status, reply.body, reply.closed) == (200, b"ok", True)
    lines = (tmp_path / "access.log").read_text("utf-8")
    assert (lines.count("\n"), "6.6.6.6" in lines, "forged" in lines) == (1, False, False)
