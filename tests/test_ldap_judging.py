"""What a directory's answer means for a login: Active Directory's verdicts, and who is meant by a name."""

import ssl
import time

import pytest
from ldap_fake import BIND, SEARCH, Request, ber, fake_directory
from ldap_trials import ANNA, PERSON, UNAVAILABLE, WRONG, Clock, but, healthy, judged, method, once, server_of

from qproxy.auth import Accept, LoginRequest, Reason, Refuse
from qproxy.auth.ldap_connection import Connection, Server
from qproxy.auth.ldap_groups import Groups, How
from qproxy.auth.method import Unavailable
from qproxy.ldap.messages import PASSWORD_POLICY, UNBIND_REQUEST

SUB_CODE = "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data {}, v3839"


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
        assert [one for one in directory.requests if one.tag != UNBIND_REQUEST] == []


async def test_a_bind_without_a_password_cannot_be_sent_by_mistake() -> None:
    async with fake_directory(healthy) as directory:
        from qproxy.auth.ldap_connection import dial  # noqa: PLC0415

        connection: Connection = await dial(server_of(directory), None, 5.0)
        with pytest.raises(ValueError, match="proves nothing"):
            await connection.bind(ANNA, "")
        connection.close()


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
        assert [one for one in directory.requests if one.tag != UNBIND_REQUEST] == []


async def test_who_logs_in_but_cannot_be_read_is_not_let_in() -> None:
    answer = await judged(but(SEARCH, lambda request: request.result()), direct="{account}@acme.example")
    assert answer == Refuse(Reason.DENIED, word="ldap_not_found")


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
