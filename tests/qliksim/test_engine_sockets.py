"""Engine sockets: who is let in, the greeting, the refusals inside the socket, attaching again."""

import json
from typing import Any

import aiohttp
import pytest
from qliksim.node_site import SALES, Site, frames, site
from waiting import eventually

from qproxy.qliksim import AppSettings

GONE = 1001
ORIGIN = {"Origin": "https://bi.test:8443"}


async def connected(it: Site, path: str = "/sso/app/sales", **more: Any) -> aiohttp.ClientWebSocketResponse:
    """A socket whose greeting has been read."""
    socket = await it.socket(path, more.pop("session", None) or await it.log_in(), **more)
    await frames(socket, 2)
    return socket


async def state_of(it: Site, path: str, session: str, headers: dict[str, str] | None = None) -> str:
    """How the engine greets a socket, which is closed then."""
    socket = await it.socket(path, session, headers)
    state = (await frames(socket, 2))[1]["params"]["qSessionState"]
    before = len(it.node.journal("ws"))
    await socket.close()
    await eventually(lambda: len(it.node.journal("ws")) > before)
    return str(state)


async def asked(socket: aiohttp.ClientWebSocketResponse, method: str, params: list[Any], handle: int = -1) -> Any:
    await socket.send_json({"jsonrpc": "2.0", "id": 1, "handle": handle, "method": method, "params": params})
    [reply] = await frames(socket, 1)
    return reply


async def farewell(it: Site, session: str, path: str = "/sso/app/sales", token: str = "?") -> tuple[str, int]:
    """The notice that a socket gets instead of a greeting, and its close code."""
    socket = await it.socket(path, session, token=token)
    [notice] = await frames(socket, 1)
    closing = await socket.receive(timeout=5)
    return notice["method"], closing.data


async def test_the_greeting_names_the_user_and_the_engines_state() -> None:
    async with site() as it:
        socket = await it.socket(session=await it.log_in(), headers=ORIGIN | {"Host": "bi.test:8443"})
        who, state = await frames(socket, 2)
    params = {"userId": "john", "userDirectory": "SSO", "mustAuthenticate": False}
    assert who["method"] == "OnAuthenticationInformation"
    assert who["params"] == {**params, "logoutUri": "http://bi.test:8443/sso/qps/user"}
    assert state["params"] == {"qSessionState": "SESSION_CREATED"}


async def test_the_engine_answers_as_the_user_of_the_session() -> None:
    async with site() as it:
        reply = await asked(await connected(it), "GetAuthenticatedUser", [])
    assert reply["result"]["qReturn"] == "UserDirectory=SSO; UserId=john"


async def test_the_user_may_be_told_after_the_first_message_only() -> None:
    async with site(toggles={"user_after_first_message": True}) as it:
        socket = await it.socket(session=await it.log_in())
        [first] = await frames(socket, 1)
        await socket.send_str('{"method":"EngineVersion","handle":-1,"params":[],"id":1}')
        second, third = await frames(socket, 2)
    assert (first["method"], second["method"], third["id"]) == ("OnConnected", "OnAuthenticationInformation", 1)


async def test_a_socket_needs_the_token_of_its_session() -> None:
    async with site() as it:
        john, jane = await it.log_in("john"), await it.log_in("jane")
        assert await it.refused_socket(session=john, token="") == 403
        assert await it.refused_socket(session=john, token=await it.token(jane)) == 403


async def test_the_token_in_a_header_is_not_enough() -> None:
    async with site() as it:
        session = await it.log_in()
        headers = {"qlik-csrf-token": await it.token(session)}
        assert await it.refused_socket(session=session, headers=headers, token="") == 403


async def test_releases_before_november_2024_need_no_token() -> None:
    async with site(release="2024-05") as it:
        socket = await it.socket(session=await it.log_in(), token="")
        assert len(await frames(socket, 2)) == 2


async def test_an_authorization_header_is_refused_with_the_token_check() -> None:
    async with site() as it:
        session = await it.log_in()
        assert await it.refused_socket(session=session, headers={"Authorization": "Bearer x"}) == 403


async def test_an_authorization_header_is_fine_on_older_releases() -> None:
    async with site(release="2024-05") as it:
        await connected(it, headers={"Authorization": "Bearer x"}, token="")


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "https://bi.test.evil.test"])
async def test_an_origin_outside_the_list_is_refused(origin: str) -> None:
    async with site() as it:
        assert await it.refused_socket(session=await it.log_in(), headers={"Origin": origin}) == 403


async def test_origins_are_compared_without_regard_to_case() -> None:
    async with site() as it:
        await connected(it, headers={"Origin": "HTTPS://BI.test"})


async def test_an_origin_may_be_required() -> None:
    async with site(toggles={"origin_required": True}) as it:
        session = await it.log_in()
        assert await it.refused_socket(session=session) == 403
        await connected(it, session=session, headers=ORIGIN)


async def test_an_upgrade_with_a_wrong_host_gets_the_400_page() -> None:
    async with site() as it:
        assert await it.refused_socket(session=await it.log_in(), headers={"Host": "x.test"}) == 400


async def test_nobody_is_let_in_only_to_be_told_where_to_log_in() -> None:
    async with site(vp={"redirect_uri": ""}) as it:
        socket = await it.socket(headers={"Origin": "http://bi.test:9000"})
        [notice] = await frames(socket, 1)
        closing = await socket.receive(timeout=5)
    assert (notice["params"]["mustAuthenticate"], closing.data) == (True, GONE)
    start = "http://bi.test:9000/sso/internal_forms_authentication/?targetId="
    assert notice["params"]["loginUri"].startswith(start)


async def test_the_login_address_may_follow_the_host_instead_of_the_origin() -> None:
    async with site(vp={"redirect_uri": ""}, toggles={"loginuri_from_origin": False}) as it:
        [notice] = await frames(await it.socket(headers={"Origin": "http://bi.test:9000"}), 1)
        assert notice["params"]["loginUri"].startswith(f"{it.node.http_url}/sso/")


async def test_nobody_may_be_refused_outright() -> None:
    async with site(toggles={"ws_unauth": "403"}) as it:
        assert await it.refused_socket(session="unknown", token="") == 403


async def test_a_failing_module_may_refuse_the_upgrade() -> None:
    async with site(toggles={"module_error": "500"}) as it:
        it.node.fail_module("500")
        assert await it.refused_socket(session="unknown", token="") == 500


async def test_a_ticket_opens_a_socket_and_the_101_brings_the_cookie() -> None:
    async with site(release="2024-05") as it:
        ticket = it.node.vp("sso").issue_ticket(("SSO", "john"), [])
        socket = await it.socket(f"/sso/app/sales?qlikTicket={ticket.id}")
        assert len(await frames(socket, 2)) == 2
        assert "X-Qlik-Session-sso-HTTP=" in str(socket._response.headers["Set-Cookie"])


async def test_the_sixth_session_of_a_person_is_one_too_many() -> None:
    async with site(release="2024-05") as it:
        for number in range(6):
            it.module.knows("john", f"id-{number}")
            await it.ask("/sso/hub/", f"id-{number}")
        assert await farewell(it, "id-5", token="") == ("OnMaxParallelSessionsExceeded", GONE)


async def test_many_sockets_of_one_session_are_fine() -> None:
    async with site() as it:
        session = await it.log_in()
        for _ in range(16):
            await connected(it, session=session)
        assert len(it.node.core.sockets_of("sso", session)) == 16


async def test_without_a_licence_there_is_no_app() -> None:
    async with site(users_with_license=("SSO\\jane",)) as it:
        assert await farewell(it, await it.log_in("john")) == ("OnLicenseAccessDenied", GONE)
        await connected(it, session=await it.log_in("jane"))


async def test_an_unknown_app_has_no_engine() -> None:
    async with site() as it:
        assert await farewell(it, await it.log_in(), "/sso/app/none") == ("OnNoEngineAvailable", GONE)


@pytest.mark.parametrize("code", [1001, 1011, 4003])
async def test_the_close_code_after_a_fatal_notice_is_a_toggle(code: int) -> None:
    async with site(toggles={"fatal_close_code": code}) as it:
        assert await farewell(it, await it.log_in(), "/sso/app/none") == ("OnNoEngineAvailable", code)


async def test_two_sockets_of_one_person_share_the_engines_session() -> None:
    async with site() as it:
        session = await it.log_in()
        await connected(it, session=session)
        assert await state_of(it, "/sso/app/sales", session) == "SESSION_ATTACHED"


async def test_an_identity_in_the_path_asks_for_an_engine_session_of_its_own() -> None:
    async with site() as it:
        session = await it.log_in()
        await connected(it, session=session)
        assert await state_of(it, "/sso/app/sales/identity/a%20b", session) == "SESSION_CREATED"


async def test_a_session_header_does_the_same() -> None:
    async with site() as it:
        session = await it.log_in()
        await connected(it, session=session)
        assert await state_of(it, "/sso/app/sales", session, {"X-Qlik-Session": "mine"}) == "SESSION_CREATED"


async def test_an_engine_session_outlives_its_socket_for_the_time_asked_for() -> None:
    async with site() as it:
        session, path = await it.log_in(), "/sso/app/sales/ttl/60"
        await state_of(it, path, session)
        it.node.advance(59)
        assert await state_of(it, path, session) == "SESSION_ATTACHED"
        it.node.advance(61)
        assert await state_of(it, path, session) == "SESSION_CREATED"


@pytest.mark.parametrize(
    "path", ["/sso/app/engineData", "/sso/app/", "/sso/app", "/sso/hub", "/sso/dataprepservice/x", "/sso/app/%73ales"]
)
async def test_sockets_open_on_all_of_qliks_paths(path: str) -> None:
    async with site() as it:
        await connected(it, path)


async def test_a_session_app_is_reached_by_its_escaped_name() -> None:
    async with site() as it:
        await connected(it, "/sso/app/%3Ftransient%3D/identity/17")
        upgrade = next(entry for entry in it.node.journal("ws") if entry.status == 101)
    assert upgrade.target.startswith("/sso/app/%3Ftransient%3D/identity/17?qlik-csrf-token=")


async def test_an_upgrade_elsewhere_is_an_ordinary_request() -> None:
    async with site() as it:
        assert await it.refused_socket("/sso/content/x.svg", await it.log_in()) == 200


async def test_a_message_keeps_the_session_alive_and_an_idle_socket_does_not() -> None:
    async with site() as it:
        socket = await connected(it)
        it.clock.now += 1000
        assert it.node.sessions("sso")[0].touched < it.clock.now
        await asked(socket, "EngineVersion", [])
        assert it.node.sessions("sso")[0].touched == it.clock.now


async def test_a_live_app_tells_of_changes_by_itself() -> None:
    live = AppSettings("live", "Live", live=True)
    async with site(apps=(SALES, live), live_every_s=0.01) as it:
        socket = await connected(it, "/sso/app/live")
        doc = (await asked(socket, "OpenDoc", ["live"]))["result"]["qReturn"]["qHandle"]
        chart = await asked(socket, "GetObject", ["chart-sales-by-region"], doc)
        handle = chart["result"]["qReturn"]["qHandle"]
        await asked(socket, "GetLayout", [], handle)
        pushed = json.loads((await socket.receive(timeout=5)).data)
    assert pushed["change"] == [handle]
