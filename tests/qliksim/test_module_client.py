"""What the node sends to a session module, and what it takes for an answer."""

import asyncio
import ssl

import pytest
import trustme
from qliksim.node_site import session_module, site

from qproxy.qliksim.module_client import Reply

ATTRIBUTES = [{"Group": "Sales"}, {"Group": "Økonomi"}]


async def test_a_question_tells_the_environment_and_no_user() -> None:
    async with site() as it:
        await it.log_in()
        [call] = it.module.heard
    assert call.headers["X-Qlik-Security"] == "SecureRequest=true; Context=AppAccess"
    assert "X-Qlik-User" not in call.headers


async def test_a_registration_names_user_session_and_attributes() -> None:
    async with site() as it:
        ticket = it.node.vp("sso").issue_ticket(("SSO", "bjørn å"), ATTRIBUTES)
        await it.ask(f"/sso/hub/?qlikTicket={ticket.id}")
        [call] = it.module.heard
        [session] = it.node.sessions("sso")
    assert (call.method, call.path, call.json()) == ("POST", "/session", session.shown())
    assert call.headers["X-Qlik-User"] == "UserDirectory=SSO; UserId=bj%C3%B8rn%20%C3%A5"
    assert call.headers["X-Qlik-ProxySession"] == session.id
    assert call.headers["Content-Type"] == "application/json"
    assert call.headers["X-Qlik-Security"].endswith("Context=AppAccess; Group=Sales; Group=%C3%98konomi")


async def test_the_extended_environment_describes_the_client() -> None:
    async with site(vp={"ext_security": True}) as it:
        await it.log_in()
        text = it.module.heard[0].headers["X-Qlik-Security"]
    assert text.startswith("OS=Linux; Device=Default; Browser=")
    assert "IP=127.0.0.1" in text


async def test_a_registration_may_come_without_a_content_type() -> None:
    async with site(vp={"anonymous": "allow"}, toggles={"module_content_type": False}) as it:
        await it.ask("/sso/hub/")
        assert "Content-Type" not in it.module.heard[0].headers


async def test_a_cross_site_key_may_be_on_each_call() -> None:
    async with site(toggles={"xrf_on_module_calls": True}) as it:
        await it.log_in()
        [call] = it.module.heard
    assert call.path == "/session/id-of-john?xrfkey=0123456789abcdef"
    assert call.headers["X-Qlik-Xrfkey"] == "0123456789abcdef"


async def test_slashes_may_be_doubled() -> None:
    async with site(toggles={"double_slash": True}) as it:
        await it.log_in()
        assert it.module.calls() == ["GET //session//id-of-john"]


async def test_a_base_address_with_a_path_and_a_slash_is_continued() -> None:
    async with site() as it:
        it.node.set_session_module("sso", f"{it.module.url}/vp/sso/")
        await it.log_in()
        assert it.module.calls() == ["GET /vp/sso/session/id-of-john"]


async def test_an_id_is_escaped_once() -> None:
    async with site() as it:
        it.module.knows("john", "a/b%2Fc")
        await it.ask("/sso/hub/", "a/b%2Fc")
        assert it.module.calls() == ["GET /session/a%2Fb%252Fc"]


@pytest.mark.parametrize(
    ("accepts", "status", "taken"),
    [("any2xx", 200, True), ("any2xx", 204, True), ("any2xx", 500, False), ("200", 201, False), ("201", 201, True)],
)
async def test_which_status_a_registration_needs_is_a_toggle(accepts: str, status: int, taken: bool) -> None:
    async with site(toggles={"post_status_accept": accepts}) as it:
        it.module.post_status = status
        session = it.node.vp("sso").open_session(("SSO", "john"), [], "ticket")
        assert await it.node.core.modules.register("sso", session) is taken


async def test_a_silent_module_is_given_up_after_the_timeout() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with site(module_timeout_s=0.05) as it:
        it.node.set_session_module("sso", f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}")
        assert (await it.ask("/sso/hub/", "x")).status == 302
        assert it.node.journal("module")[0].note == "module_error timeout"
    silent.close()


async def test_a_module_that_is_not_there_is_a_failure() -> None:
    async with site() as it:
        it.node.set_session_module("sso", "http://127.0.0.1:1")
        assert (await it.ask("/sso/hub/", "x")).status == 302
        assert it.node.journal("module")[0].note.startswith("module_error Client")


async def test_without_a_module_an_unknown_id_is_unknown() -> None:
    async with site(vp={"session_module": ""}) as it:
        assert (await it.ask("/sso/hub/", "x")).status == 302
        assert it.node.journal("module") == []


async def test_the_node_shows_its_certificate_to_the_module_unless_told_not_to() -> None:
    authority = trustme.CA()
    server, certified, anonymous = (ssl.create_default_context(purpose) for purpose in PURPOSES)
    authority.issue_cert("localhost").configure_cert(server)
    authority.issue_cert("client@qlik.test").configure_cert(certified)
    server.verify_mode = ssl.CERT_REQUIRED
    for context in (server, certified, anonymous):
        authority.configure_trust(context)
    async with (
        session_module(ssl_context=server) as module,
        site(module_ssl=certified, module_ssl_anonymous=anonymous) as it,
    ):
        it.node.set_session_module("sso", module.url)
        session = module.knows("john")
        it.node.set_toggle("module_client_cert", False)
        assert (await it.ask("/sso/hub/", session)).status == 302
        it.node.set_toggle("module_client_cert", True)
        assert (await it.ask("/sso/hub/", session)).status == 200


PURPOSES = (ssl.Purpose.CLIENT_AUTH, ssl.Purpose.SERVER_AUTH, ssl.Purpose.SERVER_AUTH)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "<html>", '{"UserId": "x"}', '{"UserId": "", "UserDirectory": "D"}', '{"UserId": 7}']
)
def test_only_a_session_object_is_one(text: str) -> None:
    assert Reply(200, text).session_object() is None


async def test_the_journal_has_line_and_reply_of_each_call() -> None:
    async with site() as it:
        await it.ask("/sso/hub/", "unknown")
        [entry] = it.node.journal("module")
        assert entry.line == f"GET {it.module.url}/session/unknown HTTP/1.1"
    assert (entry.vp, entry.status, entry.reply) == ("sso", 404, '{"error": "unknown"}')
