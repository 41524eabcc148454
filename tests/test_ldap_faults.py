"""Directories that misbehave, and Active Directory's verdicts that no server here can be made to give."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from ldap_fake import BIND, EXTENDED, SEARCH, Answer, FakeDirectory, Request, ber, fake_directory
from waiting import eventually

from qproxy.auth import Accept, LoginRequest, Reason, Refuse
from qproxy.auth import Answer as LoginAnswer
from qproxy.auth.ldap import Directory, Ldap
from qproxy.auth.ldap_connection import Connection, Server
from qproxy.auth.ldap_groups import Groups, How
from qproxy.auth.ldap_people import Account, Asked
from qproxy.auth.method import Unavailable
from qproxy.ldap.filters import parse_filter
from qproxy.ldap.messages import PASSWORD_POLICY

WRONG = Refuse(Reason.WRONG)
UNAVAILABLE = Refuse(Reason.UNAVAILABLE, word="ldap_unavailable")
ANNA = "cn=anna,dc=acme"
PERSON = {"uid": [b"anna"], "mail": [b"anna@acme.example"]}
SUB_CODE = "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data {}, v3839"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def server_of(directory: FakeDirectory, **more: bool) -> Server:
    return Server("127.0.0.1", directory.port, more.get("tls", False), more.get("start_tls", False))


def method(
    *servers: Server,
    direct: str = "",
    tls: ssl.SSLContext | None = None,
    clock: Callable[[], float] | None = None,
    limit: float = 5.0,
    groups: Groups | None = None,
) -> Ldap:
    filter_ = parse_filter("(uid={account})", frozenset({"account"}))
    asked = Asked("dc=acme", filter_, "uid", ("mail",), direct, groups)
    service = Account() if direct else Account("cn=service,dc=acme", "service-canary")
    return Ldap(Directory(servers, tls, limit, asked, service), clock=clock or Clock())


async def once(ldap: Ldap, name: str = "anna", password: str = "right") -> LoginAnswer:
    answer = await ldap.step(LoginRequest("sales", "192.0.2.1", {"name": name, "password": password}))
    await ldap.close()
    return answer


def healthy(request: Request) -> bytes | None:
    """One person, anna, whose password is "right"."""
    if request.tag == SEARCH:
        found = request.entry(ANNA, PERSON) if b"anna" in request.body else b""
        return found + request.result()
    good = request.tag == BIND and (request.name, request.password) in [
        (ANNA, "right"),
        ("anna@acme.example", "right"),
        ("cn=service,dc=acme", "service-canary"),
    ]
    return request.result(0 if good else 49)


def but(tag: int, answer: Answer, *, not_service: bool = True) -> Answer:
    """Healthy, but for requests of one kind."""

    def chosen(request: Request) -> bytes | None:
        of_service = request.tag == BIND and not_service and "service" in request.name
        return answer(request) if request.tag == tag and not of_service else healthy(request)

    return chosen


async def judged(answer: Answer, **keys: object) -> LoginAnswer:
    async with fake_directory(answer) as directory:
        return await once(method(server_of(directory), **keys))  # type: ignore[arg-type]


async def test_a_healthy_directory_lets_the_right_person_in() -> None:
    assert isinstance(await judged(healthy), Accept)


SUB_CODES = {
    "525": WRONG,
    "52e": WRONG,
    "775": WRONG,
    "999": WRONG,
    "530": "ldap_not_now",
    "531": "ldap_not_here",
    "532": "ldap_password_expired",
    "533": "ldap_account_disabled",
    "534": "ldap_not_here",
    "701": "ldap_account_expired",
    "773": "ldap_must_change_password",
}


@pytest.mark.parametrize("code", SUB_CODES)
async def test_active_directorys_sub_codes_become_reasons(code: str) -> None:
    expected = SUB_CODES[code]
    if isinstance(expected, str):
        expected = Refuse(Reason.DENIED, text=expected, word=expected)
    assert await judged(but(BIND, lambda request: request.result(49, SUB_CODE.format(code)))) == expected


@pytest.mark.parametrize("code", [525, 775])
async def test_what_only_the_administrator_may_know_is_in_the_log(code: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "qproxy.auth"):
        await judged(but(BIND, lambda request: request.result(49, SUB_CODE.format(code))))
    assert f"(Active Directory's {code})" in caplog.text


@pytest.mark.parametrize("code", [19, 32, 34, 48, 50, 53])
async def test_whatever_else_is_said_of_one_account_is_a_wrong_password(code: int) -> None:
    assert await judged(but(BIND, lambda request: request.result(code))) == WRONG


@pytest.mark.parametrize("code", [1, 2, 8, 10, 13, 51, 52, 80, 118])
async def test_a_bind_that_the_directory_could_not_judge_is_no_login(code: int) -> None:
    assert await judged(but(BIND, lambda request: request.result(code))) == UNAVAILABLE


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


async def test_an_unknown_name_costs_a_bind_too() -> None:
    async with fake_directory(healthy) as directory:
        assert await once(method(server_of(directory)), "nobody", "typed") == WRONG
        [_, (name, password)] = directory.binds
    assert (name[:3], name[-8:], password) == ("cn=", ",dc=acme", "typed")


async def test_an_unknown_name_takes_as_long_as_a_wrong_password_took() -> None:
    clock = Clock()

    def hashing(request: Request) -> bytes:
        clock.now += 0.2 if request.name == ANNA else 0.05
        return request.result(49)

    async with fake_directory(but(BIND, hashing)) as directory:
        ldap = method(server_of(directory), clock=clock)
        await ldap.step(LoginRequest("sales", "", {"name": "anna", "password": "wrong"}))
        begun = time.monotonic()
        assert await once(ldap, "nobody") == WRONG
    assert time.monotonic() - begun >= 0.14


@pytest.mark.parametrize("password", ["", "\0", "a\0b", "\ud800", "x" * 1025])
async def test_a_password_that_cannot_be_one_is_not_sent(password: str) -> None:
    async with fake_directory(healthy) as directory:
        assert await once(method(server_of(directory)), "anna", password) == WRONG
        assert directory.requests == []


async def test_a_bind_without_a_password_cannot_be_sent_by_mistake() -> None:
    async with fake_directory(healthy) as directory:
        from qproxy.auth.ldap_connection import dial  # noqa: PLC0415

        connection: Connection = await dial(server_of(directory), None, 5.0)
        with pytest.raises(ValueError, match="proves nothing"):
            await connection.bind(ANNA, "")
        connection.close()


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


async def test_a_windows_name_that_means_another_account_to_the_search_is_refused() -> None:
    """anna@acme.example may be somebody's user principal name whose account is not anna: the entry must be theirs."""

    def another(request: Request) -> bytes | None:
        if request.tag == BIND and request.name == ANNA:
            return request.result(49)
        return healthy(request)

    assert isinstance(await judged(healthy, direct="{account}@acme.example"), Accept)
    assert await judged(another, direct="{account}@acme.example") == WRONG


@pytest.mark.parametrize("name", ["x@evil.example", "a\\b", "a/b", "a,b", "a=b", "a*b"])
async def test_a_name_that_is_no_windows_account_is_not_sent(name: str) -> None:
    async with fake_directory(healthy) as directory:
        assert await once(method(server_of(directory), direct="{account}@acme.example"), name) == WRONG
        assert directory.requests == []


async def test_who_logs_in_but_cannot_be_read_is_not_let_in() -> None:
    answer = await judged(but(SEARCH, lambda request: request.result()), direct="{account}@acme.example")
    assert answer == Refuse(Reason.DENIED, word="ldap_not_found")


async def test_a_server_that_is_busy_leaves_it_to_the_next_one() -> None:
    async with fake_directory(lambda request: request.result(51)) as busy, fake_directory(healthy) as well:
        assert isinstance(await once(method(server_of(busy), server_of(well))), Accept)


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


async def test_a_part_of_the_groups_is_none() -> None:
    groups = Groups(How.MEMBER_OF, "dc=acme", "memberOf", "cn", 1, 500)

    def ranged(request: Request) -> bytes:
        return request.entry(ANNA, PERSON | {"memberOf;range=0-1499": [b"cn=a,dc=acme"]}) + request.result()

    assert await judged(but(SEARCH, ranged), groups=groups) == Refuse(Reason.DENIED, word="ldap_too_many_groups")


async def test_too_long_values_are_left_out() -> None:
    long = PERSON | {"mail": [b"x" * 5000, b"short"]}
    answer = await judged(but(SEARCH, lambda request: request.entry(ANNA, long) + request.result()))
    assert isinstance(answer, Accept)
    assert answer.claims["mail"] == ("short",)


@pytest.mark.parametrize(
    "control", [b"", b"\x30", b"\xff", ber(0x30, ber(0x81, b"\x09")), ber(0x30, ber(0xA0, b"\x81"))]
)
async def test_an_odd_password_policy_control_changes_nothing(control: bytes) -> None:
    controls = ber(0xA0, ber(0x30, ber(4, PASSWORD_POLICY.encode()), ber(4, control)))
    answer = await judged(but(BIND, lambda request: request.result(49, controls=controls)))
    assert answer == WRONG


async def test_the_directory_itself_is_asked_for_groups_in_groups() -> None:
    def in_chain(request: Request) -> bytes | None:
        if b"1.2.840.113556.1.4.1941" not in request.body:
            return healthy(request)
        assert b"member" in request.body
        assert ANNA.encode() in request.body
        return request.entry("cn=b,dc=acme", {"cn": [b"B"]}) + request.entry("cn=a,dc=acme", {}) + request.result()

    groups = Groups(How.IN_CHAIN, "dc=acme", "member", "cn", 1, 2)
    answer = await judged(but(SEARCH, in_chain), groups=groups)
    assert isinstance(answer, Accept)
    assert answer.claims["groups"] == ("B", "cn=a,dc=acme")


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


async def test_guesses_are_counted_together_for_whoever_asks_the_same_servers() -> None:
    one, two = Server("a", 636, True), Server("b", 636, True)
    assert method(one, two, tls=ssl.create_default_context()).scope == method(two, one).scope
    assert method(one).scope != method(two).scope


async def test_whom_the_directory_cannot_be_asked_for_is_not_nobody() -> None:
    async with fake_directory(lambda request: request.result(49)) as directory:
        ldap = method(server_of(directory))
        assert await ldap.find("") is None
        with pytest.raises(Unavailable, match="bind_as"):
            await ldap.find("anna")
        await ldap.close()


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    async with fake_directory(healthy, tls) as directory:
        assert await once(method(server_of(directory, tls=True), tls=ssl.create_default_context())) == UNAVAILABLE
        assert directory.binds == []
