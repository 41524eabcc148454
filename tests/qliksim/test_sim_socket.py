"""The socket itself: pings that poison, closing in every way, big messages, compression."""

import asyncio

import aiohttp
import pytest
from aiohttp import WSMsgType
from qliksim.node_site import Site, frames, site
from waiting import eventually

OPEN = {"debug": "open"}
SIZE = 32 << 20


async def echo(it: Site) -> aiohttp.ClientWebSocketResponse:
    return await it.socket("/sso/app/echo", await it.log_in(), token="")


async def test_the_echo_sends_text_and_bytes_back() -> None:
    async with site() as it:
        socket = await echo(it)
        await socket.send_str("å" * 3)
        await socket.send_bytes(bytes(range(256)))
        assert [(await socket.receive(timeout=5)).data for _ in range(2)] == ["ååå", bytes(range(256))]


async def test_the_echo_needs_a_session_unless_debugging_is_open() -> None:
    async with site() as it:
        [notice] = await frames(await it.socket("/sso/app/echo"), 1)
        assert notice["params"]["mustAuthenticate"]
        it.node.set_toggle("debug", "open")
        socket = await it.socket("/sso/app/echo")
        await socket.send_str("x")
        assert (await socket.receive(timeout=5)).data == "x"


async def test_the_echo_may_greet() -> None:
    async with site(toggles={"debug": "open", "greet_debug_sockets": True}) as it:
        [greeting] = await frames(await it.socket("/sso/app/echo"), 1)
        assert greeting["method"] == "OnConnected"


async def test_a_message_of_32_mb_comes_back_whole() -> None:
    async with site(toggles=OPEN) as it:
        socket = await it.socket("/sso/app/echo")
        await socket.send_bytes(bytes(SIZE))
        assert len((await socket.receive(timeout=20)).data) == SIZE


async def test_a_ping_is_not_answered_and_swallows_the_next_message() -> None:
    async with site() as it:
        socket = await echo(it)
        await socket.ping(b"are you there")
        await socket.send_str("swallowed")
        await socket.send_str("answered")
        assert (await socket.receive(timeout=5)).data == "answered"
        notes = [entry.note for entry in it.node.journal("ws") if entry.note]
    assert notes == ["ping", "message swallowed"]


async def test_the_poison_of_pings_can_be_switched_off() -> None:
    async with site(toggles={"ping_poison": False}) as it:
        socket = await echo(it)
        await socket.ping()
        await socket.send_str("answered")
        assert (await socket.receive(timeout=5)).data == "answered"


async def test_pings_may_be_answered() -> None:
    async with site(toggles={"pong": True}) as it:
        session = await it.log_in()
        cookie = {"Cookie": f"X-Qlik-Session-sso-HTTP={session}"}
        url = f"{it.node.http_url}/sso/app/echo"
        async with it.client.ws_connect(url, headers=cookie, autoping=False) as socket:
            await socket.ping(b"7")
            answer = await socket.receive(timeout=5)
    assert (answer.type, bytes(answer.data)) == (WSMsgType.PONG, b"7")


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 4000, 4003, 4999])
async def test_sockets_can_be_closed_with_a_code_and_a_reason(code: int) -> None:
    async with site() as it:
        socket = await echo(it)
        done = it.node.kill_sockets("sso", code=code, reason="so it is")
        closing = await socket.receive(timeout=5)
        await socket.close(code=code)
        await done
    assert (closing.type, closing.data, closing.extra) == (WSMsgType.CLOSE, code, "so it is")


async def test_a_socket_can_be_dropped_without_a_word() -> None:
    async with site() as it:
        socket = await echo(it)
        it.node.kill_sockets("sso", abort=True)
        message = await socket.receive(timeout=5)
        assert message.type is not WSMsgType.CLOSE
        assert socket.close_code == 1006


async def test_the_sockets_of_one_session_can_be_closed_alone() -> None:
    async with site() as it:
        john, jane = [await it.socket("/sso/app/echo", await it.log_in(user), token="") for user in ("john", "jane")]
        it.node.kill_sockets("sso", "id-of-john", code=4999)
        assert (await john.receive(timeout=5)).data == 4999
        await jane.send_str("still here")
        assert (await jane.receive(timeout=5)).data == "still here"


async def test_the_code_and_reason_of_the_client_are_repeated_and_journaled() -> None:
    async with site() as it:
        socket = await echo(it)
        await socket.close(code=4321, message=b"bye")
        await eventually(lambda: it.node.journal("ws")[-1].note)
        assert it.node.journal("ws")[-1].note == "close 4321 bye"
    assert socket.close_code == 4321


async def test_a_client_that_vanishes_is_journaled_as_gone() -> None:
    async with site() as it:
        socket = await echo(it)
        transport = socket.get_extra_info("socket")
        assert transport is not None
        socket._response.connection.transport.abort()  # type: ignore[union-attr]
        await eventually(lambda: it.node.journal("ws")[-1].note == "gone")
        assert it.node.core.sockets == set()


@pytest.mark.parametrize(("deflate", "agreed"), [(False, ""), (True, "permessage-deflate")])
async def test_compression_is_declined_unless_the_toggle_says_otherwise(deflate: bool, agreed: str) -> None:
    async with site(toggles={"deflate": deflate, "debug": "open"}) as it:
        url = f"{it.node.http_url}/sso/app/echo"
        async with it.client.ws_connect(url, compress=15) as socket:
            await socket.send_str("x" * 10_000)
            assert len((await socket.receive(timeout=5)).data) == 10_000
            assert socket._response.headers.get("Sec-WebSocket-Extensions", "").startswith(agreed)
            assert bool(socket.compress) is deflate


async def pour(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Send until the other side takes it no longer; the pause lets the loop see that its buffers are full."""
    while True:
        await socket.send_bytes(bytes(1 << 20))
        await asyncio.sleep(0)


async def test_the_slow_reader_never_reads() -> None:
    async with site(toggles=OPEN) as it:
        socket = await it.socket("/sso/app/slowreader")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pour(socket), 0.5)


async def test_a_burst_comes_numbered_and_in_order() -> None:
    async with site(toggles=OPEN) as it:
        socket = await it.socket("/sso/app/burst?count=500&bytes=200")
        messages = [(await socket.receive(timeout=5)).data for _ in range(500)]
    assert [int(text.split()[0]) for text in messages] == list(range(500))
    assert {len(text) for text in messages} == {200}
