"""What QPS says first: its refusal of one more session is noticed, and then nobody looks any more."""

import pytest
from forwarding.plane import both_loops
from forwarding.test_tunnel import tunnel

from qproxy.errors import Failure
from qproxy.forwarding.frames import TEXT, close_frame, frame
from qproxy.forwarding.tunnel import GREETING, GREETING_READS, GreetingEnd, Tunnel

pytestmark = pytest.mark.asyncio(**both_loops)
REFUSAL = frame(TEXT, b'{"jsonrpc":"2.0", "method" : "OnMaxParallelSessionsExceeded","params":{}}')


def listens(it: Tunnel) -> bool:
    return isinstance(it.upstream, GreetingEnd)


@pytest.mark.parametrize(
    "pieces", [(REFUSAL,), (REFUSAL[:2], REFUSAL[2:]), (REFUSAL[:30], REFUSAL[30:60], REFUSAL[60:])]
)
async def test_a_refusal_of_one_more_session_is_noted_and_passes_as_it_came(pieces: tuple[bytes, ...]) -> None:
    async with tunnel() as (site, browser, node, _):
        for piece in pieces:
            node.send(piece)
            assert await browser.exactly(len(piece)) == piece
        node.send(close_frame(1001))
        node.close()
        assert await browser.rest() == close_frame(1001)
        assert (await site.last()).failure is Failure.SESSION_LIMIT


@pytest.mark.parametrize("first", [[b"x"] * GREETING_READS, [b"x" * GREETING]], ids=["reads", "bytes"])
async def test_what_comes_later_is_not_looked_into(first: list[bytes]) -> None:
    async with tunnel() as (_, browser, node, it):
        assert listens(it)
        for text in first:
            node.send(frame(TEXT, text))
            await browser.exactly(len(frame(TEXT, text)))
        assert not listens(it)
        node.send(REFUSAL)
        assert await browser.exactly(len(REFUSAL)) == REFUSAL
        assert it.record.failure is None


async def test_a_pause_outlives_the_greeting() -> None:
    async with tunnel() as (_, browser, node, it):
        it.upstream.pause()
        it.greeted()
        node.send(REFUSAL)
        it.upstream.resume()
        assert await browser.exactly(len(REFUSAL)) == REFUSAL
