"""Several scripted nodes behind one pool: who is asked next, who counts as down, and what happens to what is open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from forwarding.paper import PaperNode, paper_pool
from forwarding.plane import Plane, Script, ScriptedNode, both_loops, echo, plane
from forwarding.test_pool import unused_port
from forwarding.wire import SWITCHED, Wire, get, post, upgrade
from waiting import eventually

from qproxy.forwarding.choice import turn
from qproxy.forwarding.frames import close_frame
from qproxy.forwarding.node import Node, Rules
from qproxy.forwarding.node_pool import NodePool
from qproxy.forwarding.pool import MOST_REMEMBERED, Pool
from qproxy.forwarding.upstream import Upstream

pytestmark = pytest.mark.asyncio(**both_loops)
RULES = Rules("sales", timeout=0.2, unhealthy_after=3, healthy_after=2, slow_start=10)
SESSIONS = [f"session-{number}" for number in range(400)]


@contextlib.asynccontextmanager
async def several(*scripts: Script, **options: Any) -> AsyncIterator[tuple[Plane, list[ScriptedNode]]]:
    """Who has no session is sent to the first node."""
    async with contextlib.AsyncExitStack() as stopping:
        others = [ScriptedNode(script) for script in scripts[:-1]]
        for node in others:
            await node.start()
            stopping.push_async_callback(node.stop)
        addresses = tuple(Node("127.0.0.1", node.port) for node in others)
        site = await stopping.enter_async_context(plane(scripts[-1], others=addresses, rules=RULES, **options))
        yield site, [*others, site.node]


async def hang_up(wire: Wire) -> None:
    await wire.request()
    wire.close()


async def stuck(wire: Wire) -> None:
    await wire.request()


async def accept(wire: Wire) -> None:
    await wire.request()
    wire.send(SWITCHED)


def answering(head: bytes) -> Script:
    async def script(wire: Wire) -> None:
        while True:
            await wire.request()
            wire.send(head)

    return script


def status(code: int) -> bytes:
    return b"HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n" % code


async def refuse_new_ones(node: ScriptedNode) -> None:
    """What is connected stays."""
    node._server.close()
    await asyncio.sleep(0)


async def found_dead(site: Plane) -> None:
    for _ in range(RULES.unhealthy_after):
        await site.nodes.check(site.nodes.members[0])


# --- a request whose node breaks ---


async def test_a_get_that_a_node_drops_is_answered_by_the_next_one() -> None:
    async with several(hang_up, echo) as (site, nodes):
        assert (await (await site.wire()).ask(get("/a"))).body == b"GET /a "
        assert (await site.last()).node == site.pool.name
        assert [len(node.wires) for node in nodes] == [1, 1]


async def test_a_get_goes_to_a_second_node_and_to_no_third() -> None:
    async with several(hang_up, hang_up, echo) as (site, nodes):
        assert (await (await site.wire()).ask(get())).named(b"x-failure") == b"upstream_gone"
        assert [len(node.wires) for node in nodes] == [1, 1, 0]


async def test_a_post_that_a_node_drops_goes_nowhere_else() -> None:
    async with several(hang_up, echo) as (site, nodes):
        assert (await (await site.wire()).ask(post(b"x"))).named(b"x-failure") == b"upstream_gone"
        assert len(nodes[1].wires) == 0


async def test_a_post_goes_to_the_next_node_when_one_cannot_be_connected() -> None:
    async with plane(others=(Node("127.0.0.1", unused_port()),)) as site:
        assert (await (await site.wire()).ask(post(b"body", "/up"))).body == b"POST /up body"


async def test_an_answer_that_has_begun_is_not_begun_again_elsewhere() -> None:
    async def half(wire: Wire) -> None:
        await wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        wire.close()

    async with several(half, echo) as (site, nodes):
        wire = await site.wire()
        wire.send(get())
        assert (await wire.rest()).endswith(b"half")
        assert len(nodes[1].wires) == 0


# --- what requests tell of a node ---


@pytest.mark.parametrize("head", [status(503), status(502), b"not HTTP\r\n\r\n"])
async def test_a_node_that_keeps_failing_is_left_out(head: bytes) -> None:
    async with several(answering(head), echo) as (site, _):
        wire = await site.wire()
        replies = [(await wire.ask(get())).status for _ in range(4)]
        assert (replies[0] >= 500, replies[2] >= 500, replies[3]) == (True, True, 200)


async def test_a_node_that_answers_now_and_then_stays() -> None:
    turns = iter([503, 503, 200, 503, 503, 200])

    async def script(wire: Wire) -> None:
        while True:
            await wire.request()
            wire.send(status(next(turns)))

    async with several(script, echo) as (site, _):
        wire = await site.wire()
        assert [(await wire.ask(get())).status for _ in range(6)] == [503, 503, 200, 503, 503, 200]


async def test_a_node_that_cannot_be_connected_is_not_tried_for_ever() -> None:
    async with plane(others=(Node("127.0.0.1", unused_port()),), rules=RULES) as site:
        for wire in [await site.wire() for _ in range(3)]:
            assert (await wire.ask(get())).status == 200
        assert [member.health.up for member in site.nodes.members] == [False, True]
        assert not site.nodes.members[0].health.reason.startswith("127.0.0.1:")


async def test_nodes_that_are_all_down_are_tried_all_the_same() -> None:
    async with several(echo, echo) as (site, _):
        for member in site.nodes.members:
            for _ in range(3):
                member.failed("test")
        assert (await (await site.wire()).ask(get("/a"))).body == b"GET /a "


# --- a node that cannot be reached any more ---


async def test_sockets_of_a_dead_node_are_told_to_connect_again() -> None:
    async with several(accept, echo) as (site, nodes):
        browser = await site.wire()
        assert (await browser.ask(upgrade())).status == 101
        await refuse_new_ones(nodes[0])
        await found_dead(site)
        expected = close_frame(1001, "the Qlik node is gone")
        assert await browser.exactly(len(expected)) == expected


async def test_who_waits_for_an_answer_of_a_dead_node_gets_it_from_another() -> None:
    async with several(stuck, echo) as (site, nodes):
        browser = await site.wire()
        browser.send(get("/a"))
        await eventually(lambda: nodes[0].wires)
        await refuse_new_ones(nodes[0])
        await found_dead(site)
        assert (await browser.reply()).body == b"GET /a "


async def test_sockets_of_a_dead_node_are_told_also_when_requests_found_it_out_first() -> None:
    async with several(accept, echo) as (site, nodes):
        browser = await site.wire()
        assert (await browser.ask(upgrade())).status == 101
        await refuse_new_ones(nodes[0])
        take_down(site.nodes.members[0])
        await found_dead(site)
        assert (await browser.exactly(2))[:1] == b"\x88"


async def test_sockets_of_the_only_node_are_left_alone() -> None:
    async with plane(accept, rules=RULES) as site:
        browser = await site.wire()
        assert (await browser.ask(upgrade())).status == 101
        await refuse_new_ones(site.node)
        await found_dead(site)
        site.node.wires[0].send(b"\x81\x02hi")
        assert await browser.exactly(4) == b"\x81\x02hi"


async def test_a_node_that_is_slow_keeps_its_sockets() -> None:
    async with several(accept, echo) as (site, nodes):
        browser = await site.wire()
        assert (await browser.ask(upgrade())).status == 101
        nodes[0].script = stuck
        await found_dead(site)
        assert not site.nodes.members[0].health.up
        nodes[0].wires[0].send(b"\x81\x02hi")
        assert await browser.exactly(4) == b"\x81\x02hi"


# --- which node ---


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def three() -> tuple[Pool, Clock]:
    pool, clock = Pool([Node(f"qlik{number}", 443) for number in range(3)], rules=RULES), Clock()
    pool.clock = clock
    return pool, clock


def take_down(member: NodePool) -> None:
    for _ in range(3):
        member.failed("test")


def bring_back(pool: Pool, member: NodePool, now: float) -> None:
    member.health.check_passed(now)
    member.health.check_passed(now)
    member.back(slowly=any(other.steady for other in pool.members))


async def test_sessions_of_a_node_that_is_down_move_and_no_others() -> None:
    pool, _ = three()
    before = {session: pool.choose(session) for session in SESSIONS}
    take_down(pool.members[0])
    for session, home in before.items():
        chosen = pool.choose(session)
        assert chosen is not pool.members[0] if home is pool.members[0] else chosen is home


async def test_a_node_that_is_back_gets_its_sessions_bit_by_bit_and_each_moves_once() -> None:
    pool, clock = three()
    first = pool.members[0]
    mine = [session for session in SESSIONS if pool.choose(session) is first]
    take_down(first)
    bring_back(pool, first, 0.0)
    for clock.now in (0.0, 2.5, 5.0, 7.5):
        back = {session for session in mine if pool.choose(session) is first}
        assert back == {session for session in mine if turn(session, first.name) < clock.now / 10}
    clock.now = 10.0
    assert all(pool.choose(session) is first for session in mine)
    assert first.steady


async def test_a_node_that_is_back_alone_gets_everybody_at_once() -> None:
    pool, _ = three()
    for member in pool.members:
        take_down(member)
    bring_back(pool, pool.members[1], 0.0)
    assert {pool.choose(session) for session in SESSIONS} == {pool.members[1]}


async def test_who_has_no_session_goes_where_least_is_done() -> None:
    pool, _ = three()
    pool.members[0].open_count, pool.members[1].open_count = 2, 1
    assert pool.choose("") is pool.members[2]


async def test_a_drained_node_comes_after_those_that_are_up_and_before_those_that_are_down() -> None:
    pool = Pool([Node("qlik1", 443, drain=True), Node("qlik2", 443), Node("qlik3", 443)], rules=RULES)
    take_down(pool.members[1])
    order = [member.name for member in pool._in_turn("anna", "")]
    assert order == ["qlik3:443", "qlik1:443", "qlik2:443"]


async def test_what_is_remembered_of_sessions_is_bounded() -> None:
    pool, _ = three()
    for number in range(MOST_REMEMBERED + 10):
        pool.choose(f"session-{number}")
    pool.choose("x" * 5000)
    assert len(pool._orders) <= 10


# --- waiting ---


async def test_more_than_so_many_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qproxy.forwarding.waiting_room.MOST_WAITING", 0)
    async with plane(rules=Rules(wait=60)) as site:
        await site.node.stop()
        assert (await (await site.wire()).ask(get())).named(b"x-failure") == b"upstream_refused"


class Wavering(PaperNode):
    """Takes calls as listed: the look-out's succeeds, the one behind it fails."""

    def __init__(self, takes: list[bool]) -> None:
        super().__init__()
        self.takes = takes

    async def _connect(self) -> Upstream:
        self.refuses = not self.takes.pop(0)
        return await super()._connect()


async def test_who_is_refused_again_waits_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qproxy.forwarding.waiting_room.LOOK_EVERY", 0.01)
    node = Wavering([False, True, False, False, True, True])
    upstream = await paper_pool(node, Rules(wait=60)).open("anna", patient=True)
    assert (upstream.node, node.takes) == ("node:1", [])


async def test_a_node_that_is_back_is_found_once_for_all_who_wait() -> None:
    async with plane(rules=Rules(wait=60)) as site:
        await site.node.stop()
        wires = [await site.wire() for _ in range(20)]
        for number, wire in enumerate(wires):
            wire.send(get(f"/{number}"))
        await eventually(lambda: site.nodes.waiting == 20)
        await site.node.start(port=site.node.port)
        assert [(await wire.reply()).body for wire in wires] == [b"GET /%d " % number for number in range(20)]
        assert site.nodes.waiting == 0
