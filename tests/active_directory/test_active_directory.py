"""Logging in with a real domain controller: what Samba's Active Directory says, and what becomes of it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from active_directory.samba_dc import PASSWORD, SERVICE, SUFFIX, SambaDc

from qproxy.auth import Accept, LoginRequest, Reason, Refuse
from qproxy.auth.ldap import Ldap
from qproxy.auth.ldap_opening import open_ldap
from qproxy.config import LdapLogin
from qproxy.model import Attributes, Session, User, new_session_id

IN_CHAIN = {"how": "in_chain"}
DIRECT = {"bind_as": None, "password_file": None}


@pytest.fixture(scope="module")
def dc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SambaDc]:
    server = SambaDc(tmp_path_factory.mktemp("dc")).prepare().start()
    yield server
    server.stop()


def method(dc: SambaDc, **keys: object) -> Ldap:
    wanted: dict[str, object] = {
        "method": "ldap",
        "servers": ["ldaps://localhost"],
        "ca": str(dc.ca),
        "subtree": SUFFIX,
        "bind_as": SERVICE,
        "password_file": str(dc.secret),
        "domains": ["ACME", "acme.example"],
        "attributes": ["mail", "objectGUID", "objectSid"],
        "groups": IN_CHAIN,
    }
    return open_ldap(LdapLogin.model_validate(wanted | keys))


@pytest.fixture
async def ad(dc: SambaDc) -> AsyncIterator[Ldap]:
    made = method(dc)
    yield made
    await made.close()


async def answer(one: Ldap, name: str, password: str = PASSWORD) -> object:
    return await one.step(LoginRequest("sales", "192.0.2.1", {"name": name, "password": password}))


@pytest.mark.parametrize("name", ["anna", "ANNA", "ACME\\anna", "anna@acme.example", " anna "])
async def test_a_name_in_each_of_its_forms_is_the_same_account(ad: Ldap, name: str) -> None:
    accept = await answer(ad, name)
    assert isinstance(accept, Accept)
    assert accept.user_id == "anna"


async def test_groups_in_groups_come_from_the_directory_itself(ad: Ldap) -> None:
    accept = await answer(ad, "anna")
    assert isinstance(accept, Accept)
    assert accept.claims["groups"] == ("europe", "sales", "world")


@pytest.mark.parametrize("how", ["member", "member_of"])
async def test_groups_in_groups_are_found_step_by_step_too(dc: SambaDc, how: str) -> None:
    one = method(dc, groups={"how": how})
    accept = await answer(one, "anna")
    await one.close()
    assert isinstance(accept, Accept)
    assert accept.claims["groups"] == ("europe", "sales", "world")


async def test_identifiers_are_text_as_windows_writes_them(ad: Ldap) -> None:
    accept = await answer(ad, "anna")
    assert isinstance(accept, Accept)
    assert accept.claims["objectSid"][0].startswith("S-1-5-21-")
    assert len(accept.claims["objectGUID"][0].split("-")) == 5


@pytest.mark.parametrize("pattern", ["{account}@acme.example", "ACME\\{account}", f"CN=Anna Akesson,CN=Users,{SUFFIX}"])
async def test_a_person_logs_in_without_a_service_account(dc: SambaDc, pattern: str) -> None:
    pattern = pattern.replace("Anna Akesson", "{account}")
    one = method(dc, direct=pattern, **DIRECT)
    accept = await answer(one, "Anna Akesson" if "CN=" in pattern else "anna")
    await one.close()
    assert isinstance(accept, Accept)
    assert (accept.user_id, accept.claims["groups"]) == ("anna", ("europe", "sales", "world"))


async def test_start_tls_works_and_a_bind_without_encryption_is_refused_by_the_directory(dc: SambaDc) -> None:
    ways = [method(dc, servers=["ldap://localhost"], start_tls=start_tls) for start_tls in (True, False)]
    answers = [await answer(one, "anna") for one in ways]
    for one in ways:
        await one.close()
    assert isinstance(answers[0], Accept)
    assert answers[1] == Refuse(Reason.UNAVAILABLE, word="ldap_service_refused")


@pytest.mark.parametrize("name", ["anna", "nobody", "gone", "over", "fresh", "OTHER\\anna"])
async def test_a_wrong_password_gets_the_same_answer_for_whoever(ad: Ldap, name: str) -> None:
    assert await answer(ad, name, "wrong") == Refuse(Reason.WRONG)


@pytest.mark.parametrize(
    ("name", "word"),
    [("gone", "ldap_account_disabled"), ("over", "ldap_account_expired"), ("fresh", "ldap_must_change_password")],
)
async def test_with_the_right_password_people_learn_what_is_wrong_with_the_account(
    ad: Ldap, name: str, word: str
) -> None:
    assert await answer(ad, name) == Refuse(Reason.DENIED, text=word, word=word)


async def test_a_locked_account_is_named_in_the_log_alone(ad: Ldap, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "qproxy.auth"):
        answers = [await answer(ad, "lost", "wrong") for _ in range(4)] + [await answer(ad, "lost")]
    assert answers == [Refuse(Reason.WRONG)] * 5
    assert "the account is locked (Active Directory's 775)" in caplog.text


async def test_who_is_disabled_while_logged_in_does_not_stay(dc: SambaDc) -> None:
    one = method(dc, recheck="15m")
    accept = await answer(one, "leaver")
    assert isinstance(accept, Accept)
    session = Session(new_session_id(), "sales", User("ACME", "leaver"), Attributes(), 0.0, 0.0, tie=accept.tie)
    before = await one.recheck(session)
    dc.run("user disable leaver")
    after = await one.recheck(session)
    await one.close()
    assert (before is None, after) == (False, None)


async def test_a_wrong_password_is_logged_with_the_sub_code(ad: Ldap, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "qproxy.auth"):
        await answer(ad, "anna", "wrong")
    assert "wrong password (Active Directory's 52e)" in caplog.text
