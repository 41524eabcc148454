"""Directories that misbehave: answers that are none, silence, TLS that is refused, servers that fail."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
import trustme
from ldap_fake import BIND, EXTENDED, SEARCH, Answer, Request, ber, fake_directory
from ldap_trials import ANNA, PERSON, UNAVAILABLE, Clock, but, healthy, judged, method, once, server_of
from waiting import eventually

from qproxy.auth import Accept, LoginRequest, Reason, Refuse
from qproxy.auth.ldap_connection import Server


@pytest.mark.parametrize("code", [1, 3, 4, 10, 11, 50, 53])
async def test_a_search_that_was_not_carried_out_is_no_login(code: int) -> None:
    answer = await judged(but(SEARCH, lambda request: request.entry(ANNA, PERSON) + request.result(code)))
    assert answer == Refuse(Reason.UNAVAILABLE, word="ldap_search_refused")


async def test_references_to_other_directories_are_not_followed() -> None:
    async with fake_directory(healthy) as elsewhere:

        def referring(request: Request) -> bytes:
            return request.reference(f"{elsewhere.url}/dc=acme") + request.entry(ANNA, PERSON) + request.result()

        assert isinstance(await judged(but(SEARCH, referring)), Accept)
        assert elsewhere.connections == 0


FAULTS: dict[str, Answer] = {
    "closes": lambda _: b"",
    "says half of it": lambda request: request.result()[:-3],
    "is no ldap": lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "announces a huge answer": lambda _: b"\x30\x84\x7f\xff\xff\xff",
    "has an indefinite length": lambda _: b"\x30\x80\x02\x01\x01\x00\x00",
    "answers another request": lambda request: Request(b"\x63", request.tag, b"").result(),
    "answers with another kind": lambda request: Request(request.number, EXTENDED, b"").result(),
    "ends the connection in words": lambda _: Request(b"\x00", EXTENDED, b"").result(52, "shutting down"),
    "sends rubbish in a result": lambda request: request.answered(ber(0x61, b"\xff\xff")),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("tag", [BIND, SEARCH])
async def test_an_answer_that_is_none_is_no_login(fault: str, tag: int) -> None:
    async with fake_directory(but(tag, FAULTS[fault])) as directory:
        ldap = method(server_of(directory), limit=0.2)
        assert await once(ldap) == UNAVAILABLE


async def test_a_directory_that_is_silent_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    assert await judged(lambda _: None, limit=0.05) == UNAVAILABLE
    assert "no answer within 0.05 seconds" in caplog.text


async def test_a_directory_that_sends_more_than_was_asked_for_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    assert await judged(but(SEARCH, lambda request: request.entry(ANNA, PERSON) * 5000)) == UNAVAILABLE
    assert "more than it was asked for" in caplog.text


async def test_endless_references_are_given_up() -> None:
    assert await judged(but(SEARCH, lambda request: request.reference("ldap://x/") * 2000)) == UNAVAILABLE


async def test_start_tls_that_is_refused_ends_it_before_any_name_is_said() -> None:
    async with fake_directory(but(EXTENDED, lambda request: request.result(53))) as directory:
        assert await once(method(server_of(directory, start_tls=True), tls=ssl.create_default_context())) == UNAVAILABLE
        assert directory.binds == []


async def test_words_before_the_encryption_are_not_taken_for_encrypted_ones() -> None:
    def injected(request: Request) -> bytes:
        return request.result() + Request(b"\x02", BIND, b"").result()

    async with fake_directory(but(EXTENDED, injected)) as directory:
        assert await once(method(server_of(directory, start_tls=True), tls=ssl.create_default_context())) == UNAVAILABLE
        assert directory.binds == []


async def test_a_server_without_tls_where_tls_is_wanted_is_refused() -> None:
    async with fake_directory(healthy) as directory:
        assert await once(method(server_of(directory, tls=True), tls=ssl.create_default_context())) == UNAVAILABLE


async def test_a_server_that_is_busy_leaves_it_to_the_next_one() -> None:
    async with fake_directory(lambda request: request.result(51)) as busy, fake_directory(healthy) as well:
        assert isinstance(await once(method(server_of(busy), server_of(well))), Accept)


async def test_a_server_that_becomes_busy_leaves_it_to_the_next_one() -> None:
    busy = False

    def sometimes(request: Request) -> bytes | None:
        return request.result(51) if busy else healthy(request)

    async with fake_directory(sometimes) as first, fake_directory(healthy) as second:
        ldap = method(server_of(first), server_of(second))
        form = {"name": "anna", "password": "right"}
        assert isinstance(await ldap.step(LoginRequest("sales", "", form)), Accept)
        busy = True
        assert isinstance(await once(ldap), Accept)
        assert (first.connections, second.connections) == (2, 1)


async def test_a_server_that_failed_is_left_alone_for_a_while() -> None:
    clock = Clock()
    async with fake_directory(lambda _: b"") as ill, fake_directory(healthy) as well:
        ldap = method(server_of(ill), server_of(well), clock=clock)
        tried = []
        for later in (0, 20, 200):
            clock.now += later
            well.hang_up()
            assert isinstance(await ldap.step(LoginRequest("sales", "", {"name": "anna", "password": "right"})), Accept)
            tried.append(ill.connections)
        await ldap.close()
    assert tried == [1, 1, 2]


async def test_more_people_than_may_wait_are_told_to_come_again() -> None:
    async with fake_directory(lambda _: None) as directory:
        ldap = method(server_of(directory), limit=0.5)
        form = {"name": "anna", "password": "right"}
        answers = await asyncio.gather(*(ldap.step(LoginRequest("sales", "", form)) for _ in range(80)))
        await ldap.close()
    assert sum(answer == Refuse(Reason.BUSY, retry_after=5) for answer in answers) == 80 - 72


async def test_what_a_directory_sends_unasked_does_not_pile_up() -> None:
    async with fake_directory(healthy) as directory:
        ldap = method(server_of(directory))
        form = {"name": "anna", "password": "right"}
        assert isinstance(await ldap.step(LoginRequest("sales", "", form)), Accept)
        directory.flood(bytes(8_000_000))
        await eventually(lambda: directory.ended == 1)
        assert isinstance(await once(ldap), Accept)
        assert directory.connections == 2


async def test_a_server_that_does_not_begin_tls_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server("127.0.0.1", listener.getsockname()[1], True)
        assert await once(method(server, tls=ssl.create_default_context(), limit=0.05)) == UNAVAILABLE
    assert "no connection within 0.05 seconds" in caplog.text


async def test_a_search_that_one_server_is_too_busy_for_goes_to_the_next_one() -> None:
    async with fake_directory(but(SEARCH, lambda one: one.result(51))) as busy, fake_directory(healthy) as well:
        assert isinstance(await once(method(server_of(busy), server_of(well))), Accept)


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    async with fake_directory(healthy, tls) as directory:
        assert await once(method(server_of(directory, tls=True), tls=ssl.create_default_context())) == UNAVAILABLE
        assert directory.binds == []
