"""Open many sockets through a data plane in a process of its own while HTTP goes on: what each costs, what requests
take.

A script, no test: `python -m forwarding.many_tunnels 9000` in tests/. It needs three descriptors a socket in all.
"""

import asyncio
import gc
import statistics
import sys
import time

from forwarding.alone import alone, proportional
from forwarding.plane import ScriptedNode
from forwarding.wire import SWITCHED, Wire, get, ok, upgrade

AGENT = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36"
AT_ONCE = 50
FIRST = 100
"""Sockets opened before anything is measured, so that what is made once is not counted."""


async def answer(wire: Wire) -> None:
    while True:
        message = await wire.request()
        wire.send(SWITCHED if message.named(b"upgrade") else ok(b"x" * 1024))


async def open_socket(port: int, number: int) -> Wire:
    wire = await Wire.to(port, f"127.0.0.{2 + number % 8}")
    target = f"/app/{number:032x}?reloadUri=https%3A%2F%2Fq.example%2Fhub%2F"
    reply = await wire.ask(upgrade(target, AGENT, "Accept-Language: de-DE,de;q=0.9", f"Cookie: id={number:043d}"))
    assert reply.status == 101
    return wire


async def open_sockets(port: int, first: int, count: int) -> list[Wire]:
    wires: list[Wire] = []
    for start in range(first, first + count, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, first + count))
        wires += await asyncio.gather(*(open_socket(port, number) for number in numbers))
    return wires


async def requests(port: int, seconds: float) -> list[float]:
    """Requests one after the other over one connection; how long each took, in milliseconds."""
    wire, taken, end = await Wire.to(port), [], time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        assert (await wire.ask(get("/hub", AGENT))).status == 200
        taken.append((time.perf_counter() - start) * 1000)
    await wire.gone()
    return taken


async def cost_of(count: int) -> tuple[float, list[float], list[float]]:
    """(bytes for each socket, milliseconds of requests before, and while they are open)."""
    node = ScriptedNode(answer)
    await node.start()
    with alone(node.port) as (process, port):
        wires = await open_sockets(port, 0, FIRST)
        quiet = await requests(port, 1.0)
        before = proportional(process)
        wires += await open_sockets(port, FIRST, count)
        each = (proportional(process) - before) / count
        gc.freeze()  # a pause of our own would pass for one of qproxy's
        busy = await requests(port, 1.0)
        for wire in wires:
            await wire.gone()
        await node.stop()
    return each, quiet, busy


def shown(taken: list[float]) -> str:
    return f"{len(taken)} requests, median {statistics.median(taken):.2f} ms, slowest {max(taken):.1f} ms"


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        size, alone_before, with_sockets = runner.run(cost_of(int(sys.argv[1])))
    print(f"each socket: {size / 1000:.2f} kB")  # noqa: T201
    print(f"before: {shown(alone_before)}\nwith {sys.argv[1]} sockets: {shown(with_sockets)}")  # noqa: T201
