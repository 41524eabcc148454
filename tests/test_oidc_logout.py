"""What an OpenID provider says after the login: logged out, or still there. What cannot be trusted changes nothing."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from a_provider import CLIENT_ID, OTHER_KEY, SmallProvider, method_at, small_provider
from some_sessions import a_session

from qproxy.auth import Call, Reply, Unavailable
from qproxy.auth.oidc import OpenIdConnect, Wishes
from qproxy.auth.oidc_errors import AFTERWARDS
from qproxy.auth.oidc_logout import EVENT, LONGEST_HINT
from qproxy.model import Session, Tie

HERE = "https://bi.example.com/qproxy/login/sales/oidc"
BACK = "https://bi.example.com/qproxy/logout/sales/done"


@pytest.fixture
async def provider() -> AsyncIterator[SmallProvider]:
    async with small_provider() as made:
        yield made


@pytest.fixture
async def method(provider: SmallProvider) -> AsyncIterator[OpenIdConnect]:
    async with method_at(provider) as made:
        yield made


def a_login(**kept: str) -> Session:
    tie = Tie(("sid",), {"sub": "ann", "refresh_token": "r1", "id_token": "e.y.j", **kept}, check_at=1.0)
    return replace(a_session(), method="oidc", tie=tie)


async def told(method: OpenIdConnect, token: str) -> Reply:
    return await method.call(Call("backchannel", "POST", HERE, "192.0.2.1", form={"logout_token": token}))


async def framed(method: OpenIdConnect, **query: str) -> Reply:
    return await method.call(Call("frontchannel", "GET", HERE, "192.0.2.1", query=query))


# --- back-channel ---


async def test_a_logout_token_ends_the_session_that_it_names(method: OpenIdConnect, provider: SmallProvider) -> None:
    reply = await told(method, provider.logout_token(sid="s-7", sub="ann"))
    assert (reply.status, reply.word) == (200, "backchannel_logout")
    assert reply.ends == (f"sid {provider.issuer} {CLIENT_ID} s-7",)


async def test_without_a_session_it_ends_all_of_the_person(method: OpenIdConnect, provider: SmallProvider) -> None:
    reply = await told(method, provider.logout_token(sid=None, sub="ann"))
    assert reply.ends == (f"sub {provider.issuer} {CLIENT_ID} ann",)


@pytest.mark.parametrize("typ", ["logout+jwt", "application/logout+jwt", "JWT"])
async def test_providers_old_and_new_are_understood(method: OpenIdConnect, provider: SmallProvider, typ: str) -> None:
    assert (await told(method, provider.logout_token(typ=typ))).status == 200


async def test_a_logout_token_that_comes_twice_is_refused(method: OpenIdConnect, provider: SmallProvider) -> None:
    token = provider.logout_token()
    first, second = await told(method, token), await told(method, token)
    assert (first.status, second.status, second.word, second.ends) == (200, 400, "oidc_logout_replayed", ())


NOW = int(time.time())


BAD_LOGOUT_TOKENS: list[tuple[dict[str, Any], str]] = [
    ({"iss": "https://elsewhere.example"}, "oidc_wrong_issuer"),
    ({"iss": None}, "oidc_no_iss"),
    ({"aud": "another"}, "oidc_wrong_audience"),
    ({"aud": None}, "oidc_no_aud"),
    ({"iat": None}, "oidc_no_iat"),
    ({"iat": NOW + 3600}, "oidc_issued_too_late"),
    ({"iat": NOW - 86400}, "oidc_issued_too_early"),
    ({"exp": None}, "oidc_no_exp"),
    ({"exp": NOW - 3600}, "oidc_expired"),
    ({"jti": None}, "oidc_no_jti"),
    ({"jti": 7}, "oidc_no_jti"),
    ({"events": None}, "oidc_logout_no_event"),
    ({"events": {"http://schemas.example/other": {}}}, "oidc_logout_no_event"),
    ({"events": {EVENT: "yes"}}, "oidc_logout_no_event"),
    ({"events": [EVENT]}, "oidc_logout_no_event"),
    ({"nonce": "n"}, "oidc_logout_nonce"),
    ({"sid": None}, "oidc_logout_nobody"),
    ({"sid": 7}, "oidc_no_sid"),
    ({"sid": None, "sub": ["ann"]}, "oidc_no_sub"),
]


@pytest.mark.parametrize(("claims", "word"), BAD_LOGOUT_TOKENS)
async def test_a_logout_token_with_a_fault_ends_nobody_and_says_which(
    method: OpenIdConnect, provider: SmallProvider, claims: dict[str, Any], word: str
) -> None:
    reply = await told(method, provider.logout_token(**claims))
    assert (reply.status, reply.word, reply.ends) == (400, word, ())
    assert json.loads(reply.body) == {"error": "invalid_request", "error_description": word}


async def test_a_logout_token_of_another_signer_or_kind_ends_nobody(
    method: OpenIdConnect, provider: SmallProvider
) -> None:
    forged = await told(method, provider.logout_token(OTHER_KEY))
    other = await told(method, provider.logout_token(typ="at+jwt"))
    login = await told(method, provider.token({"sub": "ann", "nonce": "n", "sid": "s-1"}))
    nothing = await told(method, "")
    words = ["oidc_bad_signature", "oidc_wrong_type", "oidc_logout_no_event", "oidc_no_logout_token"]
    assert [one.word for one in (forged, other, login, nothing)] == words
    assert {one.status for one in (forged, other, login, nothing)} == {400}


async def test_a_logout_token_in_an_address_is_refused(method: OpenIdConnect, provider: SmallProvider) -> None:
    query = {"logout_token": provider.logout_token()}
    assert (await method.call(Call("backchannel", "GET", HERE, "192.0.2.1", query=query))).status == 400


async def test_a_refused_call_is_in_the_log_without_its_token(
    method: OpenIdConnect, provider: SmallProvider, caplog: pytest.LogCaptureFixture
) -> None:
    token = provider.logout_token(nonce="n")
    await told(method, token)
    assert "backchannel by 192.0.2.1 at oidc refused (oidc_logout_nonce)" in caplog.text
    assert token not in caplog.text


# --- front-channel ---


async def test_a_frame_of_the_provider_ends_the_session_that_it_names(
    method: OpenIdConnect, provider: SmallProvider
) -> None:
    reply = await framed(method, iss=provider.issuer, sid="s-7")
    assert (reply.status, reply.ends) == (200, (f"sid {provider.issuer} {CLIENT_ID} s-7",))
    assert reply.content_type.startswith("text/html")


BAD_FRAMES: list[tuple[dict[str, str], str]] = [
    ({}, "oidc_frontchannel_issuer"),
    ({"sid": "s-7"}, "oidc_frontchannel_issuer"),
    ({"iss": "https://elsewhere.example", "sid": "s-7"}, "oidc_frontchannel_issuer"),
    ({"iss": "ours"}, "oidc_frontchannel_sid"),
    ({"iss": "ours", "sid": ""}, "oidc_frontchannel_sid"),
    ({"iss": "ours", "sid": "x" * 257}, "oidc_frontchannel_sid"),
]


@pytest.mark.parametrize(("query", "word"), BAD_FRAMES)
async def test_a_frame_that_does_not_name_both_ends_nobody(
    method: OpenIdConnect, provider: SmallProvider, query: Mapping[str, str], word: str
) -> None:
    reply = await framed(method, **{name: value.replace("ours", provider.issuer) for name, value in query.items()})
    assert (reply.status, reply.word, reply.ends) == (400, word, ())


def test_every_word_of_what_comes_after_the_login_has_a_test() -> None:
    alone = {"oidc_no_logout_token", "oidc_logout_replayed", "oidc_refreshed_sub"}
    assert {*AFTERWARDS} <= {word for _, word in (*BAD_LOGOUT_TOKENS, *BAD_FRAMES)} | alone


# --- our logout, at the provider ---


async def test_our_logout_goes_to_the_provider_with_a_hint_and_comes_back(
    method: OpenIdConnect, provider: SmallProvider
) -> None:
    provider.more = {"end_session_endpoint": f"{provider.issuer}/end?tenant=1"}
    address = urlsplit(await method.leave(a_login(), f"{BACK}?state=s1"))
    assert address.path == "/end"
    assert parse_qs(address.query) == {
        "tenant": ["1"],
        "id_token_hint": ["e.y.j"],
        "client_id": [CLIENT_ID],
        "post_logout_redirect_uri": [BACK],
        "state": ["s1"],
    }


async def test_a_hint_too_long_for_an_address_is_left_out(method: OpenIdConnect, provider: SmallProvider) -> None:
    provider.more = {"end_session_endpoint": f"{provider.issuer}/end"}
    assert "id_token_hint" not in await method.leave(a_login(id_token="e" * (LONGEST_HINT + 1)), BACK)


async def test_a_provider_without_a_logout_is_not_asked_for_one(method: OpenIdConnect) -> None:
    assert await method.leave(a_login(), BACK) == ""


async def test_a_provider_that_is_away_does_not_hold_up_a_logout(caplog: pytest.LogCaptureFixture) -> None:
    async with small_provider() as gone:
        pass
    async with method_at(gone) as method:
        assert await method.leave(a_login(), BACK) == ""
    assert "oidc_discovery_unreachable" in caplog.text


# --- whether the login still stands ---


async def test_a_refresh_keeps_the_new_tokens_and_leaves_the_rest(
    method: OpenIdConnect, provider: SmallProvider
) -> None:
    login, before = a_login(), time.time()
    tie = await method.recheck(login)
    assert tie is not None
    assert {**tie.kept, "id_token": ""} == {"sub": "ann", "refresh_token": "r2", "id_token": ""}
    assert tie.kept["id_token"].count(".") == 2
    assert tie.kept["id_token"] != login.tie.kept["id_token"]
    assert tie.keys == login.tie.keys
    assert before + 300 <= tie.check_at <= time.time() + 300
    assert provider.forms[0]["refresh_token"] == "r1"


async def test_what_the_configuration_wants_says_when_it_is_asked_next(provider: SmallProvider) -> None:
    async with method_at(provider, Wishes(recheck=60.0)) as method:
        tie = await method.recheck(a_login())
    assert tie is not None
    assert tie.check_at - time.time() < 61


async def test_a_provider_that_rotates_nothing_and_sends_no_id_token_is_fine(
    method: OpenIdConnect, provider: SmallProvider
) -> None:
    provider.answer = lambda: (200, {"access_token": "a2", "token_type": "bearer"})
    tie = await method.recheck(a_login())
    assert tie is not None
    assert tie.kept == a_login().tie.kept


async def test_a_refresh_token_that_is_refused_ends_the_login(
    method: OpenIdConnect, provider: SmallProvider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.answer = lambda: (400, {"error": "invalid_grant"})
    assert await method.recheck(a_login()) is None
    assert "no longer stands (oidc_code_refused)" in caplog.text
    assert "r1" not in caplog.text.split()


@pytest.mark.parametrize(
    ("claims", "word"),
    [
        ({"sub": "bob"}, "oidc_refreshed_sub"),
        ({"sub": None}, "oidc_no_sub"),
        ({"iss": "https://elsewhere.example"}, "oidc_wrong_issuer"),
        ({"aud": "another"}, "oidc_wrong_audience"),
    ],
)
async def test_a_renewed_token_of_another_person_or_maker_ends_the_login(
    method: OpenIdConnect, provider: SmallProvider, claims: dict[str, Any], word: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = provider.renewed()[1]
    provider.answer = lambda: (200, {**content, "id_token": provider.token({"sub": "ann", **claims})})
    assert await method.recheck(a_login()) is None
    assert word in caplog.text


@pytest.mark.parametrize(
    "answer", [(503, {}), (429, {}), (500, {"error": "server_error"}), (401, {"error": "invalid_client"})]
)
async def test_a_provider_in_trouble_is_no_no(
    method: OpenIdConnect, provider: SmallProvider, answer: tuple[int, dict[str, Any]]
) -> None:
    provider.answer = lambda: answer
    with pytest.raises(Unavailable):
        await method.recheck(a_login())


async def test_a_login_without_a_refresh_token_is_not_asked_about_again(method: OpenIdConnect) -> None:
    session = replace(a_session(), tie=Tie(("sid",), {"sub": "ann"}, 5.0))
    assert await method.recheck(session) == Tie(("sid",), {"sub": "ann"}, 0.0)
