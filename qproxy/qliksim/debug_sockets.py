"""Sockets that no Qlik has: an echo for benches and big messages, one that never reads, one that sends bursts.

`/{prefix}/app/echo`, `/{prefix}/app/slowreader`, `/{prefix}/app/burst?count=N&bytes=M`. They need a session but
no token, or nothing at all with the toggle debug=open.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from qproxy.qliksim import routes
from qproxy.qliksim.core import notification
from qproxy.qliksim.exchange import Exchange
from qproxy.qliksim.sim_socket import SimSocket

Debug = Callable[[Exchange], Awaitable[web.StreamResponse]]


def named(place: routes.Place) -> Debug | None:
    """The debugging socket at this place, if it is one."""
    return _NAMED.get(place.rest.lower())


async def _greet(exchange: Exchange, socket: SimSocket) -> None:
    if exchange.core.toggles.greet_debug_sockets:
        await socket.send(notification("OnConnected", {"qSessionState": "SESSION_CREATED"}))


async def _send_back(exchange: Exchange, socket: SimSocket) -> None:
    async for message in socket.messages():
        if exchange.session is not None:
            exchange.session.touched = exchange.core.clock()
        await socket.send(message)


async def _echo(exchange: Exchange) -> web.StreamResponse:
    """Each message back, byte for byte."""
    socket = await SimSocket.accept(exchange)
    with socket.counted():
        await _greet(exchange, socket)
        await _send_back(exchange, socket)
    return socket.response


async def _slow_reader(exchange: Exchange) -> web.StreamResponse:
    """Never reads: what the client sends piles up on its side."""
    socket = await SimSocket.accept(exchange)
    with socket.counted():
        await _greet(exchange, socket)
        await exchange.core.stopping.wait()
    socket.abort()
    return socket.response


async def _burst(exchange: Exchange) -> web.StreamResponse:
    """Many messages at once, each numbered, then an echo."""
    count, size = routes.number(exchange.place.query, "count", 1000), routes.number(exchange.place.query, "bytes", 100)
    socket = await SimSocket.accept(exchange)
    with socket.counted():
        for serial in range(count):
            await socket.send(f"{serial} ".ljust(size, "."))
        await _send_back(exchange, socket)
    return socket.response


_NAMED: dict[str, Debug] = {"app/echo": _echo, "app/slowreader": _slow_reader, "app/burst": _burst}
