"""What a body of any size, and a silent socket, cost in memory: measured on the data plane in a process of its own."""

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator

import psutil
import pytest
from forwarding.alone import alone, resident
from forwarding.many_tunnels import cost_of
from forwarding.wire import get

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uvloop")
GIGABYTE = 10**9
GROWTH = 20_000_000
PIECE = bytes(1_000_000)
STALL = 1.0


@contextlib.contextmanager
def node(play: Callable[[socket.socket], None]) -> Iterator[int]:
    """A node of one connection, in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError), server.accept()[0] as sock:
                play(sock)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(server.getsockname()[1])
        thread.join(10)


def read_head(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)
    return data.partition(b"\r\n\r\n")[2]


def send(sock: socket.socket, total: int, chunked: bool) -> None:
    piece = b"f4240\r\n" + PIECE + b"\r\n" if chunked else PIECE
    for _ in range(total // len(PIECE)):
        sock.sendall(piece)
    if chunked:
        sock.sendall(b"0\r\n\r\n")


def receive(sock: socket.socket, total: int, stalls: bool, watch: Callable[[], None]) -> int:
    """Read `total` bytes, once with a pause in the middle; `watch` is called now and then."""
    buffer, got, looks = bytearray(1 << 20), 0, 0
    while got < total:
        size = sock.recv_into(buffer)
        if not size:
            return got
        got += size
        if got * 20 // total > looks:
            looks += 1
            watch()
            if looks == 10 and stalls:
                threading.Event().wait(STALL)
                watch()
    return got


class Watch:
    """The most that a process grew."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._before = resident(process)
        self.growth = 0

    def __call__(self) -> None:
        self.growth = max(self.growth, resident(self._process) - self._before)


@pytest.mark.parametrize("stalls", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_gigabyte_down_leaves_memory_flat(stalls: bool, chunked: bool) -> None:
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % GIGABYTE

    def play(sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        send(sock, GIGABYTE, chunked)

    with node(play) as port, alone(port) as (process, public), socket.create_connection(("127.0.0.1", public)) as sock:
        watch = Watch(process)
        sock.sendall(get())
        assert receive(sock, GIGABYTE, stalls, watch) >= GIGABYTE
        assert watch.growth <= GROWTH


@pytest.mark.parametrize("stalls", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_gigabyte_up_leaves_memory_flat(stalls: bool, chunked: bool) -> None:
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {GIGABYTE}"

    def play(sock: socket.socket) -> None:
        left = GIGABYTE - len(read_head(sock))
        assert receive(sock, left, stalls, watches[0]) >= left
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    watches: list[Watch] = []

    with node(play) as port, alone(port) as (process, public), socket.create_connection(("127.0.0.1", public)) as sock:
        watches.append(Watch(process))
        sock.sendall(get("/", framing, method="POST"))
        send(sock, GIGABYTE, chunked)
        assert sock.recv(65536).endswith(b"ok")
        assert watches[0].growth <= GROWTH


async def test_a_silent_socket_costs_at_most_8_kilobytes(record_property: Callable[[str, object], None]) -> None:
    each, _, busy = await cost_of(2000)
    record_property("bytes_per_socket", each)
    print(f"{each:.0f} bytes for each socket")  # noqa: T201
    assert each <= 8000
    assert busy
