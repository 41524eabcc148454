"""The session store is gone: nobody new gets in, nobody is logged out, and all goes on when it is back."""

import base64
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from a_site import Site, site
from waiting import eventually

COOKIE = "X-Qlik-Session-sales-HTTP"
GRACE = 31.0
UNAVAILABLE = 503


@pytest.fixture
async def qlik(tmp_path: Path) -> AsyncIterator[Site]:
    key = tmp_path / "session.key"
    key.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    key.chmod(0o600)
    (tmp_path / "disk").mkdir()
    store = f"{{store: sqlite, path: {tmp_path}/disk/sessions.db, key_file: {key}}}"
    async with site(tmp_path, server=f"sessions: {store}") as built:
        yield built


def breaks(qlik: Site) -> None:
    """Its disk is gone, with all three files of the store."""
    (qlik.directory / "disk").rename(qlik.directory / "away")


def is_mended(qlik: Site) -> None:
    (qlik.directory / "away").rename(qlik.directory / "disk")


async def module(qlik: Site, method: str, path: str) -> int:
    url = f"{qlik.internal}/session-module/sales/{path}"
    async with aiohttp.ClientSession() as caller, caller.request(method, url) as answer:
        return answer.status


async def test_an_unknown_id_is_503_everywhere_and_never_a_login_or_a_404(qlik: Site) -> None:
    breaks(qlik)
    stranger = qlik.browser(Cookie=f"{COOKIE}={'A' * 43}")
    async with stranger.get("/sales/hub/", allow_redirects=False) as answer:
        assert (answer.status, answer.headers.getall("Set-Cookie", [])) == (UNAVAILABLE, [])
    for method, path in (("GET", f"session/{'A' * 43}"), ("DELETE", f"session/{'A' * 43}"), ("GET", "user/SALES/ann")):
        assert await module(qlik, method, path) == UNAVAILABLE
    assert qlik.node.journal("http") == []


async def test_people_are_served_for_a_grace_then_refused_and_never_logged_out(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    breaks(qlik)
    assert await qlik.status(person, "/sales/hub/") == 200
    await eventually(lambda: qlik.server.sessions.troubles)
    qlik.clock.now += GRACE
    async with person.get("/sales/hub/", allow_redirects=False) as answer:
        assert (answer.status, answer.headers.getall("Set-Cookie", [])) == (UNAVAILABLE, [])
    assert await module(qlik, "GET", f"session/{qlik.cookie(person)}") == UNAVAILABLE
    is_mended(qlik)
    await eventually(lambda: not qlik.server.sessions.troubles)
    assert await qlik.status(person, "/sales/hub/") == 200


async def test_logins_and_logouts_are_503_and_change_nothing(qlik: Site) -> None:
    person, other = qlik.browser(), qlik.browser()
    await qlik.log_in(person)
    login, logout = [
        await qlik.form(who, f"/qproxy/{page}/sales") for who, page in ((other, "login"), (person, "logout"))
    ]
    breaks(qlik)
    login |= {"name": "bob", "password": "correct horse"}
    assert await qlik.status(other, "/qproxy/login/sales", method="POST", data=login) == UNAVAILABLE
    assert await qlik.status(person, "/qproxy/logout/sales", method="POST", data=logout) == UNAVAILABLE
    assert (qlik.cookie(other), qlik.cookie(person) != "") == ("", True)
    is_mended(qlik)
    await eventually(lambda: not qlik.server.sessions.troubles)
    assert await qlik.status(person, "/qproxy/logout/sales", method="POST", data=logout) == 200
    assert await qlik.status(other, "/qproxy/login/sales", method="POST", data=login) == 303
