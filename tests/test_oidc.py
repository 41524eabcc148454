"""Logging in at an OpenID provider that does right: what is asked of it, what it tells of the person, what is kept."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from oidc_faults import CLIENT, EC_KEY, KEY, OTHER_KEY, SECRET, FalseProvider, Json, false_provider, faulty_site
from oidc_faults import signed_by as by

from qproxy.auth.method import Accept, LoginRequest, Send
from qproxy.auth.oidc import LONGEST_KEPT, Wishes
from qproxy.auth.oidc_claims import MOST_VALUES, flattened
from qproxy.auth.oidc_client import BasicSecret, NoProof, PostedSecret
from qproxy.auth.oidc_provider import FRESH, PAUSE, RETRY, STALE

HERE = "http://bi.example.com/qproxy/login/sales/oidc"


async def accepted(provider: FalseProvider, wishes: Wishes | None = None, **client: Any) -> Accept:
    """What the method itself says of a whole login."""
    kept: dict[str, str] = {}

    async def keep(what: Mapping[str, str], _: int) -> str:
        kept.update(what)
        return "a-state"

    async with faulty_site(provider, wishes, **client) as faulty:
        away = await faulty.method.step(LoginRequest("sales", "192.0.2.1", here=HERE, keep=keep))
        assert isinstance(away, Send)
        back = dict(parse_qsl(urlsplit(provider.back(away.url)).query))
        request = LoginRequest("sales", "192.0.2.1", query=back, verb="callback", kept=kept, here=HERE)
        answer = await faulty.method.step(request)
    assert isinstance(answer, Accept), answer
    return answer


# --- what is asked ---


async def test_the_browser_takes_along_what_the_flow_needs_and_no_secret() -> None:
    async with false_provider() as provider:
        await accepted(provider, Wishes(parameters={"hd": "acme.example"}, scopes=("openid", "groups")))
        (asked,) = provider.redeemed
    assert asked.pop("code_challenge")
    assert asked.pop("nonce")
    assert asked == {
        "hd": "acme.example",
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": f"{HERE}/callback",
        "scope": "openid groups",
        "state": "a-state",
        "code_challenge_method": "S256",
    }


async def test_an_endpoint_with_a_query_keeps_it() -> None:
    async with false_provider() as provider, faulty_site(provider) as faulty:
        provider.metadata["authorization_endpoint"] = f"{provider.origin}/authorize?tenant=7"
        away = await faulty.site.browser().get("/qproxy/login/sales")
    assert "/authorize?tenant=7&response_type=code&" in away.location


@pytest.mark.parametrize("hint", ["a" * 300, "a\nb", ""])
async def test_an_odd_hint_is_not_passed_on(hint: str) -> None:
    async with false_provider() as provider, faulty_site(provider) as faulty:
        request = LoginRequest("sales", "192.0.2.1", query={"login_hint": hint}, here=HERE)
        away = await faulty.method.step(request)
    assert isinstance(away, Send)
    assert "login_hint" not in away.url


async def test_every_login_has_its_own_nonce_and_verifier() -> None:
    async with false_provider() as provider:
        for _ in range(3):
            await accepted(provider)
        assert [len({asked[name] for asked in provider.redeemed}) for name in ("nonce", "code_challenge")] == [3, 3]


PROOFS = {"basic": BasicSecret("a%b:c +ö"), "posted": PostedSecret("a%b:c +ö"), "none": NoProof()}


@pytest.mark.parametrize("proof", PROOFS)
async def test_the_client_proves_itself_where_and_only_where_it_should(proof: str) -> None:
    seen: Json = {}

    async def redeem(request: web.Request) -> web.StreamResponse:
        seen.update({"header": request.headers.get("Authorization"), **await request.post()})
        return await provider.redeem(request)

    async with false_provider() as provider:
        provider.endpoints["token"] = redeem
        await accepted(provider, proof=PROOFS[proof])
    shown = (seen["header"], seen.get("client_id"), seen.get("client_secret"))
    assert (
        shown
        == {
            "basic": ("Basic cXByb3h5LXNhbGVzOmElMjViJTNBYyslMkIlQzMlQjY=", None, None),
            "posted": (None, CLIENT, "a%b:c +ö"),
            "none": (None, CLIENT, None),
        }[proof]
    )


# --- keys ---

SIGNERS: dict[str, Key] = {
    "PS256": KEY,
    "RS512": KEY,
    "ES256": EC_KEY,
    "ES384": ECKey.generate_key("P-384", parameters={"kid": "three"}),
    "Ed25519": OKPKey.generate_key("Ed25519", parameters={"kid": "four"}),
    "EdDSA": OKPKey.generate_key("Ed25519", parameters={"kid": "five"}),
}


@pytest.mark.parametrize("alg", SIGNERS)
async def test_a_token_may_be_signed_in_each_of_the_usual_ways(alg: str) -> None:
    async with false_provider() as provider:
        key = RSAKey.import_key(KEY.as_dict(private=True) | {"alg": alg}) if SIGNERS[alg] is KEY else SIGNERS[alg]
        provider.key, provider.keys = key, [OTHER_KEY, EC_KEY, key] if key is not EC_KEY else [EC_KEY]
        provider.header |= {"alg": alg, "kid": key.kid}
        provider.claims["at_hash"] = None
        assert (await accepted(provider)).user_id == "ann"


async def test_a_token_without_kid_is_taken_while_one_key_fits() -> None:
    async with false_provider() as provider:
        provider.keys, provider.header["kid"] = [EC_KEY, KEY], None
        assert (await accepted(provider)).user_id == "ann"


async def test_the_client_secret_signs_where_the_configuration_says_so() -> None:
    async with false_provider() as provider:
        provider.sign = lambda _, header, claims: by(SECRET.encode(), {**header, "alg": "HS256"}, claims)
        assert (await accepted(provider, algorithms=["HS256"], secret=SECRET)).user_id == "ann"
        assert provider.asked["jwks"] == 0


async def test_description_and_keys_are_asked_for_once_by_many_logins_at_once() -> None:
    async with false_provider() as provider, faulty_site(provider) as faulty:
        pages = await asyncio.gather(*(faulty.log_in() for _ in range(20)))
    assert [page.status for page in pages] == [303] * 20
    assert provider.asked == {"discovery": 1, "jwks": 1, "token": 20}


async def test_they_are_asked_for_again_after_an_hour() -> None:
    async with false_provider() as provider, faulty_site(provider) as faulty:
        for _ in range(2):
            await faulty.log_in()
            provider.clock.now += FRESH
    assert (provider.asked["discovery"], provider.asked["jwks"]) == (2, 2)


async def test_a_new_key_is_found_when_it_is_first_used() -> None:
    async with false_provider() as provider, faulty_site(provider) as faulty:
        await faulty.log_in()
        provider.keys, provider.key, provider.header = [EC_KEY], EC_KEY, {"alg": "ES256", "kid": "two"}
        assert (await faulty.log_in()).status == 303
    assert provider.asked["jwks"] == 2


async def test_a_key_that_was_taken_away_is_not_believed_for_longer_than_an_hour() -> None:
    async with false_provider() as provider, faulty_site(provider) as faulty:
        await faulty.log_in()
        provider.keys = [EC_KEY]
        provider.clock.now += FRESH
        await faulty.log_in()
    assert faulty.outcome == "oidc_no_such_key"


async def test_unknown_keys_make_us_ask_at_most_once_a_minute() -> None:
    async with false_provider() as provider, faulty_site(provider) as faulty:
        provider.header["kid"] = "unknown"
        for _ in range(5):
            await faulty.log_in()
        asked = provider.asked["jwks"]
        provider.clock.now += PAUSE
        await faulty.log_in()
    assert (asked, provider.asked["jwks"]) == (2, 3)


async def ill(_: web.Request) -> web.StreamResponse:
    return web.Response(status=500)


async def test_while_the_provider_describes_nothing_new_the_last_description_serves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with false_provider() as provider, faulty_site(provider) as faulty:
        await faulty.log_in()
        provider.endpoints |= {"discovery": ill, "jwks": ill}
        provider.clock.now += FRESH
        served = (await faulty.log_in()).status
        provider.clock.now += STALE
        over = (await faulty.log_in()).status
    assert (served, over) == (303, 503)
    assert "the last one serves on" in caplog.text


async def test_a_provider_that_comes_up_is_asked_again_after_a_moment() -> None:
    async with false_provider() as provider, faulty_site(provider) as faulty:
        provider.endpoints["discovery"] = ill
        statuses = [(await faulty.log_in()).status for _ in range(3)]
        asked = provider.asked["discovery"]
        del provider.endpoints["discovery"]
        provider.clock.now += RETRY
        statuses.append((await faulty.log_in()).status)
    assert (statuses, asked) == ([503, 503, 503, 303], 1)


# --- who it is ---


async def test_the_id_token_alone_is_enough_when_it_says_who_it_is() -> None:
    async with false_provider() as provider:
        assert (await accepted(provider)).user_id == "ann"
        assert provider.asked["userinfo"] == 0


async def test_userinfo_is_asked_when_the_id_token_lacks_a_claim_that_is_wanted() -> None:
    async with false_provider() as provider:
        answer = await accepted(provider, Wishes(claims=["email"]))
    assert (answer.claims["email"], answer.claims["preferred_username"]) == (("ann@acme.example",), ("ann",))


async def test_what_the_id_token_says_counts_more_than_userinfo() -> None:
    async with false_provider() as provider:
        provider.userinfo["preferred_username"] = "eve"
        assert (await accepted(provider, Wishes(userinfo="always"))).user_id == "ann"


async def test_userinfo_is_not_asked_where_there_is_none() -> None:
    async with false_provider() as provider:
        provider.metadata["userinfo_endpoint"] = None
        provider.claims["preferred_username"] = None
        assert (await accepted(provider)).user_id == "id-of-ann"


async def test_the_address_names_the_person_where_it_is_verified() -> None:
    async with false_provider() as provider:
        provider.userinfo["email_verified"] = True
        assert (await accepted(provider, Wishes(user_id=["email"]))).user_id == "ann@acme.example"


async def test_a_required_claim_lets_in_who_has_one_of_its_values() -> None:
    async with false_provider() as provider:
        provider.claims["groups"] = ["IT", "sales"]
        assert (await accepted(provider, Wishes(require={"groups": ["sales", "finance"]}))).user_id == "ann"


async def test_a_claim_that_the_provider_left_out_for_its_size_is_told_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with false_provider() as provider:
        provider.claims["_claim_names"] = {"groups": "src1"}
        await accepted(provider)
    assert [record.levelno for record in caplog.records if "left out groups" in record.getMessage()] == [
        logging.WARNING
    ]


def test_claims_are_names_with_texts_nested_ones_with_dots() -> None:
    said = {
        "sub": "7",
        "aud": "of the protocol",
        "groups": ["b", "a"],
        "realm_access": {"roles": ["x"], "aud": "kept"},
        "verified": True,
        "level": 3,
        "gone": None,
        "list": [["no"], {"deep": "yes"}],
    }
    assert flattened(said) == (
        {
            "sub": ("7",),
            "groups": ("b", "a"),
            "realm_access.roles": ("x",),
            "realm_access.aud": ("kept",),
            "verified": ("true",),
            "level": ("3",),
            "list.deep": ("yes",),
        },
        (),
    )


@pytest.mark.parametrize(
    ("value", "cut"),
    [("a" * 1025, True), ("two\nlines", True), ("\ud800", True), ("a" * 1024, False), ({"a": {"b": "c"}}, False)],
)
def test_what_is_too_long_or_no_line_is_left_out_and_named(value: object, cut: bool) -> None:
    assert flattened({"odd": value})[1] == (("odd",) if cut else ())


def test_there_are_no_more_values_than_there_is_room() -> None:
    claims, cut = flattened({"groups": [f"g{number}" for number in range(MOST_VALUES + 5)], "later": "x"})
    assert (len(claims["groups"]), cut) == (MOST_VALUES, ("groups", "later"))


async def test_what_was_left_out_of_the_claims_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with false_provider() as provider:
        provider.claims["photo"] = "A" * 2000
        await accepted(provider)
    assert "photo" in caplog.text


# --- what the session keeps ---


async def test_the_session_hangs_on_the_providers_session_and_person() -> None:
    async with false_provider() as provider:
        tie = (await accepted(provider)).tie
    client = f"{provider.issuer} {CLIENT}"
    assert set(tie.keys) == {f"sid {client} s-1", f"sub {client} id-of-ann"}
    assert (tie.kept["id_token"], tie.kept["sub"]) == (provider.seen[-1], "id-of-ann")
    assert tie.check_at == 0


async def test_with_a_refresh_token_the_provider_is_asked_again_when_the_access_token_ends() -> None:
    async with false_provider() as provider:
        provider.token |= {"refresh_token": "refresh-1", "expires_in": 120}
        tie = (await accepted(provider)).tie
    assert (tie.kept["refresh_token"], tie.check_at) == ("refresh-1", provider.clock() + 120)


@pytest.mark.parametrize("lasting", [None, "soon", True, -1, 1e12])
async def test_without_a_sensible_time_it_is_asked_again_in_an_hour(lasting: object) -> None:
    async with false_provider() as provider:
        provider.token |= {"refresh_token": "refresh-1", "expires_in": lasting}
        assert (await accepted(provider)).tie.check_at == provider.clock() + 3600


async def test_an_id_token_as_long_as_a_book_is_not_kept() -> None:
    async with false_provider() as provider:
        provider.claims["groups"] = ["x" * 100] * (LONGEST_KEPT // 100)
        assert "id_token" not in (await accepted(provider)).tie.kept
