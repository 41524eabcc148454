"""One request and its answer: methods, framing, keep-alive, pipelining, interim answers, early ends."""

import pytest
from forwarding.plane import both_loops, plane
from forwarding.wire import get, post, post_chunked

pytestmark = pytest.mark.asyncio(**both_loops)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@pytest.mark.parametrize("method", METHODS)
async def test_a_method_passes_without_a_body(method: str) -> None:
    async with plane() as site:
        reply = await (await site.wire()).ask(get("/a%2Fb?x=+%20", method=method))
        assert reply.body == f"{method} /a%2Fb?x=+%20 ".encode()


@pytest.mark.parametrize("method", METHODS)
async def test_a_method_passes_with_a_body(method: str) -> None:
    async with plane() as site:
        reply = await (await site.wire()).ask(post(b"body", "/a", method=method))
        assert reply.body == f"{method} /a body".encode()


@pytest.mark.parametrize("method", METHODS)
async def test_a_method_passes_with_a_chunked_body(method: str) -> None:
    async with plane() as site:
        reply = await (await site.wire()).ask(post_chunked(b"bo", b"dy", target="/a", method=method))
        assert reply.body == f"{method} /a body".encode()
