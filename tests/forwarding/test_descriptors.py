"""No file descriptor is left: who is connected is served, who comes is told or waits, and all is well afterwards."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest
from forwarding.alone import alone, descriptors, limit_descriptors
from forwarding.plane import ScriptedNode, echo
from forwarding.wire import Wire, get, post
from waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prlimit")


@asynccontextmanager
async def starved(spare: int) -> AsyncIterator[tuple[psutil.Process, int, list[Wire]]]:
    """The data plane with few descriptors left, its port, and two connections that were there before."""
    node = ScriptedNode(echo)
    await node.start()
    with alone(node.port) as (process, port):
        before = await crowd(port, 2)
        for wire in before:
            await wire.ask(get("/first"))
        limit_descriptors(process, descriptors(process) + spare)
        try:
            yield process, port, before
        finally:
            for wire in before:
                await wire.gone()
            await node.stop()


async def crowd(port: int, size: int) -> list[Wire]:
    return [await Wire.to(port) for _ in range(size)]


async def test_who_is_connected_is_served_while_no_descriptor_is_left() -> None:
    async with starved(10) as (_, port, (wire, _)):
        wires = await crowd(port, 100)
        for number in range(20):
            assert (await wire.ask(get(f"/{number}"))).body == b"GET /%d " % number
        for each in wires:
            await each.gone()


async def test_who_needs_a_new_connection_to_qlik_is_told_that_there_is_none() -> None:
    async with starved(0) as (_, _, (first, second)):
        first.send(post(b"x" * 10, "/holds")[:-1])  # the one connection that rested
        reply = await second.ask(get("/a"))
        assert (reply.status, reply.named(b"x-failure")) == (503, b"overloaded")
        assert (await first.ask(b"x")).status == 200


async def test_all_is_well_once_the_crowd_is_gone() -> None:
    async with starved(10) as (process, port, _):
        few = descriptors(process)
        for each in await crowd(port, 100):
            await each.gone()
        await eventually(lambda: descriptors(process) <= few)
        wire = await Wire.to(port)
        assert (await wire.ask(get("/after"))).body == b"GET /after "
        await wire.gone()


async def test_a_crowd_outside_does_not_make_the_loop_spin() -> None:
    async with starved(10) as (process, port, _):
        wires = await crowd(port, 100)
        spent = process.cpu_times().user + process.cpu_times().system
        loop = asyncio.get_running_loop()
        end = loop.time() + 1.0
        await eventually(lambda: loop.time() > end)
        times = process.cpu_times()
        assert times.user + times.system - spent < 0.3
        for each in wires:
            await each.gone()
