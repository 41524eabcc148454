"""What the data plane makes of the road's decisions, at once or later, and of what the road says to an answer."""

import asyncio

import pytest
from forwarding.plane import Plane, both_loops, plane
from forwarding.test_tunnel import accept
from forwarding.wire import get, post, upgrade
from waiting import eventually

from qproxy.errors import Failure, Refused
from qproxy.forwarding.conduct import Answer, Forward
from qproxy.headers import ResponseHead

pytestmark = pytest.mark.asyncio(**both_loops)


def refuse(*_: object) -> Forward:
    raise Refused(Failure.MISDIRECTED, "not here")


async def refuse_later() -> Forward:
    await asyncio.sleep(0)
    return refuse()


@pytest.mark.parametrize("later", [False, True])
async def test_a_refusal_is_a_page_and_the_connection_goes_on(later: bool) -> None:
    async with plane() as site:
        site.road.decision = (lambda head, record: refuse_later()) if later else refuse
        wire = await site.wire()
        assert [(await wire.ask(get())).status for _ in range(2)] == [421, 421]
        assert site.records[0].detail == "not here"


def instead(site: Plane) -> None:
    """Each answer of the node is replaced, as a redirect to Qlik's own login would be."""

    def rewrite(head: ResponseHead) -> Answer:
        return Answer(302, [b"Location: /login"], b"")

    site.road.decision = lambda head, record: Forward(site.nodes, b"", rewrite, site.road.owner)


async def test_an_answer_may_be_replaced() -> None:
    async with plane() as site:
        instead(site)
        wire = await site.wire()
        replies = [await wire.ask(post(b"body")), await wire.ask(get())]
        assert [(reply.status, reply.named(b"location")) for reply in replies] == [(302, b"/login")] * 2


async def test_the_connection_of_a_replaced_answer_is_closed() -> None:
    async with plane() as site:
        instead(site)
        await (await site.wire()).ask(get())
        assert site.pool.resting == 0


async def test_a_switch_may_be_replaced() -> None:
    async with plane(accept) as site:
        instead(site)
        assert (await (await site.wire()).ask(upgrade())).status == 302
        assert site.road.owner.opened_count == 0


@pytest.mark.error_log("an exchange failed: ZeroDivisionError")
async def test_a_bug_at_a_switch_gives_a_page() -> None:
    async with plane(accept) as site:
        site.road.decision = lambda head, record: Forward(site.nodes, b"", lambda answer: broken(), site.road.owner)
        assert (await (await site.wire()).ask(upgrade())).named(b"x-failure") == b"internal"


def broken() -> Answer:
    raise ZeroDivisionError


async def test_a_browser_that_goes_while_we_decide_is_not_forwarded() -> None:
    async with plane() as site:
        gate = asyncio.Event()

        async def later() -> Forward:
            await gate.wait()
            return Forward(site.nodes, b"", lambda answer: None, None)

        site.road.decision = lambda head, record: later()
        wire = await site.wire()
        wire.send(get())
        await eventually(lambda: site.road.asked)
        wire.close()
        assert (await site.last()).failure is Failure.BROWSER_GONE
        gate.set()
        assert site.pool.opened == 0


async def test_a_decision_that_comes_after_the_failure_changes_nothing() -> None:
    async with plane() as site:
        gate = asyncio.Event()

        async def later() -> Forward:
            await gate.wait()
            return Forward(site.nodes, b"", lambda answer: None, None)

        site.road.decision = lambda head, record: later()
        wire = await site.wire()
        reply = await wire.ask(get("/", "Transfer-Encoding: chunked", method="POST") + b"no chunk\r\n")
        gate.set()
        assert (reply.status, site.pool.opened) == (400, 0)


async def test_an_answer_to_head_counts_no_body() -> None:
    async with plane() as site:
        site.road.decision = lambda head, record: Answer(404, [], b"none")
        await (await site.wire()).ask(get(method="HEAD"))
        assert (await site.last()).bytes_out == 0
