"""The administrative port: sessions, users, tickets, and who may ask."""

import json
import ssl
from typing import Any

import aiohttp
import pytest
import trustme
from qliksim.node_site import Answer, Site, frames, site

KEY = "0123456789abcdef"
JOHN = {"UserDirectory": "SSO", "UserId": "john", "Attributes": [{"Group": "Sales"}], "SessionId": "pushed"}
SESSION = "/qps/sso/session"


async def rest(it: Site, path: str, method: str = "GET", content: Any = None, key: str = KEY) -> Answer:
    body = None if content is None else json.dumps(content)
    url = f"{it.node.rest_url}{path}?xrfkey={KEY}"
    async with it.client.request(method, url, data=body, headers={"X-Qlik-Xrfkey": key}) as reply:
        return Answer(reply.status, reply.headers, await reply.read())


async def test_a_pushed_session_is_echoed_and_is_in() -> None:
    async with site() as it:
        answer = await rest(it, SESSION, "POST", JOHN)
        assert (answer.status, answer.json()) == (201, {**JOHN, "NewUser": True})
        assert (await it.ask("/sso/hub/", "pushed")).status == 200


async def test_the_second_session_of_a_person_is_no_new_user() -> None:
    async with site() as it:
        await rest(it, SESSION, "POST", JOHN)
        assert (await rest(it, SESSION, "POST", {**JOHN, "SessionId": "2"})).json()["NewUser"] is False


async def test_keys_in_camel_case_are_understood_and_an_id_is_made_when_missing() -> None:
    async with site() as it:
        answer = await rest(it, SESSION, "POST", {"userDirectory": "SSO", "userId": "john"})
        assert len(answer.json()["SessionId"]) == 36


@pytest.mark.parametrize("status", [409, 400])
async def test_the_same_id_twice_already_exists(status: int) -> None:
    async with site(toggles={"rest_duplicate_status": status}) as it:
        await rest(it, SESSION, "POST", JOHN)
        answer = await rest(it, SESSION, "POST", JOHN)
    assert (answer.status, b"already exists" in answer.body) == (status, True)


@pytest.mark.parametrize("content", [None, [], {"UserId": "x"}, {"UserId": "a\\b", "UserDirectory": "D"}])
async def test_what_is_no_session_is_refused(content: Any) -> None:
    async with site() as it:
        assert (await rest(it, SESSION, "POST", content)).status == 400


async def test_a_session_can_be_shown_and_an_unknown_one_is_null() -> None:
    async with site() as it:
        await rest(it, SESSION, "POST", JOHN)
        assert (await rest(it, f"{SESSION}/pushed")).json() == JOHN
        unknown = await rest(it, f"{SESSION}/unknown")
    assert (unknown.status, unknown.body) == (200, b"null")


async def test_all_sessions_are_listed() -> None:
    async with site() as it:
        await rest(it, SESSION, "POST", JOHN)
        assert (await rest(it, SESSION)).json() == [JOHN]


async def test_deleting_a_session_closes_its_sockets_with_a_notice() -> None:
    async with site() as it:
        await rest(it, SESSION, "POST", JOHN)
        socket = await it.socket(session="pushed")
        await frames(socket, 2)
        answer = await rest(it, f"{SESSION}/pushed", "DELETE")
        [notice] = await frames(socket, 1)
    assert (answer.status, answer.json()["Session"]) == (200, JOHN)
    assert notice["method"] == "OnSessionClosed"


async def test_deleting_an_unknown_session_is_fine_or_404() -> None:
    async with site() as it:
        assert (await rest(it, f"{SESSION}/unknown", "DELETE")).status == 200
        it.node.set_toggle("rest_unknown_delete_status", 404)
        assert (await rest(it, f"{SESSION}/unknown", "DELETE")).status == 404


async def test_the_sessions_of_a_person_can_be_listed_and_ended() -> None:
    async with site() as it:
        john = {**JOHN, "UserId": "jo/hn å"}
        await rest(it, SESSION, "POST", john)
        path = "/qps/sso/user/SSO/jo%2Fhn%20%C3%A5"
        assert (await rest(it, path)).json() == [john]
        assert (await rest(it, path, "DELETE")).json()[0]["Session"] == john
        assert it.node.sessions("sso") == []


async def test_the_module_is_told_what_begins_and_ends_here() -> None:
    async with site() as it:
        await rest(it, SESSION, "POST", JOHN)
        await rest(it, f"{SESSION}/pushed", "DELETE")
        await rest(it, "/qps/sso/user/SSO/john", "DELETE")
        assert it.module.calls() == ["POST /session", "DELETE /session/pushed", "DELETE /user/SSO/john"]


async def test_the_module_is_not_told_with_the_toggle_off() -> None:
    async with site(toggles={"mirror_api_sessions": False}) as it:
        await rest(it, SESSION, "POST", JOHN)
        await rest(it, f"{SESSION}/pushed", "DELETE")
        await rest(it, "/qps/sso/user/SSO/john", "DELETE")
        assert it.module.calls() == []


async def test_a_ticket_has_no_target_unless_one_was_asked_for() -> None:
    async with site() as it:
        answer = await rest(it, "/qps/sso/ticket", "POST", JOHN)
        assert (answer.status, answer.json()["TargetUri"]) == (201, None)
        assert (await it.ask(f"/sso/hub/?qlikTicket={answer.json()['Ticket']}")).status == 200


async def test_a_ticket_for_a_target_tells_its_address() -> None:
    async with site() as it:
        target = it.node.vp("sso").remember_target("https://bi.test/sso/hub/")
        answer = await rest(it, "/qps/sso/ticket", "POST", {**JOHN, "TargetId": target})
        assert answer.json()["TargetUri"] == "https://bi.test/sso/hub/"


async def test_a_ticket_for_an_unknown_target_is_refused() -> None:
    async with site() as it:
        assert (await rest(it, "/qps/sso/ticket", "POST", {**JOHN, "TargetId": "x"})).status == 400


@pytest.mark.parametrize("path", ["/qps/alive", "/qps/health", "/qps/about/openapi/main"])
async def test_the_node_describes_itself_without_a_virtual_proxy(path: str) -> None:
    async with site(virtual_proxies=()) as it:
        assert (await rest(it, path)).status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [("/qps/none/session", 400), ("/other", 404), ("/qps/sso/about/x", 405), ("/qps/sso/alive/x", 405)],
)
async def test_what_is_not_there_is_refused(path: str, status: int) -> None:
    async with site() as it:
        assert (await rest(it, path)).status == status


@pytest.mark.parametrize("key", ["", "fedcba9876543210", KEY[:-1], KEY + "0"])
async def test_the_cross_site_key_must_be_repeated(key: str) -> None:
    async with site() as it:
        assert (await rest(it, SESSION, key=key)).status == 403


async def test_calls_are_journaled_with_body_and_reply() -> None:
    async with site() as it:
        await rest(it, SESSION, "POST", JOHN)
        [entry] = it.node.journal("rest")
    assert (entry.status, entry.json()["UserId"]) == (201, "john")
    assert '"NewUser": true' in entry.reply


async def test_without_a_client_certificate_the_answer_is_403() -> None:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certified, anonymous = ssl.create_default_context(), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.issue_cert("client@qlik.test").configure_cert(certified)
    server.verify_mode = ssl.CERT_OPTIONAL
    for context in (server, certified, anonymous):
        authority.configure_trust(context)
    async with site(rest_tls=server) as it:
        statuses = [await status_of(it, context) for context in (anonymous, certified)]
    assert statuses == [403, 200]


async def status_of(it: Site, context: ssl.SSLContext) -> int:
    headers = {"X-Qlik-Xrfkey": KEY}
    url = f"{it.node.rest_url}{SESSION}?xrfkey={KEY}"
    async with (
        aiohttp.ClientSession() as client,
        client.get(url, headers=headers, ssl=context) as reply,
    ):
        return reply.status
