"""/livez, /readyz and /metrics over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from internal_listener import Site, make_site, running

from qproxy.sessions.store import StoreUnavailable
from qproxy.web.status import Check


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(make_site(str(tmp_path))) as one:
        yield one


def saying(reason: str | None) -> Check:
    async def check() -> str | None:
        return reason

    return check


async def test_it_lives_while_it_answers(site: Site) -> None:
    site.checks["store"] = saying("no answer")
    reply = await site.ask("GET", "/livez")
    assert (reply.status, reply.body) == (200, b"ok\n")


async def test_it_is_ready_when_no_check_objects(site: Site) -> None:
    site.checks["store"] = saying(None)
    reply = await site.ask("GET", "/readyz")
    assert (reply.status, reply.json()) == (200, {"ready": True, "reasons": []})


async def test_it_is_not_ready_and_says_why(site: Site) -> None:
    site.checks |= {
        "draining": saying("it is shutting down"),
        "store": saying(None),
        "upstream sales": saying("no node of sales answers"),
    }
    reply = await site.ask("GET", "/readyz")
    reasons = [
        {"check": "draining", "reason": "it is shutting down"},
        {"check": "upstream sales", "reason": "no node of sales answers"},
    ]
    assert (reply.status, reply.json()) == (503, {"ready": False, "reasons": reasons})


async def test_a_check_that_hangs_counts_as_failed(site: Site) -> None:
    async def hang() -> str | None:
        await asyncio.Event().wait()
        return None

    site.checks["store"] = hang
    reply = await site.ask("GET", "/readyz")
    assert reply.json()["reasons"] == [{"check": "store", "reason": "no answer within 0.2 s"}]


async def test_a_check_that_breaks_is_logged_and_tells_no_detail(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> str | None:
        raise StoreUnavailable("cannot open the store at somewhere")

    site.checks["store"] = broken
    reply = await site.ask("GET", "/readyz")
    assert reply.status == 503
    assert b"somewhere" not in reply.body
    assert "the readiness check store failed" in caplog.text


async def test_metrics_are_prometheus_text(site: Site) -> None:
    reply = await site.ask("GET", "/metrics")
    assert reply.headers["Content-Type"].startswith("text/plain; version=")
    assert b"\nqproxy_build{version=" in reply.body


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_a_status_page_is_only_read(site: Site, path: str) -> None:
    assert (await site.ask("POST", path)).status == 404
