"""Logging in with a real OpenLDAP server: who is found, whose password it is, and what is learned of a person."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ldap_server import GROUPS, ODD, PASSWORD, PEOPLE, SUFFIX, Slapd, running

from qproxy.auth import Accept, Answer, LoginRequest, Method, Reason, Refuse
from qproxy.auth.ldap import Ldap
from qproxy.auth.ldap_opening import open_ldap
from qproxy.auth.method import Unavailable
from qproxy.model import NO_TIE, Attributes, Session, User, new_session_id

MEMBER = {"how": "member", "subtree": GROUPS}
WRONG = Refuse(Reason.WRONG)


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with running(tmp_path_factory.mktemp("slapd")) as server:
        yield server


@pytest.fixture
async def ldap(slapd: Slapd) -> AsyncIterator[Ldap]:
    made = slapd.method(attributes=["mail", "displayName", "objectGUID", "objectSid"], groups=MEMBER)
    yield made
    await made.close()


async def log_in(method: Method, name: str, password: str = PASSWORD) -> Answer:
    return await method.step(LoginRequest("sales", "192.0.2.1", {"name": name, "password": password}))


async def accepted(method: Method, name: str, password: str = PASSWORD) -> Accept:
    answer = await log_in(method, name, password)
    assert isinstance(answer, Accept), answer
    return answer


async def once(method: Method, name: str = "anna", password: str = PASSWORD) -> Answer:
    answer = await log_in(method, name, password)
    await method.close()
    return answer


async def test_the_directory_says_who_somebody_is(ldap: Ldap) -> None:
    accept = await accepted(ldap, "ANNA")
    assert accept.user_id == "anna"
    assert accept.claims["displayName"] == ("Anna Åkesson",)
    assert accept.claims["dn"] == (f"uid=anna,{PEOPLE}",)


async def test_identifiers_of_windows_are_text(ldap: Ldap) -> None:
    accept = await accepted(ldap, "anna")
    assert accept.claims["objectGUID"] == ("03020100-0504-0706-0809-0a0b0c0d0e0f",)
    assert accept.claims["objectSid"] == ("S-1-5-21-1-2-3-1104",)


@pytest.mark.parametrize("groups", [MEMBER, {"how": "member_of"}])
async def test_groups_in_groups_are_found_once_each_though_they_go_round(slapd: Slapd, groups: object) -> None:
    answer = await once(slapd.method(groups=groups))
    assert isinstance(answer, Accept)
    assert answer.claims["groups"] == ("europe", "sales", "world")


@pytest.mark.parametrize("how", ["member", "member_of"])
async def test_a_depth_of_one_stays_with_the_persons_own_groups(slapd: Slapd, how: str) -> None:
    answer = await once(slapd.method(groups={"how": how, "subtree": GROUPS, "depth": 1}))
    assert isinstance(answer, Accept)
    assert answer.claims["groups"] == ("sales",)


async def test_groups_may_be_called_by_their_whole_names(slapd: Slapd) -> None:
    answer = await once(slapd.method(groups=MEMBER | {"name": "dn", "depth": 1}))
    assert isinstance(answer, Accept)
    assert answer.claims["groups"] == (f"cn=sales,{GROUPS}",)


@pytest.mark.parametrize("how", ["member", "member_of"])
async def test_who_is_in_too_many_groups_is_not_let_in_with_some_of_them(slapd: Slapd, how: str) -> None:
    answer = await once(slapd.method(groups={"how": how, "subtree": GROUPS, "most": 2}))
    assert answer == Refuse(Reason.DENIED, word="ldap_too_many_groups")


async def test_a_name_full_of_special_letters_means_its_owner_alone(ldap: Ldap) -> None:
    assert (await accepted(ldap, ODD)).user_id == ODD


@pytest.mark.parametrize("name", ["*", "ann*", "anna)(uid=*", "anna\\2a", "anna)(|(uid=bob", "(uid=anna)", "\\61nna"])
async def test_no_name_changes_what_is_asked(ldap: Ldap, name: str) -> None:
    assert await log_in(ldap, name) == WRONG


async def test_an_empty_password_is_wrong_and_never_sent(ldap: Ldap) -> None:
    assert await log_in(ldap, "anna", "") == WRONG


async def test_a_name_that_several_people_have_means_none_of_them(
    slapd: Slapd, caplog: pytest.LogCaptureFixture
) -> None:
    assert await once(slapd.method(filter="(mail={name})"), "twin@acme.example") == WRONG
    assert "several entries" in caplog.text


async def test_who_lacks_the_attribute_of_the_user_id_is_not_let_in(slapd: Slapd) -> None:
    answer = await once(slapd.method(user_id="employeeNumber"))
    assert answer == Refuse(Reason.DENIED, word="ldap_no_user_id")


@pytest.mark.parametrize(("name", "known"), [("ACME\\anna", True), ("anna@acme.example", True), ("OTHER\\anna", False)])
async def test_a_typed_domain_must_be_one_of_the_configured(slapd: Slapd, name: str, known: bool) -> None:
    answer = await once(slapd.method(domains=["acme", "ACME.example"]), name)
    assert isinstance(answer, Accept) if known else answer == WRONG


@pytest.mark.parametrize(("name", "word"), [("old", "ldap_password_expired"), ("new", "ldap_must_change_password")])
async def test_what_the_password_policy_says_is_told_after_the_right_password_only(
    ldap: Ldap, name: str, word: str
) -> None:
    assert await log_in(ldap, name, "wrong") == WRONG
    assert await log_in(ldap, name) == Refuse(Reason.DENIED, text=word, word=word)


async def test_a_locked_account_looks_like_a_wrong_password(ldap: Ldap, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "qproxy.auth"):
        answers = [await log_in(ldap, "lo", "wrong") for _ in range(3)] + [await log_in(ldap, "lo")]
    assert answers == [WRONG] * 4
    assert "'lo' is not let in: the account is locked" in caplog.text


async def test_a_name_in_a_pattern_logs_in_without_any_other_account(slapd: Slapd) -> None:
    direct = {"direct": f"uid={{account}},{PEOPLE}", "bind_as": None, "password_file": None}
    assert isinstance(await once(slapd.method(**direct, groups={"how": "member_of", "depth": 1})), Accept)
    assert await once(slapd.method(**direct), "anna", "wrong") == WRONG
    assert await once(slapd.method(**direct), f"anna,{PEOPLE}") == WRONG


async def test_start_tls_is_verified(slapd: Slapd) -> None:
    assert isinstance(await once(slapd.method(servers=[slapd.ldap], start_tls=True)), Accept)


@pytest.mark.parametrize("secured", [{"start_tls": True}, {}])
async def test_a_certificate_of_a_stranger_ends_it_before_any_password(
    slapd: Slapd, secured: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    servers = [slapd.ldap] if secured else [slapd.ldaps]
    answer = await once(slapd.method(servers=servers, ca=None, **secured))
    assert answer == Refuse(Reason.UNAVAILABLE, word="ldap_unavailable")
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


async def test_a_certificate_for_another_name_is_refused(slapd: Slapd, caplog: pytest.LogCaptureFixture) -> None:
    answer = await once(slapd.method(servers=[f"ldaps://127.0.0.1:{slapd.tls}"]))
    assert isinstance(answer, Refuse)
    assert "IP address mismatch" in caplog.text


async def test_a_service_account_that_is_refused_is_named_and_not_tried_again_and_again(
    slapd: Slapd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "secret").write_text("wrong-canary")
    (tmp_path / "secret").chmod(0o600)
    ldap = slapd.method(password_file=str(tmp_path / "secret"))
    answers = [await log_in(ldap, "anna") for _ in range(3)]
    await ldap.close()
    assert answers == [Refuse(Reason.UNAVAILABLE, word="ldap_service_refused")] * 3
    assert caplog.text.count("the directory refuses `bind_as`") == 1
    assert "wrong-canary" not in caplog.text


async def test_when_a_server_dies_the_next_login_goes_to_another_one(slapd: Slapd, tmp_path: Path) -> None:
    with running(tmp_path / "second") as second:
        second_ca = (slapd.ca.read_bytes() + second.ca.read_bytes()).decode()
        (tmp_path / "both.pem").write_text(second_ca)
        ldap = slapd.method(servers=[second.ldaps, slapd.ldaps], ca=str(tmp_path / "both.pem"))
        assert isinstance(await log_in(ldap, "anna"), Accept)
        second.stop()
        assert isinstance(await log_in(ldap, "anna"), Accept)
        await ldap.close()


async def test_connections_are_kept_and_dead_ones_replaced_unnoticed(slapd: Slapd, tmp_path: Path) -> None:
    with running(tmp_path / "own") as own:
        ldap = own.method()
        assert isinstance(await log_in(ldap, "anna"), Accept)
        own.stop()
        own.start()
        assert isinstance(await log_in(ldap, "anna"), Accept)
        await ldap.close()


async def session_of(ldap: Ldap, name: str = "anna", **kept: str) -> Session:
    accept = await accepted(ldap, name)
    tie = replace(accept.tie, kept={**accept.tie.kept, **kept})
    return Session(new_session_id(), "sales", User("ACME", name), Attributes(), 0.0, 0.0, tie=tie)


async def test_an_account_that_still_stands_is_asked_for_again_later(slapd: Slapd) -> None:
    ldap = open_ldap(slapd.login(recheck="15m"), lambda: 1000.0)
    session = await session_of(ldap)
    assert session.tie.check_at == 1900.0
    assert await ldap.recheck(session) == session.tie
    await ldap.close()


@pytest.mark.parametrize("user_id", ["objectGUID", "objectSid"])
async def test_an_account_known_by_an_id_of_windows_still_stands(slapd: Slapd, user_id: str) -> None:
    ldap = open_ldap(slapd.login(recheck="15m", user_id=user_id), lambda: 1000.0)
    session = await session_of(ldap)
    assert session.tie.kept["user_id"].count("-") > 3
    assert await ldap.recheck(session) == session.tie
    await ldap.close()


@pytest.mark.parametrize("kept", [{"dn": f"uid=gone,{PEOPLE}"}, {"user_id": "another"}])
async def test_an_account_that_is_gone_or_somebody_elses_ends_the_session(slapd: Slapd, kept: dict[str, str]) -> None:
    ldap = slapd.method(recheck="15m")
    assert await ldap.recheck(await session_of(ldap, **kept)) is None
    await ldap.close()


async def test_a_disabled_account_ends_the_session(slapd: Slapd) -> None:
    ldap = slapd.method(recheck="15m")
    assert await ldap.recheck(await session_of(ldap, "off")) is None
    await ldap.close()


async def test_without_a_recheck_a_session_is_never_asked_for(ldap: Ldap) -> None:
    session = await session_of(ldap)
    assert (session.tie, await ldap.recheck(session)) == (NO_TIE, NO_TIE)


async def test_a_directory_that_is_away_does_not_end_sessions(slapd: Slapd, tmp_path: Path) -> None:
    with running(tmp_path / "own") as own:
        ldap = own.method(recheck="15m")
        session = await session_of(ldap)
    with pytest.raises(Unavailable):
        await ldap.recheck(session)
    await ldap.close()


async def test_a_base_that_does_not_exist_finds_nobody(slapd: Slapd) -> None:
    assert await once(slapd.method(subtree=f"ou=nowhere,{SUFFIX}")) == WRONG


async def test_a_person_is_found_without_a_password(ldap: Ldap) -> None:
    found = await ldap.find("anna")
    assert found is not None
    assert (found.user_id, found.claims["groups"]) == ("anna", ("europe", "sales", "world"))
    assert await ldap.find("nobody") is None


async def test_without_a_service_account_nobody_is_found_without_a_password(slapd: Slapd) -> None:
    direct = slapd.method(direct=f"uid={{account}},{PEOPLE}", bind_as=None, password_file=None)
    with pytest.raises(Unavailable, match="bind_as"):
        await direct.find("anna")
    await direct.close()
