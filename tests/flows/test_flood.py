"""Requests reach Qlik without the cookie: each makes a session of nobody. Bounded, counted, and named in the log."""

from pathlib import Path

import pytest
from a_site import Site, site

TROUBLE = "the cookie does not reach QPS"


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if TROUBLE in record.getMessage()]


async def flood(qlik: Site, pages: int) -> str:
    """So many first pages of a person who is logged in; the id of the last session that came of it."""
    person = qlik.browser()
    await qlik.fill_in(person, "/qproxy/login/sales")
    for _ in range(pages):
        calls = await qlik.node.run_script("S1", vp="sales", session_id=qlik.cookie(person))
        assert [(entry.method, entry.status) for entry in calls[-3:]] == [("POST", 201)] * 3
    assert await qlik.status(person, "/sales/hub/") == 200
    return str(calls[-1].json()["SessionId"])


def counted(qlik: Site, kept: str) -> float:
    value = qlik.server.observer.metrics.registry.get_sample_value(
        "qproxy_anonymous_sessions_total", {"vp": "sales", "kept": kept}
    )
    return value or 0.0


async def test_one_page_without_its_cookie_is_named_in_the_log_with_what_to_check(
    qlik: Site, caplog: pytest.LogCaptureFixture
) -> None:
    await flood(qlik, 1)
    (line,) = complaints(caplog)
    assert line.startswith("sales: Qlik made 3 anonymous sessions within a minute")
    for hint in ("X-Qlik-Session-sales-HTTP", qlik.origin, "Has secure", "SameSite", "-HTTP", "Anonymous access mode"):
        assert hint in line


async def test_a_flood_is_named_once_a_minute(qlik: Site, caplog: pytest.LogCaptureFixture) -> None:
    await flood(qlik, 5)
    assert len(complaints(caplog)) == 1
    qlik.clock.now += 60
    await flood(qlik, 5)
    assert len(complaints(caplog)) == 2


async def test_of_a_flood_only_some_are_kept_and_all_are_counted(qlik: Site) -> None:
    last = await flood(qlik, 25)
    assert (counted(qlik, "yes"), counted(qlik, "no")) == (60, 15)
    assert await qlik.server.store.count("sales", True) == 60
    assert await qlik.server.sessions.find("sales", last) is None
    assert (qlik.directory / "audit.log").read_text().count('"session_told"') == 60


async def test_where_anonymous_people_are_welcome_all_are_kept_and_nobody_complains(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with site(tmp_path, vp="anonymous: allow", qlik={"anonymous": "allow"}) as qlik:
        last = await flood(qlik, 25)
        assert counted(qlik, "no") == 0
        assert await qlik.server.sessions.find("sales", last) is not None
    assert complaints(caplog) == []


async def test_a_ticket_that_qlik_tells_of_is_no_flood(qlik: Site, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(4):
        await qlik.node.run_script("S2", vp="sales")
    assert counted(qlik, "yes") == 0
    assert complaints(caplog) == []
