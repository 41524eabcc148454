"""A hostile or broken Qlik: the browser gets a 502 page or a broken transfer, and nobody gets what was left over."""

import asyncio
import contextlib
import dataclasses
import random
import re
from pathlib import Path

import pytest
from a_site import free_port
from hostile.corpus import rows
from hostile.mutation import BITES, SEEDS, by_the_grammar, mutate
from hostile.wire import Bare, Script, ask, bare, connected, honest, then_close
from waiting import eventually

from qproxy.forwarding.tunnel import accept_key
from qproxy.model import Attributes, End, User

OK = b"HTTP/1.1 200 OK\r\n"
SECRET = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSECRET"


def early(answer: bytes) -> Script:
    """Answers and, before anybody asks, sends what looks like the next answer."""
    return lambda upstream, head, writer: writer.write(answer + SECRET)


BEFORE: dict[str, bytes | Script] = {
    "nonsense": b"nonsense\r\n\r\n",
    "HTTP/0.9": then_close(b"<html>hello</html>"),
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n",
    "status 2000": b"HTTP/1.1 2000 X\r\nContent-Length: 0\r\n\r\n",
    "NUL in the reason": b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
    "CR in the reason": b"HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "control byte in a value": OK + b"X: a\x01b\r\nContent-Length: 0\r\n\r\n",
    "bare CR in a value": OK + b"X: a\rSet-Cookie: b=1\r\nContent-Length: 0\r\n\r\n",
    "bare LF in a value": OK + b"X: a\nSet-Cookie: b=1\r\nContent-Length: 0\r\n\r\n",
    "bare LF at each line": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n\r\n\r\n",
    "folded value": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "space before the colon": OK + b"Content-Length : 0\r\n\r\n",
    "no colon": OK + b"nonsense\r\nContent-Length: 0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a list of lengths": OK + b"Content-Length: 1, 1\r\n\r\na",
    "a negative length": OK + b"Content-Length: -1\r\n\r\n",
    "a hexadecimal length": OK + b"Content-Length: 0x1\r\n\r\na",
    "a length beyond 64 bits": OK + b"Content-Length: 99999999999999999999\r\n\r\na",
    "length and chunked": OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
    "another coding": OK + b"Transfer-Encoding: gzip\r\n\r\nx",
    "two codings": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two locations": b"HTTP/1.1 302 X\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
    "a head without end": OK + b"X: y\r\n" * 20_000,
    "300 fields": OK + b"X: y\r\n" * 300 + b"Content-Length: 0\r\n\r\n",
    "a flood of 1xx": b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + OK + b"Content-Length: 0\r\n\r\n",
    "a flood of 103": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 50 + OK + b"Content-Length: 0\r\n\r\n",
    "a 101 unasked, without an Upgrade": b"HTTP/1.1 101 X\r\n\r\n",
    "closed at once": then_close(b""),
    "closed in the head": then_close(OK + b"Content-Le"),
    "closed behind a 100": then_close(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a bad chunk at once": OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nSECRET\r\n0\r\n\r\n",
    "a chunk size with a sign": OK + b"Transfer-Encoding: chunked\r\n\r\n+6\r\nSECRET\r\n0\r\n\r\n",
}
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n6\r\npublic\r\n"
AFTER: dict[str, bytes | Script] = {
    "shorter than its length": then_close(OK + b"Content-Length: 100\r\n\r\npublic"),
    "chunks without an end": then_close(CHUNKED),
    "closed within a chunk": then_close(CHUNKED + b"ff\r\nabc"),
}
LATER: dict[str, list[bytes]] = {
    "a bad chunk later": [CHUNKED, b"xyz\r\nSECRET\r\n0\r\n\r\n"],
    "a chunk longer than its size": [CHUNKED, b"1\r\nSECRET\r\n0\r\n\r\n"],
    "a chunk line with a bare LF": [CHUNKED, b"6\nSECRET\r\n0\r\n\r\n"],
    "a bad trailer": [CHUNKED, b"0\r\nnonsense\r\n\r\n"],
    "endless trailers": [CHUNKED, b"0\r\n" + b"X: y\r\n" * 100],
}
BESIDE: dict[str, bytes | Script] = {
    "longer than its length": OK + b"Content-Length: 6\r\n\r\npublic" + SECRET,
    "two answers at once": honest(b"/x") + SECRET,
    "a body with a 204": b"HTTP/1.1 204 No Content\r\n\r\n" + SECRET,
    "a body with a 304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\nSECRET",
    "bytes behind the last chunk": CHUNKED + b"0\r\n\r\n" + SECRET,
    "CR LF behind the body": honest(b"/x") + b"\r\n",
    "an answer nobody asked for": early(honest(b"/x")),
}


async def others_are_not_disturbed(site: Bare, name: str) -> None:
    """Two other people on fresh connections get their own answers."""
    for number in range(2):
        path = f"/sales/canary/{number}/{len(name)}"
        reply = await site.get(path)
        assert (reply.status, reply.body) == (200, b"the answer to " + path.encode()), name


async def test_an_answer_that_cannot_be_read_is_a_502_page(tmp_path: Path, subtests: pytest.Subtests) -> None:
    async with bare(tmp_path) as site:
        for name, script in BEFORE.items():
            with subtests.test(name):
                site.upstream.scripts["/sales/x"] = script
                reply = await site.get("/sales/x", "Accept: text/html")
                assert (reply.status, reply.whole) == (502, True)
                assert b"SECRET" not in reply.body
                await others_are_not_disturbed(site, name)


async def test_an_answer_that_breaks_midway_is_never_a_short_success(tmp_path: Path, subtests: pytest.Subtests) -> None:
    async with bare(tmp_path) as site:
        for name, script in AFTER.items():
            with subtests.test(name):
                site.upstream.scripts["/sales/x"] = script
                reply = await site.get("/sales/x")
                assert (reply.status, reply.whole) in ((200, False), (502, True))
                await others_are_not_disturbed(site, name)


async def test_an_answer_that_goes_wrong_later_is_a_broken_transfer(tmp_path: Path, subtests: pytest.Subtests) -> None:
    async with bare(tmp_path) as site:
        for name, (first, second) in LATER.items():
            with subtests.test(name):
                site.upstream.scripts["/sales/x"] = first
                async with connected(site.port) as browser:
                    browser.send(site.request("/sales/x"))
                    head = await browser.reader.readuntil(b"public\r\n")
                    site.upstream.writers[-1].write(second)
                    assert head.startswith(b"HTTP/1.1 200")
                    rest = await to_the_end(browser.reader)
                assert b"SECRET" not in rest
                assert not rest.endswith(b"0\r\n\r\n")
                await others_are_not_disturbed(site, name)


async def to_the_end(reader: asyncio.StreamReader, patience: float = 5.0) -> bytes:
    """What still comes; a reset is an end too."""
    received = b""
    async with asyncio.timeout(patience):
        while True:
            try:
                piece = await reader.read(65536)
            except ConnectionError:
                return received
            if not piece:
                return received
            received += piece


async def test_what_stands_beside_an_answer_reaches_nobody(tmp_path: Path, subtests: pytest.Subtests) -> None:
    async with bare(tmp_path) as site:
        for name, script in BESIDE.items():
            with subtests.test(name):
                site.upstream.scripts["/sales/x"] = script
                reply = await site.get("/sales/x")
                assert (reply.status < 400, reply.whole) == (True, True)
                assert b"SECRET" not in reply.body
                await others_are_not_disturbed(site, name)


async def test_bytes_that_come_while_a_connection_rests_end_it(tmp_path: Path) -> None:
    async with bare(tmp_path) as site:
        await site.get("/sales/x")
        pool = site.server.vps["sales"].pool
        await eventually(lambda: pool.resting == 1)
        site.upstream.writers[-1].write(SECRET)
        await eventually(lambda: pool.resting == 0)
        await others_are_not_disturbed(site, "resting")


async def test_a_101_that_nobody_asked_for_opens_nothing(tmp_path: Path) -> None:
    async with bare(tmp_path) as site:
        site.upstream.scripts["/sales/x"] = b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nSECRET"
        reply = await site.get("/sales/x")
        assert (reply.status, reply.whole) == (502, True)
        assert site.server.listener.tunnels == 0


WEBSOCKET = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)


async def test_a_101_with_a_wrong_accept_opens_nothing(tmp_path: Path) -> None:
    async with bare(tmp_path) as site:
        wrong = b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: nonsense\r\n\r\n"
        site.upstream.scripts["/sales/x"] = wrong
        reply = await site.get("/sales/x", f"Origin: http://localhost:{site.port}", *WEBSOCKET)
        assert (reply.status, site.server.listener.tunnels) == (502, 0)


async def test_without_qlik_an_upgrade_gets_no_101(tmp_path: Path) -> None:
    async with bare(tmp_path) as site:
        member = site.server.vps["sales"].pool.members[0]
        member.node = dataclasses.replace(member.node, port=free_port())
        reply = await site.get("/sales/x", f"Origin: http://localhost:{site.port}", *WEBSOCKET)
        assert (reply.status, site.server.listener.tunnels) == (503, 0)


ORIGINS = [payload.decode() for _, payload in rows("origins.txt")]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_another_sites_origin_opens_no_socket_and_sends_nothing(tmp_path: Path, method: str) -> None:
    async with bare(tmp_path) as site:
        for origin in ORIGINS:
            lines = (
                f"Origin: {origin.format(port=site.port)}",
                *(WEBSOCKET if method == "GET" else ("Content-Length: 0",)),
            )
            reply = await ask(site.port, site.request("/sales/x", *lines, method=method))
            assert (reply.status, site.upstream.seen) == (403, []), origin


async def test_our_own_origin_passes_as_it_came(tmp_path: Path) -> None:
    async with bare(tmp_path) as site:
        for origin in (f"http://localhost:{site.port}", f"HTTP://LOCALHOST:{site.port}"):
            reply = await ask(
                site.port, site.request("/sales/x", f"Origin: {origin}", "Content-Length: 0", method="POST")
            )
            assert reply.status == 200


async def test_a_refused_upgrade_ends_the_connection_and_what_follows_it_is_no_request(tmp_path: Path) -> None:
    async with bare(tmp_path) as site:
        site.upstream.scripts["/sales/x"] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
        async with connected(site.port) as browser:
            upgrade = site.request("/sales/x", f"Origin: http://localhost:{site.port}", *WEBSOCKET)
            browser.send(upgrade + site.request("/sales/smuggled"))
            reply = await browser.last_reply()
        assert (reply.status, reply.body, reply.closed) == (403, b"no", True)
        assert site.upstream.seen == [b"/sales/x"]


async def test_a_thousand_cookies_are_a_bad_answer_and_two_hundred_are_kept(tmp_path: Path) -> None:
    async with bare(tmp_path) as site:
        for count, status in ((200, 200), (1000, 502)):
            lines = b"".join(b"Set-Cookie: c%d=1\r\n" % number for number in range(count))
            site.upstream.scripts["/sales/x"] = OK + lines + b"Content-Length: 0\r\n\r\n"
            reply = await site.get("/sales/x")
            assert reply.status == status
            assert reply.head.count(b"Set-Cookie: c") == (200 if status == 200 else 0)


async def test_a_browser_of_http_1_0_sees_a_break_as_a_reset_and_not_as_an_end(tmp_path: Path) -> None:
    async with bare(tmp_path) as site, connected(site.port) as browser:
        site.upstream.scripts["/sales/x"] = CHUNKED
        browser.send(site.request("/sales/x").replace(b"HTTP/1.1", b"HTTP/1.0"))
        await browser.reader.readuntil(b"public")
        site.upstream.writers[-1].transport.abort()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(browser.reader.read(), 5)


async def test_bytes_behind_the_answer_to_a_head_request_reach_nobody(tmp_path: Path) -> None:
    async with bare(tmp_path) as site:
        site.upstream.scripts["/sales/x"] = OK + b"Content-Length: 6\r\n\r\nSECRET"
        async with connected(site.port) as browser:
            browser.send(site.request("/sales/x", method="HEAD"))
            reply = await browser.reply("HEAD")
            assert (reply.status, reply.header("Content-Length")) == (200, "6")
            browser.send(site.request("/sales/y"))
            assert (await browser.reply()).body == b"the answer to /sales/y"


async def test_a_browser_that_goes_away_leaves_nothing_for_the_next(tmp_path: Path) -> None:
    async with bare(tmp_path) as site:
        site.upstream.scripts["/sales/x"] = b""
        async with connected(site.port) as browser:
            browser.send(site.request("/sales/x"))
            await eventually(lambda: site.upstream.seen)
        await eventually(lambda: site.server.vps["sales"].pool.open_count == 0)
        await others_are_not_disturbed(site, "gone")


async def test_a_pipelined_request_behind_a_broken_answer_is_never_sent(tmp_path: Path) -> None:
    async with bare(tmp_path) as site, connected(site.port) as browser:
        site.upstream.scripts["/sales/x"] = then_close(CHUNKED)
        browser.send(site.request("/sales/x") + site.request("/sales/later"))
        await to_the_end(browser.reader)
        await others_are_not_disturbed(site, "pipelined")
        assert b"/sales/later" not in site.upstream.seen


async def test_a_session_that_ends_while_its_socket_is_being_opened_gets_no_socket(tmp_path: Path) -> None:
    async with bare(tmp_path) as site, connected(site.port) as browser:
        vp = site.server.vps["sales"]
        session = await vp.open_session(User("SALES", "ann"), Attributes(), False)
        site.upstream.scripts["/sales/app/x"] = b""
        cookie = f"Cookie: {vp.cookie_name}={session.id}"
        browser.send(site.request("/sales/app/x", f"Origin: http://localhost:{site.port}", cookie, *WEBSOCKET))
        await eventually(lambda: site.upstream.seen)
        await vp.end_session(session.id, End.LOGOUT)
        accept = b"Sec-WebSocket-Accept: " + accept_key(b"dGhlIHNhbXBsZSBub25jZQ==")
        site.upstream.writers[-1].write(
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + accept + b"\r\n\r\n"
        )
        await to_the_end(browser.reader)
        assert site.server.listener.tunnels == 0


@pytest.mark.parametrize("seed", range(4))
async def test_a_changed_head_reaches_qlik_once_or_not_at_all(tmp_path: Path, seed: int) -> None:
    """What follows it on the connection is its body or the next request, never a third thing."""
    dice = random.Random(seed)
    async with bare(tmp_path) as site:
        canary = site.request("/sales/canary", "Connection: close")
        for _ in range(150):
            head = mutate(dice.choice(SEEDS), random_edits(dice)).replace(b"bi.example", b"localhost:%d" % site.port)
            async with connected(site.port) as browser:
                browser.send(head + canary)
                with contextlib.suppress(TimeoutError):
                    await to_the_end(browser.reader, 0.2)
            assert tuple(site.upstream.seen) in possible(head), head
            site.upstream.seen.clear()


def possible(head: bytes) -> set[tuple[bytes, ...]]:
    """What Qlik may see of the head and of the canary behind it, by the grammar alone."""
    framing = by_the_grammar(head)
    if framing is None:
        return {()}
    target, canary = re.sub(rb"(?i)^https?://[^/?]*", b"", head.split(b" ")[1]), b"/sales/canary"
    return {(), (target,)} if framing[1] else {(), (target,), (canary,), (target, canary)}


def random_edits(dice: random.Random) -> list[tuple[int, int, bytes]]:
    bites = [*BITES, b"", b""]
    return [(dice.randrange(400), dice.randrange(4), dice.choice(bites)) for _ in range(dice.randrange(1, 4))]
