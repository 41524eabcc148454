"""Engine sockets through qproxy: closed as the other side closed them, left alone when silent, refused as Qlik does."""

import json
from pathlib import Path

import aiohttp
import pytest
from a_site import APP, Site, call, farewell, greeting, site
from flows.wire import wire
from waiting import eventually

from qproxy.qliksim import Toggles

CODES = [(1000, "bye"), (1001, "going away"), (1011, "broken"), (1012, "restart"), (4000, ""), (4003, "Engine é")]
CODES += [(4999, "r" * 123)]
ECHO = "/sales/app/echo"
COOKIE = "X-Qlik-Session-sales-HTTP"


def notes(qlik: Site) -> list[str]:
    """What the node noted of its sockets: pings, swallowed messages, closes."""
    return [entry.note for entry in qlik.node.journal("ws") if entry.note]


def logged_closes(qlik: Site) -> list[tuple[int, str]]:
    lines = [json.loads(line) for line in (qlik.directory / "access.log").read_text().splitlines()]
    return [(line["close_code"], line["closed_by"]) for line in lines if line["kind"] == "websocket"]


# --- ends ---


@pytest.mark.parametrize(("code", "reason"), CODES)
async def test_the_browser_gets_the_close_code_and_the_reason_of_qlik(qlik: Site, code: int, reason: str) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        qlik.node.kill_sockets("sales", code=code, reason=reason)
        assert await farewell(ws) == ([], code, reason)


@pytest.mark.parametrize(("code", "reason"), CODES)
async def test_qlik_gets_the_close_code_and_the_reason_of_the_browser(qlik: Site, code: int, reason: str) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        await ws.close(code=code, message=reason.encode())
        assert ws.close_code == code
    await eventually(lambda: notes(qlik) == [f"close {code} {reason}".rstrip()])


async def test_a_line_that_qlik_drops_is_a_dropped_line_for_the_browser_and_no_clean_close(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        await qlik.node.kill_sockets("sales", abort=True)
        assert await farewell(ws) == ([], 1006, "")


async def test_a_line_that_the_browser_drops_is_gone_for_qlik_too(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with wire(qlik) as browser:
        token, cookie = await qlik.csrf(person), f"Cookie: {COOKIE}={qlik.cookie(person)}"
        target = f"/sales/app/{APP}?qlik-csrf-token={token}"
        assert (await browser.upgrade(target, cookie, f"Origin: {qlik.origin}")).status == 101
        await eventually(lambda: qlik.node.core.sockets_of("sales"))
        browser.writer.transport.abort()
        await eventually(lambda: notes(qlik) == ["gone"])
    await eventually(lambda: qlik.server.listener.tunnels == 0)


async def test_the_close_of_each_side_is_in_the_access_log_with_its_code(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    for code in (4003, 1012):
        async with qlik.engine(person) as ws:
            await greeting(ws)
            qlik.node.kill_sockets("sales", code=code)
            await farewell(ws)
            await ws.close()
        await eventually(lambda: qlik.server.listener.tunnels == 0)
    await eventually(lambda: logged_closes(qlik) == [(4003, "upstream"), (1012, "upstream")])


# --- silence ---


async def test_a_silent_socket_stays_open_past_every_limit_and_qlik_is_never_pinged(tmp_path: Path) -> None:
    short = "timeouts: {head: 0.2, keep_alive: 0.2, body_stall: 0.2, write_stall: 0.2, response_stall: 0.2}"
    async with site(tmp_path, server=short) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with qlik.engine(person) as ws:
            await greeting(ws)
            for _ in range(3):  # connections that the sweep closes: it has looked at everything past all its limits
                async with wire(qlik) as bystander:
                    assert await bystander.ended() == b""
            qlik.clock.now += 5 * 60
            assert (await call(ws, "EngineVersion"))["qVersion"]
        assert "ping" not in " ".join(notes(qlik))


async def test_a_socket_may_be_configured_to_end_when_it_is_silent(tmp_path: Path) -> None:
    async with site(tmp_path, server="timeouts: {websocket_idle: 0.1}") as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with qlik.engine(person) as ws:
            await greeting(ws)
            assert (await farewell(ws))[1] == 1001


async def test_no_ping_reaches_qlik_in_an_evening_of_many_sockets(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    for _ in range(5):
        async with qlik.engine(person) as ws:
            await greeting(ws)
            await call(ws, "EngineVersion")
    assert not [note for note in notes(qlik) if "ping" in note or "swallowed" in note]


async def test_a_ping_of_a_program_passes_as_it_came_and_the_pong_comes_back(tmp_path: Path) -> None:
    async with site(tmp_path, toggles=Toggles(ping_poison=False, pong=True)) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with qlik.engine(person, ECHO) as ws:
            await ws.ping(b"are you there")
            message = await ws.receive(timeout=5)
            assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"are you there")


# --- what crosses ---


async def test_messages_of_any_size_cross_both_ways(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person, ECHO) as ws:
        for size in (0, 1, 125, 126, 65_535, 65_536, 9_000_000):
            await ws.send_str("x" * size)
            assert (await ws.receive_str(timeout=20)) == "x" * size


async def test_a_burst_of_messages_arrives_whole_and_in_order(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person, "/sales/app/burst?count=2000&bytes=1000") as ws:
        for serial in range(2000):
            assert (await ws.receive_str(timeout=5)).startswith(f"{serial} ")


async def test_a_frame_sent_right_behind_the_upgrade_is_not_lost(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with wire(qlik) as browser:
        head = (
            f"GET {ECHO} HTTP/1.1\r\nHost: {browser.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {qlik.origin}\r\n"
            f"Cookie: {COOKIE}={qlik.cookie(person)}\r\n\r\n"
        )
        await browser.send(head.encode() + bytes([0x81, 0x82, 0, 0, 0, 0]) + b"hi")
        assert (await browser.reply()).status == 101
        assert await browser.frame() == ("text", b"hi")


async def test_the_upgrade_reaches_qlik_with_its_origin_and_extensions_but_without_authorization(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    headers = {"Authorization": "Bearer of-somebody-else", "X-Qlik-Session": "one"}
    async with person.ws_connect(qlik.url(ECHO), headers=headers, compress=15) as ws:
        await ws.send_str("hi")
        assert await ws.receive_str() == "hi"
    entry = next(entry for entry in qlik.node.journal("ws") if entry.status == 101)
    assert entry.header("Origin") == qlik.origin
    assert entry.header("Host") == qlik.origin.removeprefix("http://")
    assert entry.header("Sec-WebSocket-Extensions") == "permessage-deflate; client_max_window_bits"
    assert entry.header("X-Qlik-Session") == "one"
    assert entry.header("Authorization") is None


# --- tokens and refusals ---


async def test_the_token_for_sockets_passes_untouched_and_only_the_right_one_opens_a_socket(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with person.get("/sales/qps/csrftoken") as answer:
        assert (answer.status, await answer.read()) == (204, b"")
        token = answer.headers["qlik-csrf-token"]
    assert token == qlik.node.sessions("sales")[0].csrf
    async with qlik.engine(person, token=token) as ws:
        assert "OnConnected" in await greeting(ws)


async def test_a_refusal_of_qlik_crosses_with_its_status_headers_and_body(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    async with wire(qlik) as browser:
        cookie, origin = f"Cookie: {COOKIE}={qlik.cookie(person)}", f"Origin: {qlik.origin}"
        refusal = await browser.upgrade(f"/sales/app/{APP}?qlik-csrf-token=wrong", cookie, origin)
        assert refusal.status == 403
        assert refusal.values("Server") == ["Microsoft-HTTPAPI/2.0"]
        assert b"Cross-Site Websocket Hijacking" in refusal.body
        assert await browser.ended() == b""


async def test_a_release_without_the_token_says_404_for_it_and_opens_sockets_without_one(tmp_path: Path) -> None:
    async with site(tmp_path, node={"release": "2024-05"}) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        assert await qlik.status(person, "/sales/qps/csrftoken") == 404
        async with person.ws_connect(qlik.url(f"/sales/app/{APP}")) as ws:
            assert "OnConnected" in await greeting(ws)


async def test_a_socket_whose_session_qlik_does_not_accept_is_told_where_to_log_in(qlik: Site) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    qlik.node.set_session_module("sales", "")
    async with qlik.engine(person, token="") as ws:
        message = json.loads(await ws.receive_str())
        assert message["method"] == "OnAuthenticationInformation"
        assert message["params"]["mustAuthenticate"] is True
        assert message["params"]["loginUri"].startswith(f"{qlik.origin}/qproxy/login/sales")


async def test_more_sockets_than_qlik_allows_are_refused_in_qliks_own_words(tmp_path: Path) -> None:
    async with site(tmp_path, node={"users_with_license": ()}) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with qlik.engine(person) as ws:
            assert (await farewell(ws))[:2] == (["OnLicenseAccessDenied"], 1001)
