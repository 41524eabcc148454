"""Who may use the internal listener: addresses, certificates over real TLS, browsers, and what is written about it."""

import ipaddress
import json
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from internal_listener import LOOPBACK, Reply, Site, make_site, posted, running

from qproxy.web.internal import CalmLogger, Guard, is_listed

ELSEWHERE = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(str(tmp_path))


@pytest.fixture
async def strict(site: Site) -> AsyncIterator[Site]:
    """TLS with a client certificate asked for; the client shows none yet."""
    async with running(site, tls=server_context()) as one:
        one.tls = client_context()
        yield one


QLIK, STRANGER = trustme.CA(), trustme.CA()


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    QLIK.issue_cert("localhost").configure_cert(context)
    QLIK.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client_context(issuer: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    QLIK.configure_trust(context)
    if issuer:
        issuer.issue_cert("QlikClient").configure_cert(context)
    return context


def audit_lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "audit.log").read_text().splitlines()]


def assert_refused_without_a_word(reply: Reply) -> None:
    assert (reply.status, reply.body) == (403, b"")


# --- certificates ---


async def test_the_right_certificate_is_let_in(strict: Site) -> None:
    strict.tls = client_context(QLIK)
    assert (await strict.post(posted("x"))).status == 201


@pytest.mark.parametrize("path", ["session/x", "user/SSO/john", "/nothing", "//livez", "/Session-Module/hr/session/x"])
async def test_without_a_certificate_nothing_but_the_status_pages_answers(strict: Site, path: str) -> None:
    assert_refused_without_a_word(await strict.ask("GET", path))


async def test_without_a_certificate_no_session_can_be_made(strict: Site) -> None:
    assert_refused_without_a_word(await strict.post(posted("x", "sa_repository")))
    assert await strict.desks["sales"].find("x") is None


async def test_a_strangers_certificate_is_refused_by_tls(strict: Site) -> None:
    strict.tls = client_context(STRANGER)
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await strict.ask("GET", "session/x")


@pytest.mark.parametrize("path", ["/livez", "/metrics"])
async def test_the_status_pages_need_no_certificate(strict: Site, path: str) -> None:
    assert (await strict.ask("GET", path)).status == 200


# --- addresses ---


@pytest.mark.parametrize("path", ["session/x", "/livez", "/metrics", "/"])
async def test_an_address_that_is_not_listed_gets_nothing(site: Site, path: str) -> None:
    async with running(site, allowed=ELSEWHERE):
        assert_refused_without_a_word(await site.ask("GET", path))


async def test_no_header_changes_the_address(site: Site) -> None:
    headers = "X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\n"
    async with running(site, allowed=ELSEWHERE):
        assert_refused_without_a_word(await site.ask("GET", "session/x", headers=headers))


@pytest.mark.parametrize(
    ("peer", "listed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("fd00::1%eth0", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("", False),
    ],
)
def test_an_address_is_listed_by_network(peer: str, listed: bool) -> None:
    assert is_listed(peer, ELSEWHERE) is listed


def test_a_guard_that_would_let_nobody_in_is_a_mistake(site: Site) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Guard((), False, site.observer, site.clock)
    site.observer.close()


# --- browsers ---


@pytest.mark.parametrize(
    "header", ["Origin: http://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n", "origin: null\r\n"]
)
async def test_a_page_in_a_browser_on_a_listed_machine_cannot_post_a_session(site: Site, header: str) -> None:
    async with running(site, allowed=LOOPBACK):
        reply = await site.ask("POST", "session", json.dumps(posted("x", "admin")).encode(), header)
        assert_refused_without_a_word(reply)
        assert await site.desks["sales"].find("x") is None


async def test_a_person_may_look_at_the_status_in_a_browser(site: Site) -> None:
    async with running(site):
        assert (await site.ask("GET", "/readyz", headers="Sec-Fetch-Site: none\r\n")).status == 200


# --- what is written ---


async def test_refusals_of_one_address_make_one_audit_line_a_minute(site: Site, tmp_path: Path) -> None:
    async with running(site, allowed=ELSEWHERE):
        for _ in range(5):
            await site.ask("GET", "session/x")
        site.clock.now += 61
        await site.ask("GET", "session/x")
    refused = [line for line in audit_lines(tmp_path) if line["event"] == "internal_refused"]
    assert [(one["client"], one["reason"], one["unwritten"]) for one in refused] == [
        ("127.0.0.1", "address", 0),
        ("127.0.0.1", "address", 4),
    ]


async def test_every_refusal_is_counted(site: Site) -> None:
    async with running(site, allowed=ELSEWHERE):
        await site.ask("GET", "session/x")
        await site.ask("GET", "/livez")
    assert b'qproxy_internal_refused_total{reason="address"} 2.0' in site.observer.metrics.text()


async def test_what_is_remembered_of_strangers_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qproxy.web.internal.VERDICTS", 1)
    async with running(site, allowed=[*ELSEWHERE, *LOOPBACK], tls=server_context()):
        site.tls = client_context()
        await site.ask("GET", "session/x")
        site.tls = client_context(QLIK)
        assert_refused_without_a_word(await site.ask("GET", "session/x", headers="Origin: null\r\n"))
        assert_refused_without_a_word(await site.ask("GET", "session/x", headers="Origin: null\r\n"))
    assert site.observer.metrics.registry.get_sample_value("qproxy_internal_refused_total", {"reason": "browser"}) == 2


async def test_bytes_that_are_no_http_leave_one_short_line(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "qproxy.internal")
    async with running(site):
        assert (await site.ask("GET", "session/CANARY\xff")).status == 400
    assert [record.getMessage() for record in caplog.records if record.name == "qproxy.internal"] == [
        "Error handling request from 127.0.0.1: InvalidURLError"
    ]


@pytest.mark.error_log("in trouble")
def test_a_mistake_of_ours_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("ours")
    except ValueError:
        CalmLogger().exception("in trouble")
    assert "ValueError: ours" in caplog.text
