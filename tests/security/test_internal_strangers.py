"""Whoever may not call the internal listener, but reaches its port."""

from pathlib import Path

import pytest
from a_site import Site, site
from hostile.wire import connected
from security.behind import ended

SHUT = "internal: {listen: '127.0.0.1:0', allow: [192.0.2.0/24]}"
NOT_HTTP = [
    b"GET /CANARY HTTP/9.9\r\n\r\n",
    b"CANARY /x HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /session-module/sales/session/CANARY HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n",
    b"\x16\x03\x01CANARY\r\n\r\n",
    b"GET /" + b"CANARY" * 20_000 + b" HTTP/1.1\r\n\r\n",
]


async def answer(qlik: Site, sent: bytes) -> bytes:
    """All that comes until the listener closes the connection."""
    async with connected(qlik.server.internal_ports[0]) as caller:
        caller.send(sent)
        return await ended(caller)


async def test_what_is_no_request_is_answered_without_a_word(tmp_path: Path, subtests: pytest.Subtests) -> None:
    async with site(tmp_path) as qlik:
        for sent in NOT_HTTP:
            with subtests.test(str(sent[:50])):
                head, _, body = (await answer(qlik, sent)).partition(b"\r\n\r\n")
                assert (head.partition(b" ")[2][:3], body) == (b"400", b"")
                assert b"server:" not in head.lower()


async def test_a_stranger_gets_403_and_the_end_of_the_connection(tmp_path: Path) -> None:
    async with site(tmp_path, server=SHUT) as qlik:
        received = await answer(qlik, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 403 ")
    assert received.endswith(b"\r\n\r\n")


async def test_nobody_holds_a_connection_without_a_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qproxy.web.internal_protocol.FIRST_REQUEST_SECONDS", 0.1)
    async with site(tmp_path) as qlik:
        for sent in (b"", b"GET /livez HTTP/1.1\r\nHost: loc"):
            assert await answer(qlik, sent) == b""
