"""One request and its answer: methods, framing, keep-alive, pipelining, interim answers, early ends."""

import asyncio

import pytest
from forwarding.plane import Script, both_loops, plane
from forwarding.wire import Wire, chunked, get, ok, post, post_chunked

from qproxy.errors import Failure
from qproxy.forwarding.conduct import Answer

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


async def test_requests_split_at_every_byte_pass() -> None:
    requests = get("/1") + post(b"two", "/2") + post_chunked(b"th", b"ree", target="/3") + get("/4")
    async with plane() as site:
        wire = await site.wire()
        for byte in requests:
            wire.send(bytes([byte]))
            await asyncio.sleep(0)
        bodies = [(await wire.reply()).body for _ in range(4)]
        assert bodies == [b"GET /1 ", b"POST /2 two", b"POST /3 three", b"GET /4 "]


@pytest.mark.parametrize("cut", range(1, 190, 3))
async def test_requests_in_two_reads_pass(cut: int) -> None:
    requests = post(b"one", "/1") + post_chunked(b"tw", b"o", target="/2") + get("/3")
    async with plane() as site:
        wire = await site.wire()
        wire.send(requests[:cut])
        await asyncio.sleep(0)
        wire.send(requests[cut:])
        assert [(await wire.reply()).body for _ in range(3)] == [b"POST /1 one", b"POST /2 two", b"GET /3 "]


async def test_a_thousand_pipelined_requests_are_answered_in_order() -> None:
    async with plane() as site:
        wire = await site.wire()
        wire.send(b"".join(get(f"/{number}") for number in range(1000)))
        assert [(await wire.reply()).body for _ in range(1000)] == [b"GET /%d " % number for number in range(1000)]
        assert site.pool.opened == 1


async def test_own_answers_keep_their_place_among_pipelined_requests() -> None:
    async with plane() as site:
        site.road.decision = lambda head, record: (
            Answer(404, [], b"none") if head.target == b"/none" else site.road.forward(head, record)
        )
        wire = await site.wire()
        wire.send((get("/a") + get("/none")) * 50)
        assert [(await wire.reply()).body for _ in range(100)] == [b"GET /a ", b"none"] * 50


async def test_a_connection_is_kept_for_the_next_request_on_both_sides() -> None:
    async with plane() as site:
        wire = await site.wire()
        for _ in range(3):
            assert (await wire.ask(get("/a"))).named(b"connection") is None
        assert len(site.node.wires) == 1


async def test_more_than_a_few_empty_lines_are_no_request() -> None:
    async with plane() as site:
        wire = await site.wire()
        wire.send(b"\r\n" * 9)
        assert (await wire.reply()).start.startswith(b"HTTP/1.1 400")
        assert await wire.rest() == b""


async def test_empty_lines_before_a_request_are_skipped() -> None:
    async with plane() as site:
        assert (await (await site.wire()).ask(b"\r\n\r\n" + get("/a"))).status == 200


async def test_a_browser_that_asks_for_close_gets_it() -> None:
    async with plane() as site:
        wire = await site.wire()
        reply = await wire.ask(get("/a", "Connection: close"))
        assert (reply.named(b"connection"), await wire.rest()) == (b"close", b"")


async def test_an_http_1_0_browser_is_answered_and_closed() -> None:
    async with plane() as site:
        wire = await site.wire()
        reply = await wire.ask(get("/a", version="1.0"))
        assert (reply.body, await wire.rest()) == (b"GET /a ", b"")


def saying(answer: bytes, *, close: bool = False) -> Script:
    """A script: to each request this answer."""

    async def script(wire: Wire) -> None:
        while True:
            await wire.request()
            wire.send(answer)
            if close:
                wire.close()
                return

    return script


UNSIZED = b"HTTP/1.1 200 OK\r\n\r\nuntil the end"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"un", b"til the end")


@pytest.mark.parametrize(("answer", "close"), [(UNSIZED, True), (CHUNKED, False)])
async def test_an_unsized_answer_is_chunked_for_a_modern_browser(answer: bytes, close: bool) -> None:
    async with plane(saying(answer, close=close)) as site:
        wire = await site.wire()
        for _ in range(2):
            reply = await wire.ask(get())
            assert (reply.chunked, reply.body) == (True, b"until the end")


@pytest.mark.parametrize(("answer", "close"), [(UNSIZED, True), (CHUNKED, False)])
async def test_an_unsized_answer_ends_with_the_connection_for_an_old_browser(answer: bytes, close: bool) -> None:
    async with plane(saying(answer, close=close)) as site:
        reply = await (await site.wire()).ask(get(version="1.0"))
        assert (reply.chunked, reply.body) == (False, b"until the end")


async def test_a_chunked_answer_split_at_every_byte_is_whole() -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        for byte in CHUNKED:
            wire.send(bytes([byte]))
            await asyncio.sleep(0)

    async with plane(script) as site:
        assert (await (await site.wire()).ask(get())).body == b"until the end"


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "X-Until: close", "Content-Length: 4"])
async def test_the_head_does_not_wait_for_the_body(framing: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.send(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())

    async with plane(script) as site:
        wire = await site.wire()
        wire.send(get())
        assert (await wire.head()).status == 200


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"),
    ],
)
async def test_an_answer_without_a_body_ends_with_its_head(method: str, answer: bytes) -> None:
    async with plane(saying(answer)) as site:
        wire = await site.wire()
        for _ in range(2):
            reply = await wire.ask(get(method=method))
        assert (reply.body, site.pool.opened) == (b"", 1)


async def test_the_length_of_a_body_that_is_not_sent_is_told() -> None:
    async with plane(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")) as site:
        assert (await (await site.wire()).ask(get(method="HEAD"))).named(b"content-length") == b"99"


async def test_a_browser_that_waits_is_told_to_continue_by_the_node() -> None:
    async def script(wire: Wire) -> None:
        head = await wire.head()
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.send(ok(await wire.body(head)))

    async with plane(script) as site:
        wire = await site.wire()
        wire.send(get("/a", "Content-Length: 4", "Expect: 100-continue", method="POST"))
        assert (await wire.head()).status == 100
        assert (await wire.ask(b"body")).body == b"body"


async def test_a_browser_that_waits_may_be_refused() -> None:
    async with plane() as site:
        site.road.decision = lambda head, record: Answer(401, [], b"log in")
        wire = await site.wire()
        reply = await wire.ask(get("/a", "Content-Length: 4", "Expect: 100-continue", method="POST"))
        assert (reply.status, reply.named(b"connection")) == (401, b"close")


async def test_hints_pass_and_other_interim_answers_do_not() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" + hints + b"HTTP/1.1 102 Processing\r\n\r\n"
    async with plane(saying(interim + ok(b"done"))) as site:
        wire = await site.wire()
        wire.send(get())
        first, second = await wire.head(), await wire.reply()
        assert (first.status, first.named(b"link"), second.body) == (103, b"</a.css>", b"done")


async def test_no_interim_answer_reaches_an_old_browser() -> None:
    async with plane(saying(b"HTTP/1.1 103 Early Hints\r\n\r\n" + ok(b"done"))) as site:
        wire = await site.wire()
        wire.send(get(version="1.0"))
        assert (await wire.head()).status == 200


async def test_a_node_that_never_comes_to_the_point_is_not_believed() -> None:
    async with plane(saying(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50 + ok())) as site:
        reply = await (await site.wire()).ask(get())
        assert reply.named(b"x-failure") == Failure.UPSTREAM_BAD_ANSWER.word.encode()


async def test_a_request_with_authorization_shares_its_connection_with_nobody() -> None:
    async with plane() as site:
        wire = await site.wire()
        await wire.ask(get("/a", "Authorization: Basic eDp5"))
        await wire.ask(get("/b"))
        assert (site.pool.opened, site.pool.reused) == (2, 0)
