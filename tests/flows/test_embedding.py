"""Qlik within another site's page: what that site may ask, and what all others may not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from a_site import Site, site

PORTAL = "https://portal.example.com"
PREFLIGHT = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-qlik-xrfkey"}
ALLOWED = (("Access-Control-Allow-Origin", PORTAL), ("Access-Control-Allow-Credentials", "true"))


@pytest.fixture
async def qlik(tmp_path: Path) -> AsyncIterator[Site]:
    vp = f"allowed_origins: {PORTAL}"
    async with site(tmp_path, vp=vp, qlik={"extra_headers": ALLOWED, "anonymous": "allow"}) as built:
        yield built


async def test_a_preflight_of_an_allowed_site_is_answered_by_qlik(qlik: Site) -> None:
    headers = PREFLIGHT | {"Origin": PORTAL}
    async with qlik.browser().options("/sales/qrs/about", headers=headers) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == PORTAL


async def test_a_preflight_of_any_other_site_is_not_passed_on(qlik: Site) -> None:
    headers = PREFLIGHT | {"Origin": "https://elsewhere.example.com"}
    assert await qlik.status(qlik.browser(), "/sales/qrs/about", method="OPTIONS", headers=headers) == 401
    assert qlik.node.journal("http") == []


@pytest.mark.parametrize(
    "more", [{"Cookie": "a=b"}, {"Authorization": "Basic eDp5"}, {"Access-Control-Request-Method": ""}]
)
async def test_what_only_looks_like_a_preflight_is_not_passed_on(qlik: Site, more: dict[str, str]) -> None:
    headers = {name: value for name, value in (PREFLIGHT | {"Origin": PORTAL} | more).items() if value}
    assert await qlik.status(qlik.browser(), "/sales/qrs/about", method="OPTIONS", headers=headers) == 401
