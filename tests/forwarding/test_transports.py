"""TLS on the transports of aiofastnet and of the loop: what each does differently, and qproxy must not show."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator

import pytest
from forwarding.carriers import aiofastnet, carrier
from forwarding.plane import both_loops, echo, plane
from forwarding.test_pool import contexts
from forwarding.wire import get
from waiting import eventually

from qproxy.errors import Failure, Refused
from qproxy.forwarding import sockets, transports
from qproxy.forwarding.conduct import Answer
from qproxy.forwarding.node import Node
from qproxy.forwarding.pool import Pool

__all__ = ["carrier"]
pytestmark = pytest.mark.asyncio(**both_loops)
SERVER, CLIENT = contexts("q.example")


async def test_aiofastnet_is_used_where_it_is_installed(carrier: str) -> None:
    async with plane(echo, tls=contexts("node.example"), public_tls=SERVER) as site:
        await (await site.wire(tls=CLIENT)).ask(get())
        downstream = next(iter(site.listener._connections))
        kinds = {type(one.transport).__module__.partition(".")[0] for one in (downstream, site.pool._resting[0])}
        assert (kinds == {"aiofastnet"}) is (carrier == "aiofastnet")


async def test_who_leaves_during_the_handshake_is_no_error_of_ours(carrier: str) -> None:
    async with plane(public_tls=SERVER) as site:
        for hello in (b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01"):
            wire = await site.wire()
            wire.send(hello)
            wire.writer.write_eof()
            await wire.was_reset()
        assert (await (await site.wire(tls=CLIENT)).ask(get())).status == 200


async def test_a_node_that_leaves_during_the_handshake_is_told_of_in_words(carrier: str) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    async with await asyncio.start_server(leave, "127.0.0.1", 0) as server:
        node = Node("127.0.0.1", server.sockets[0].getsockname()[1], CLIENT, "node.example")
        with pytest.raises(Refused) as refused:
            await Pool([node]).open()
    assert refused.value.failure is Failure.UPSTREAM_REFUSED
    assert not refused.value.detail.endswith(": ")


class CutShort(asyncio.Protocol):
    """Whoever waits for this connection gives up in the moment in which it is made."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self.waiting: asyncio.Task[CutShort] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        assert self.waiting is not None
        self.waiting.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


async def give_up(made: CutShort, port: int) -> None:
    made.waiting = asyncio.ensure_future(transports.connect(lambda: made, "127.0.0.1", port, CLIENT, "q.example"))
    with contextlib.suppress(asyncio.CancelledError):
        (await made.waiting).transport.close()


async def test_a_connection_that_is_given_up_when_it_is_made_ends_and_harms_no_other(carrier: str) -> None:
    async with plane(public_tls=SERVER) as site:
        for _ in range(3):
            made = CutShort()
            await give_up(made, site.port)
            wire = await site.wire(tls=CLIENT)  # on the file descriptor that has just become free
            assert (await wire.ask(get())).status == 200
            async with asyncio.timeout(3):
                await made.lost.wait()


async def test_what_is_encrypted_and_not_sent_yet_counts_as_unsent(carrier: str) -> None:
    async with plane(public_tls=SERVER) as site:
        site.road.decision = lambda head, record: Answer(200, [], b"x" * 8_000_000)
        wire = await site.wire(tls=CLIENT)
        wire.transport.pause_reading()
        wire.send(get())
        await site.last()
        transport = next(iter(site.listener._connections)).transport
        assert sockets.unsent(transport) - transport.get_write_buffer_size() > 0 or carrier == "loop"
        wire.transport.resume_reading()
        await wire.reply()
        assert sockets.unsent(transport) == 0


async def test_a_handshake_under_way_does_not_hold_up_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "fast", aiofastnet())
    async with plane(public_tls=SERVER) as site:
        silent = await site.wire()
        await site.listener.drain(0)
        assert await silent.was_reset() or silent.reader.at_eof()
        with pytest.raises(OSError, match=r"[Cc]onnect"):
            await site.wire(tls=CLIENT)


async def test_each_address_family_is_listened_on(carrier: str) -> None:
    async with plane() as site:
        await site.listener.start("localhost", 0, SERVER)
        families = {sock.family for port in site.listener._ports for sock in port._server.sockets}
        assert socket.AF_INET in families


async def test_a_port_that_is_taken_is_an_error_with_a_number(carrier: str) -> None:
    async with plane(public_tls=SERVER) as site:
        with pytest.raises(OSError, match=r"in use") as error:
            await site.listener.start("127.0.0.1", site.port, SERVER)
    assert error.value.errno


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    if sys.platform == "linux":
        import resource  # noqa: PLC0415 - not on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    else:  # so that a type checker for another system sees only its own branch
        yield


@pytest.mark.skipif(sys.platform != "linux", reason="a limit below what is open")
async def test_who_comes_when_no_descriptor_is_left_is_accepted_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "fast", aiofastnet())
    monkeypatch.setattr(transports, "ACCEPT_PAUSE", 0.05)
    loop = asyncio.get_running_loop()
    async with plane(public_tls=SERVER) as site:
        acceptor = site.listener._ports[0]._server
        assert isinstance(acceptor, transports.Acceptor)
        with socket.socket() as sock:
            sock.setblocking(False)
            with no_descriptor_left():
                await loop.sock_connect(sock, ("127.0.0.1", site.port))
                await eventually(lambda: acceptor._pauses)
            await eventually(lambda: not acceptor._pauses)
        assert (await (await site.wire(tls=CLIENT)).ask(get())).status == 200
