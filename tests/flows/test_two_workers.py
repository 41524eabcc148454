"""One evening with two nodes, two workers and a logout in the hub: whoever serves, people notice none of it.

qproxy runs as two processes in front of two stand-in nodes; each node fails once, a worker dies, a person logs out.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from a_process import ProcessSite, process_site
from a_site import Socket, call, farewell, free_port, greeting
from site_plan import VPS, qlik_vp
from the_workers import PROGRAM, wire_to, workers_of
from waiting import eventually

from qproxy.observe import verify_audit
from qproxy.qliksim import QlikNode, Toggles

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes share a port on Linux only")
COOKIE = "X-Qlik-Session-sales-HTTP"


@dataclass
class Evening:
    """`nodes`: the first one is `qlik.node`."""

    qlik: ProcessSite
    nodes: tuple[QlikNode, QlikNode]

    async def log_in(self, name: str) -> aiohttp.ClientSession:
        person = self.qlik.browser()
        await self.qlik.log_in(person, name=name)
        return person

    async def statuses(self, person: aiohttp.ClientSession) -> list[int]:
        """Of one request to each worker."""
        cookie, found = f"Cookie: {COOKIE}={self.qlik.cookie(person)}", []
        for worker in workers_of(self.qlik):
            async with wire_to(self.qlik, worker) as browser:
                found.append((await browser.ask("GET /sales/hub/", PROGRAM, cookie)).status)
        return found

    async def who(self, person: aiohttp.ClientSession) -> str:
        """Whom the engine takes this person for, over a new socket."""
        async with self.qlik.engine(person, token="") as ws:
            return str((await call(ws, "GetAuthenticatedUser"))["qReturn"]).rpartition("=")[2]

    def logins(self) -> int:
        return (self.qlik.directory / "audit.log").read_text().count('"event":"login"')


@pytest.fixture
async def evening(tmp_path: Path) -> AsyncIterator[Evening]:
    first, second = free_port(), free_port()
    upstreams = f"upstreams: ['http://127.0.0.1:{first}', 'http://127.0.0.1:{second}']"
    wishes: dict[str, Any] = {"server": "workers: 2", "vp": upstreams, "node": {"http_port": first}}
    # Without tokens of qps/csrftoken: a node takes only its own, and which node is asked is not this test's concern.
    async with process_site(tmp_path, toggles=Toggles(csrf=False), **wishes) as qlik, other_node(qlik, second) as other:
        yield Evening(qlik, (qlik.node, other))


@contextlib.asynccontextmanager
async def other_node(qlik: ProcessSite, port: int) -> AsyncIterator[QlikNode]:
    vps = tuple(qlik_vp(name, prefix, qlik.origin) for name, prefix in VPS.items())
    config = replace(qlik.node.config, virtual_proxies=vps, http_port=port, machine_names=("qlik2.internal", "qlik2"))
    node = QlikNode(config, qlik.clock)
    await node.start()
    for name, prefix in VPS.items():
        node.set_session_module(prefix, f"{qlik.internal}/session-module/{name}")
    try:
        yield node
    finally:
        await node.stop()


@contextlib.asynccontextmanager
async def sockets(qlik: ProcessSite, person: aiohttp.ClientSession, count: int) -> AsyncIterator[list[Socket]]:
    """Of several tabs: they spread over the workers."""
    async with contextlib.AsyncExitStack() as held:
        opened = [await held.enter_async_context(qlik.engine(person, token="")) for _ in range(count)]
        for ws in opened:
            await greeting(ws)
        yield opened


async def test_one_evening_with_two_nodes_two_workers_and_a_logout_in_the_hub(evening: Evening) -> None:
    qlik, (first, second) = evening.qlik, evening.nodes
    ann, bob = await evening.log_in("ann"), await evening.log_in("bob")
    assert await evening.statuses(ann) == await evening.statuses(bob) == [200, 200]

    await first.stop_listening()  # the other node asks the session module who they are
    assert await evening.statuses(ann) == await evening.statuses(bob) == [200, 200]
    assert (await evening.who(ann), await evening.who(bob)) == ("ann", "bob")
    assert {session.user for session in second.sessions("sales")} == {"ann", "bob"}
    await first.start_listening()
    await second.stop_listening()
    assert await evening.statuses(ann) == await evening.statuses(bob) == [200, 200]
    await second.start_listening()

    before = {worker.pid for worker in workers_of(qlik)}
    workers_of(qlik)[0].kill()
    await eventually(lambda: len({worker.pid for worker in workers_of(qlik)} | before) == 3)
    assert await evening.statuses(ann) == await evening.statuses(bob) == [200, 200]
    assert evening.logins() == 2

    async with sockets(qlik, ann, 6) as of_ann, sockets(qlik, bob, 2) as of_bob:
        async with ann.delete("/sales/qps/user") as answer:
            assert answer.status == 200
            assert f"{COOKIE}=;" in answer.headers["Set-Cookie"]
        async with asyncio.timeout(2.0):
            assert {(await farewell(ws))[1] for ws in of_ann} == {1001}
        assert [(await call(ws, "GetAuthenticatedUser"))["qReturn"][-3:] for ws in of_bob] == ["bob", "bob"]
    assert await evening.statuses(ann) == [401, 401]
    assert await evening.statuses(bob) == [200, 200]
    await qlik.stop()
    assert verify_audit(qlik.directory / "audit.log") == []
