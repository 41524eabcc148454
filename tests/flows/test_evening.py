"""A person's evening: log in once, use Qlik over HTTP and WebSocket on one host, log out."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from a_site import APP, Site, site

SHEET = f"/sales/sense/app/{APP}/sheet/s1/state/analysis?a=%2Fb+c;d"


@pytest.fixture
async def qlik(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as built:
        yield built


async def test_a_stranger_is_sent_to_the_login_page_and_back_to_the_exact_deep_link(qlik: Site) -> None:
    person = qlik.browser()
    assert await qlik.log_in(person, SHEET) == qlik.origin + SHEET


async def test_after_the_login_the_hub_answers_on_the_public_host(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with person.get("/sales/hub/", allow_redirects=False) as hub:
        assert hub.status == 200
        assert "X-Qlik-Session-sales" not in hub.headers.get("Set-Cookie", "")


async def test_one_login_makes_exactly_one_qlik_session_and_no_anonymous_ones(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    for path in ("/sales/hub/", "/sales/resources/fonts/x.woff", "/sales/extensions/schema"):
        await person.get(path)
    assert [session.user for session in qlik.node.sessions("sales")] == ["ann"]


async def test_the_engine_says_over_the_socket_who_is_logged_in(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with person.get("/sales/qps/csrftoken") as token:
        assert token.status == 204
        csrf = token.headers["qlik-csrf-token"]
    async with person.ws_connect(f"/sales/app/{APP}?qlik-csrf-token={csrf}") as ws:
        greeting = [json.loads(await ws.receive_str())["method"] for _ in range(2)]
        await ws.send_json({"jsonrpc": "2.0", "id": 1, "handle": -1, "method": "GetAuthenticatedUser", "params": []})
        answer = await ws.receive_json()
    assert sorted(greeting) == ["OnAuthenticationInformation", "OnConnected"]
    assert answer["result"]["qReturn"] == "UserDirectory=SALES; UserId=ann"
