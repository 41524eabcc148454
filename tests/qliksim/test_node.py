"""The levers of a node: time, cache, restarts, sockets, toggles."""

import asyncio
import ssl

import aiohttp
import pytest
import trustme
from qliksim.node_site import frames, site
from waiting import eventually

from qproxy.qliksim import QlikNode, SimConfig, VirtualProxySettings

GONE = (ConnectionError, aiohttp.ClientError)


async def test_an_idle_session_ends_and_the_module_is_told() -> None:
    async with site(vp={"inactivity_s": 60.0}, sweep_every_s=3600.0) as it:
        session = await it.log_in()
        it.clock.now += 61
        await it.node.sweep()
        assert it.node.sessions("sso") == []
        assert it.module.calls()[-1] == f"DELETE /session/{session}"


async def test_a_session_in_use_does_not_end() -> None:
    async with site(vp={"inactivity_s": 60.0}, sweep_every_s=3600.0) as it:
        session = await it.log_in()
        for _ in range(3):
            it.clock.now += 59
            await it.ask("/sso/hub/", session)
            await it.node.sweep()
        assert len(it.node.sessions("sso")) == 1


async def test_passing_time_ends_idle_sessions_without_being_asked() -> None:
    async with site(sweep_every_s=3600.0) as it:
        await it.log_in()
        it.node.advance(1800)
        await eventually(lambda: not it.node.sessions("sso"))


async def test_sockets_hear_that_their_session_has_timed_out() -> None:
    async with site() as it:
        socket = await it.socket(session=await it.log_in())
        await frames(socket, 2)
        it.node.advance(1800)
        [notice] = await frames(socket, 1)
        closing = await socket.receive(timeout=5)
    assert notice["method"] == "OnSessionTimedOut"
    assert notice["params"]["message"] == "Session timed out due to inactivity"
    assert notice["params"]["timestamp"] == "2027-01-15T08:30:00Z"
    assert closing.data == 1001


async def test_one_session_can_be_made_to_expire() -> None:
    async with site() as it:
        john, jane = await it.log_in("john"), await it.log_in("jane")
        await it.node.expire("sso", john)
        assert [session.id for session in it.node.sessions("sso")] == [jane]
        assert it.module.calls()[-1] == f"DELETE /session/{john}"


async def test_a_forgotten_cache_is_asked_for_again_and_keeps_sockets() -> None:
    async with site() as it:
        session = await it.log_in()
        socket = await it.socket("/sso/app/echo", session, token="")
        it.node.forget_cache("sso")
        await socket.send_str("still here")
        assert (await socket.receive(timeout=5)).data == "still here"
        await it.ask("/sso/hub/", session)
        assert it.module.calls() == [f"GET /session/{session}"] * 2


async def test_forgetting_the_cache_keeps_sessions_that_were_made_here() -> None:
    async with site() as it:
        it.node.vp("sso").open_session(("SSO", "john"), [], "api", "made-here")
        it.node.forget_cache("sso")
        assert [session.id for session in it.node.sessions("sso")] == ["made-here"]


async def test_a_restart_loses_sessions_and_sockets_and_comes_back_on_the_same_ports() -> None:
    async with site() as it:
        session = await it.log_in()
        socket = await it.socket("/sso/app/echo", session, token="")
        before = it.node.http_url, it.node.rest_url
        await it.node.restart()
        assert (await socket.receive(timeout=5)).type is not aiohttp.WSMsgType.CLOSE
        assert (it.node.http_url, it.node.rest_url) == before
        assert (await it.ask("/sso/hub/", session)).status == 200
        assert it.module.calls() == [f"GET /session/{session}"] * 2


async def test_a_node_that_does_not_listen_refuses() -> None:
    async with site() as it:
        session = await it.log_in()
        await it.node.stop_listening()
        with pytest.raises(aiohttp.ClientConnectorError):
            await it.ask("/sso/hub/", session)
        await it.node.start_listening()
        assert (await it.ask("/sso/hub/", session)).status == 200


async def test_requests_under_way_are_dropped_by_a_restart() -> None:
    async with site(toggles={"debug": "open"}) as it:
        asked = asyncio.create_task(it.ask("/sso/tempcontent/big?bytes=1&first_byte_ms=60000"))
        await eventually(lambda: it.node.journal("http"))
        await it.node.stop_listening()
        with pytest.raises(GONE):
            await asked


async def test_a_node_can_be_stopped_twice() -> None:
    node = QlikNode(SimConfig())
    await node.start()
    port = int(str(node.http_url).rpartition(":")[2])
    await node.stop()
    await node.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_listeners_that_are_not_wanted_are_not_there() -> None:
    async with site(rest_port=None) as it:
        assert (it.node.rest_url, it.node.https_url, it.node.control_url) == (None, None, None)


async def test_the_session_module_can_be_named_later() -> None:
    async with site(vp={"session_module": ""}) as it:
        it.node.set_session_module("sso", it.module.url)
        await it.log_in()
        assert len(it.module.heard) == 1


async def test_two_virtual_proxies_keep_two_identities_in_one_browser() -> None:
    plan = tuple(
        VirtualProxySettings(prefix, f"X-Qlik-Session-{prefix}", host_allow=("127.0.0.1",)) for prefix in ("a", "b")
    )
    async with site(virtual_proxies=plan) as it:
        for prefix, user in (("a", "ann"), ("b", "bob")):
            it.node.vp(prefix).open_session(("SSO", user), [], "api", user)
        cookies = {"Cookie": "X-Qlik-Session-a-HTTP=ann; X-Qlik-Session-b-HTTP=bob"}
        names = [(await it.ask(f"/{prefix}/qps/user", headers=cookies)).json()["userId"] for prefix in ("a", "b")]
    assert names == ["ann", "bob"]


@pytest.mark.parametrize(
    "call", [lambda n: n.sessions("x"), lambda n: n.set_toggle("x", 1), lambda n: n.fail_module("x")]
)
def test_what_is_unknown_is_refused_with_what_is_known(call: object) -> None:
    with pytest.raises(KeyError, match="there are: "):
        call(QlikNode(SimConfig()))  # type: ignore[operator]


def test_an_unknown_release_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2024-11"):
        SimConfig(release="2031")


def test_a_toggle_set_to_none_is_settled_by_the_release_again() -> None:
    node = QlikNode(SimConfig(release="2018"))
    node.set_toggle("csrf", True)
    assert node.core.toggles.csrf is True
    node.set_toggle("csrf", None)
    assert node.core.toggles.csrf is False


async def test_the_journal_keeps_the_newest_entries() -> None:
    async with site(journal_limit=2) as it:
        for number in range(3):
            await it.ask(f"/sso/{number}")
        assert [entry.target for entry in it.node.journal()] == ["/sso/1", "/sso/2"]


async def test_on_https_the_cookie_has_its_own_name_and_is_secure() -> None:
    authority = trustme.CA()
    server, trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(trusting)
    async with site(vp={"anonymous": "allow"}, tls=server) as it:
        async with it.client.get(f"{it.node.https_url}/sso/hub/", ssl=trusting) as reply:
            cookie = reply.headers["Set-Cookie"]
        await it.client.close()
    assert cookie.startswith("X-Qlik-Session-sso=")
    assert cookie.endswith("; Path=/; HttpOnly; Secure")
