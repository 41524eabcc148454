"""Answers that break: each must break in exactly the promised way."""

import asyncio
from urllib.parse import urlsplit

import pytest
from qliksim.node_site import site
from waiting import eventually

OPEN = {"debug": "open"}
RESET = b"(reset)"


async def bytes_of(fault: str, method: str = "GET", body: bytes = b"") -> bytes:
    """Everything that comes before the connection ends, or RESET."""
    async with site(toggles=OPEN) as it:
        reader, writer = await asyncio.open_connection(*urlsplit(it.node.http_url or "").netloc.split(":"))
        head = f"{method} /sso/fault/{fault} HTTP/1.1\r\nHost: bi.test\r\nContent-Length: 100000\r\n\r\n"
        writer.write((head if method == "POST" else head.replace("Content-Length: 100000\r\n", "")).encode() + body)
        try:
            return await asyncio.wait_for(reader.read(), 5)
        except ConnectionResetError:
            return RESET
        finally:
            writer.close()


async def test_a_short_answer_ends_before_its_length() -> None:
    head, _, body = (await bytes_of("short?bytes=50&send=20")).partition(b"\r\n\r\n")
    assert b"Content-Length: 50" in head
    assert body == b"x" * 20


async def test_a_reset_comes_before_any_answer() -> None:
    assert await bytes_of("reset") == RESET


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        ("cut-chunk", b"\r\n64\r\nxxx"),
        ("trailers", b"0\r\nX-Sum: 1\r\n\r\n"),
        ("no-length", b"\r\n\r\nuntil the end"),
        ("both-lengths", b"0\r\n\r\n"),
        ("garbage", b"this is no HTTP\r\n\r\n"),
        ("bare-lf", b"Content-Length: 5\n\nhello"),
        ("huge-head", b"x\r\nContent-Length: 0\r\n\r\n"),
    ],
)
async def test_broken_answers_are_sent_as_they_are(fault: str, end: bytes) -> None:
    assert (await bytes_of(fault)).endswith(end)


async def test_an_early_answer_does_not_wait_for_the_body() -> None:
    answer = await bytes_of("early", "POST", b"only the beginning")
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_silent_node_answers_nothing_until_it_stops() -> None:
    async with site(toggles=OPEN) as it:
        asked = asyncio.create_task(it.ask("/sso/fault/silent"))
        await eventually(lambda: it.node.journal("http"))
        assert not asked.done()
        asked.cancel()


async def test_a_hanging_answer_stops_half_way() -> None:
    async with site(toggles=OPEN) as it, it.client.get(f"{it.node.http_url}/sso/fault/hanging") as reply:
        assert await reply.content.readexactly(500) == b"x" * 500
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reply.content.read(1), 0.05)


async def test_an_unknown_fault_lists_the_known_ones() -> None:
    async with site(toggles=OPEN) as it:
        answer = await it.ask("/sso/fault/none")
    assert answer.status == 404
    assert b"cut-chunk" in answer.body
