"""The workers of a qproxy as tests see them: their processes, and connections to a certain one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import psutil
from a_process import ProcessSite
from flows.wire import Wire, wire

TRIES = 60
PROGRAM = "Accept: application/json"


def workers_of(qlik: ProcessSite) -> list[psutil.Process]:
    """The longest running one first."""
    return sorted(psutil.Process(qlik.process.pid).children(), key=lambda one: (one.create_time(), one.pid))


def peers_of(worker: psutil.Process) -> set[int]:
    """The ports at the other ends of its connections."""
    connected = (one for one in worker.net_connections("tcp") if one.status != psutil.CONN_LISTEN)
    return {one.raddr.port for one in connected}


@contextlib.asynccontextmanager
async def wire_to(qlik: ProcessSite, worker: psutil.Process) -> AsyncIterator[Wire]:
    """Connect until this one is the worker that took the connection."""
    for _ in range(TRIES):
        async with wire(qlik) as tried:
            assert (await tried.ask("GET /sales/x", PROGRAM)).status == 401
            if tried.writer.get_extra_info("sockname")[1] in peers_of(worker):
                yield tried
                return
    raise AssertionError(f"{TRIES} connections went to others")


@contextlib.asynccontextmanager
async def wire_to_internal(qlik: ProcessSite, worker: psutil.Process) -> AsyncIterator[Wire]:
    """The same for the internal listener."""
    for _ in range(TRIES):
        reader, writer = await asyncio.open_connection("127.0.0.1", qlik.internal_port)
        tried = Wire(f"127.0.0.1:{qlik.internal_port}", reader, writer)
        try:
            assert (await tried.ask("GET /livez")).status == 200
            if writer.get_extra_info("sockname")[1] in peers_of(worker):
                yield tried
                return
        finally:
            writer.close()
            await writer.wait_closed()
    raise AssertionError(f"{TRIES} connections went to others")
