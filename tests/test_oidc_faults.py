"""What an OpenID provider, or somebody in its name, can do wrong: each has its own word, a page and a line in the log.

A row is a sentence: what is wrong, how the provider is made to do it, and the word.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from oidc_faults import EC_KEY, KEY, OTHER_KEY, SECRET, FalseProvider, Json, encoded, false_provider, faulty_site
from oidc_faults import signed_by as by

from qproxy.auth.method import Reason
from qproxy.auth.oidc import Wishes
from qproxy.auth.oidc_errors import AFTERWARDS, ENDPOINTS, FAULTS, REASONS, OidcFault
from qproxy.auth.oidc_http import LARGEST_ANSWER
from qproxy.auth.oidc_tokens import Header, verified

Arrange = Callable[[FalseProvider], None]
NOW = 1_800_000_000


@dataclass(frozen=True)
class Row:
    says: str
    arrange: Arrange
    word: str
    wishes: Wishes = field(default_factory=Wishes)
    client: Json = field(default_factory=dict)
    timeout: float = 5.0


def claims(**said: Any) -> Arrange:
    return lambda provider: provider.claims.update(said)


def header(**said: Any) -> Arrange:
    return lambda provider: provider.header.update(said)


def token(**said: Any) -> Arrange:
    return lambda provider: provider.token.update(said)


def userinfo(**said: Any) -> Arrange:
    return lambda provider: provider.userinfo.update(said)


def response(**said: Any) -> Arrange:
    return lambda provider: provider.response.update(said)


def metadata(**said: Any) -> Arrange:
    return lambda provider: provider.metadata.update(said)


def jwks(content: Json) -> Arrange:
    return lambda provider: setattr(provider, "jwks", content)


def signs(make: Callable[[FalseProvider, Json, Json], str]) -> Arrange:
    return lambda provider: setattr(provider, "sign", make)


def answers(endpoint: str, text: str, status: int = 200, kind: str = "application/json") -> Arrange:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text, content_type=kind)

    return lambda provider: provider.endpoints.update({endpoint: handle})


def unsigned(_: FalseProvider, header: Json, claims: Json) -> str:
    parts = [{**header, "alg": "none"}, claims]
    return ".".join([*(encoded(json.dumps(part).encode()) for part in parts), ""])


def public_key_as_secret(_: FalseProvider, header: Json, claims: Json) -> str:
    return by(KEY.as_pem(private=False), {**header, "alg": "HS256"}, claims)


def client_secret_signs(_: FalseProvider, header: Json, claims: Json) -> str:
    return by(SECRET.encode(), {**header, "alg": "HS256"}, claims)


def another_key(_: FalseProvider, header: Json, claims: Json) -> str:
    return by(OTHER_KEY, header, claims)


def key_in_the_header(_: FalseProvider, header: Json, claims: Json) -> str:
    return by(OTHER_KEY, {**header, "jwk": OTHER_KEY.as_dict(private=False)}, claims)


def changed_later(_: FalseProvider, header: Json, claims: Json) -> str:
    head, _payload, signature = by(KEY, header, json.dumps(claims).encode()).split(".")
    return ".".join([head, encoded(json.dumps({**claims, "sub": "id-of-eve"}).encode()), signature])


def with_blanks(_: FalseProvider, header: Json, claims: Json) -> str:
    return " " + by(KEY, header, claims)


def not_a_number(_: FalseProvider, header: Json, claims: Json) -> str:
    return by(KEY, header, json.dumps({**claims, "exp": float("nan")}).encode())


def says_sub_twice(_: FalseProvider, header: Json, claims: Json) -> str:
    return by(KEY, header, json.dumps(claims).replace("{", '{"sub": "id-of-eve", ', 1).encode())


def without_kid(provider: FalseProvider) -> None:
    provider.keys = [KEY, OTHER_KEY]
    provider.header["kid"] = None


def names_another_kind(provider: FalseProvider) -> None:
    provider.keys = [KEY, EC_KEY]
    provider.header["kid"] = "two"


def for_encryption(provider: FalseProvider) -> None:
    provider.jwks = {"keys": [EC_KEY.as_dict(private=False), {**KEY.as_dict(private=False), "use": "enc"}]}


ID_TOKENS = [
    Row("the nonce is of another login", claims(nonce="n-2"), "oidc_wrong_nonce"),
    Row("there is no nonce", claims(nonce=None), "oidc_no_nonce"),
    Row("the token is for another client", claims(aud="somebody"), "oidc_wrong_audience"),
    Row("the token is for nobody", claims(aud=None), "oidc_no_aud"),
    Row("the audience is an object", claims(aud={"qproxy-sales": 1}), "oidc_no_aud"),
    Row("the audience holds a number", claims(aud=["qproxy-sales", 7]), "oidc_no_aud"),
    Row("several clients may use it, and none asked", claims(aud=["qproxy-sales", "b"]), "oidc_no_azp"),
    Row("another client asked for it", claims(azp="somebody"), "oidc_wrong_azp"),
    Row("another issuer made it", claims(iss="https://evil.example"), "oidc_wrong_issuer"),
    Row("the issuer is an object", claims(iss={}), "oidc_no_iss"),
    Row("no issuer made it", claims(iss=None), "oidc_no_iss"),
    Row("it is about nobody", claims(sub=None), "oidc_no_sub"),
    Row("its subject is empty", claims(sub=""), "oidc_no_sub"),
    Row("its subject is a number", claims(sub=7), "oidc_no_sub"),
    Row("its subject is half a letter", claims(sub="\ud800"), "oidc_no_sub"),
    Row("it never expires", claims(exp=None), "oidc_no_exp"),
    Row("its end is a text", claims(exp=str(NOW + 300)), "oidc_no_exp"),
    Row("its end is true", claims(exp=True), "oidc_no_exp"),
    Row("it expired", claims(exp=NOW - 61), "oidc_expired"),
    Row("it says not when it was issued", claims(iat=None), "oidc_no_iat"),
    Row("it was issued in the future", claims(iat=NOW + 120), "oidc_issued_too_late"),
    Row("it was issued an hour ago", claims(iat=NOW - 3600), "oidc_issued_too_early"),
    Row("it is not valid yet", claims(nbf=NOW + 120), "oidc_not_yet_valid"),
    Row("its beginning is a text", claims(nbf="now"), "oidc_not_yet_valid"),
    Row("it belongs to another access token", claims(at_hash="AAAAAAAAAAAAAAAAAAAAAA"), "oidc_wrong_at_hash"),
    Row("max_age was left out on the way", claims(), "oidc_no_auth_time", Wishes(max_age=60)),
    Row("the person logged in long ago", claims(auth_time=NOW - 200), "oidc_login_too_old", Wishes(max_age=60)),
]
SIGNATURES = [
    Row("nobody signed it", signs(unsigned), "oidc_alg_none"),
    Row("the public key is the secret of HS256", signs(public_key_as_secret), "oidc_alg_refused"),
    Row("the client secret signs, unasked", signs(client_secret_signs), "oidc_alg_refused"),
    Row("an algorithm that is not on the list signs", claims(), "oidc_alg_refused", client={"algorithms": ["ES256"]}),
    Row("another key signs under the right kid", signs(another_key), "oidc_bad_signature"),
    Row("it was changed after it was signed", signs(changed_later), "oidc_bad_signature"),
    Row("it brings the key that made it", signs(key_in_the_header), "oidc_bad_signature"),
    Row("the key that made it is for encryption", for_encryption, "oidc_no_such_key"),
    Row("it names no key, and there are many", without_kid, "oidc_no_kid"),
    Row("it names a key of another kind", names_another_kind, "oidc_no_such_key"),
    Row("it names a key that is not there", header(kid="three"), "oidc_no_such_key"),
    Row("its kid is a number", header(kid=1), "oidc_not_a_token"),
    Row("it demands an extension", header(crit=["exp"], exp=1), "oidc_critical_header"),
    Row("its payload is not encoded", header(b64=True), "oidc_critical_header"),
    Row("it is an access token", header(typ="at+jwt"), "oidc_wrong_type"),
    Row("it is a logout token", header(typ="application/logout+JWT"), "oidc_wrong_type"),
    Row("it is encrypted", token(id_token="a.b.c.d.e"), "oidc_encrypted_token"),
    Row("it is a word", token(id_token="word"), "oidc_not_a_token"),
    Row("it is in letters of no alphabet", token(id_token="é.é.é"), "oidc_not_a_token"),
    Row("blanks hide in it", signs(with_blanks), "oidc_not_a_token"),
    Row("it is two dots", token(id_token=".."), "oidc_not_a_token"),
    Row("it is longer than any token", token(id_token="e30." * 30_000 + "e30"), "oidc_not_a_token"),
    Row("a number in it is none", signs(not_a_number), "oidc_not_a_token"),
    Row("it says twice who it is about", signs(says_sub_twice), "oidc_not_a_token"),
]
RESPONSES = [
    Row("another provider answers (mix-up)", response(iss="https://evil.example"), "oidc_response_issuer_wrong"),
    Row("the answer hides who made it", response(iss=None), "oidc_response_issuer_missing"),
    Row("another provider sends an error", response(error="x", iss="https://e.example"), "oidc_response_issuer_wrong"),
    Row("another provider's code comes back", response(code="of-another"), "oidc_code_refused"),
    Row("no code comes back", response(code=None), "oidc_no_code"),
    Row("the code is no text of a code", response(code="a\nb"), "oidc_no_code"),
    Row("the person said no", response(error="access_denied"), "oidc_access_denied"),
    Row("the person is not logged in there", response(error="login_required"), "oidc_login_required"),
    Row("the provider is ill", response(error="server_error"), "oidc_provider_unavailable"),
    Row("the provider refuses what was asked", response(error="invalid_scope"), "oidc_request_refused"),
    Row("an error is no error code", response(error="<script>"), "oidc_request_refused"),
    Row("the state is another one", response(state="AAAA"), "stale"),
    Row("there is no state", response(state=None), "stale"),
]
TOKENS = [
    Row("token_type is missing", token(token_type=None), "oidc_token_type"),
    Row("token_type is another one", token(token_type="mac"), "oidc_token_type"),
    Row("there is no access token", token(access_token=None), "oidc_no_access_token"),
    Row("the access token has a line end", token(access_token="a\r\nHost: b"), "oidc_no_access_token"),
    Row("there is no ID token", token(id_token=None), "oidc_no_id_token"),
    Row("the ID token is a list", token(id_token=[]), "oidc_no_id_token"),
    Row("the secret is wrong", answers("token", '{"error": "invalid_client"}', 401), "oidc_client_refused"),
    Row("the client may not log in", answers("token", '{"error": "unauthorized_client"}', 400), "oidc_client_refused"),
    Row("the secret is wrong, without a word", answers("token", "no", 401), "oidc_client_refused"),
    Row("the request is refused", answers("token", '{"error": "invalid_request"}', 400), "oidc_token_refused"),
    Row("the code was used before", answers("token", '{"error": "invalid_grant"}', 400), "oidc_code_refused"),
]
ASKS = Wishes(userinfo="always")
PEOPLE = [
    Row("userinfo speaks of another person", userinfo(sub="id-of-eve"), "oidc_userinfo_sub", ASKS),
    Row("userinfo speaks of nobody", userinfo(sub=None), "oidc_userinfo_sub", ASKS),
    Row("userinfo is refused", answers("userinfo", "", 401), "oidc_userinfo_refused", ASKS),
    Row("userinfo is signed", answers("userinfo", "e.y.J", 200, "application/jwt"), "oidc_userinfo_not_json", ASKS),
    Row("userinfo is not there", metadata(userinfo_endpoint=None), "oidc_discovery_incomplete", ASKS),
    Row("no claim names the person", claims(), "oidc_no_user_id", Wishes(user_id=["upn"])),
    Row("the person has two names", claims(preferred_username=["ann", "eve"]), "oidc_bad_user_id"),
    Row("the name ends with a blank", claims(preferred_username="ann "), "oidc_bad_user_id"),
    Row("the name is longer than a name", claims(preferred_username="a" * 300), "oidc_bad_user_id"),
    Row("the address has two signs", userinfo(email="a@b@c", email_verified=True), "oidc_bad_user_id",
        Wishes(user_id=["email"])),
    Row("the address is not verified", userinfo(email_verified=False), "oidc_email_not_verified",
        Wishes(user_id=["email"])),
    Row("nobody verified the address", claims(), "oidc_email_not_verified", Wishes(user_id=["email"])),
    Row("a claim that is required is not there", claims(), "oidc_claim_required", Wishes(require={"hd": ["a"]})),
    Row("a claim that is required is another", claims(hd="b"), "oidc_claim_required", Wishes(require={"hd": ["a"]})),
]  # fmt: skip
DESCRIPTIONS = [
    Row("another issuer describes itself", metadata(issuer="https://evil.example"), "oidc_discovery_issuer"),
    Row("nobody describes itself", metadata(issuer=None), "oidc_discovery_issuer"),
    Row("the token endpoint is missing", metadata(token_endpoint=None), "oidc_discovery_incomplete"),
    Row("an endpoint is no address", metadata(jwks_uri="javascript:alert(1)"), "oidc_discovery_incomplete"),
    Row("an endpoint is not encrypted", metadata(token_endpoint="http://a.example/t"), "oidc_discovery_incomplete"),
    Row("an endpoint holds a password", metadata(jwks_uri="https://u:p@a.example/"), "oidc_discovery_incomplete"),
    Row("an endpoint is a number", metadata(jwks_uri=7), "oidc_discovery_incomplete"),
    Row("an endpoint has no port", metadata(jwks_uri="https://a.example:x/"), "oidc_discovery_incomplete"),
    Row("there are no keys", jwks({"keys": []}), "oidc_jwks_empty"),
    Row("the keys are a text", jwks({"keys": "many"}), "oidc_jwks_empty"),
    Row("the only key is a secret", jwks({"keys": [{"kty": "oct", "k": "YQ", "kid": "one"}]}), "oidc_jwks_empty"),
    Row("the only key is broken", jwks({"keys": [7, {"kty": "RSA"}, {"kty": "EC", "crv": 1}]}), "oidc_jwks_empty"),
    Row("the only key is weak", jwks({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}), "oidc_jwks_empty"),
]


def broken(endpoint: str, fault: str) -> Arrange:
    """An endpoint that answers so that nobody can use it."""

    async def unreachable(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def too_large(_: web.Request) -> web.StreamResponse:
        return web.json_response({"filler": "x" * LARGEST_ANSWER})

    async def redirected(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("http://127.0.0.1:9/")

    def arrange(provider: FalseProvider) -> None:
        async def slow(_: web.Request) -> web.StreamResponse:
            await provider.gate.wait()
            return web.Response()

        handlers = {"unreachable": unreachable, "too_large": too_large, "redirected": redirected, "slow": slow}
        if fault in handlers:
            provider.endpoints[endpoint] = handlers[fault]
        elif fault == "tls":  # spoken to a server without it
            name = {"jwks": "jwks_uri"}.get(endpoint, f"{endpoint}_endpoint")
            provider.metadata[name] = provider.origin.replace("http:", "https:")
        else:
            text, status = {"not_json": ("[1]", 200), "failed": ("{}", 500)}[fault]
            answers(endpoint, text, status)(provider)

    return arrange


ENDPOINT_FAULTS = [
    Row(f"{endpoint} is {fault}", broken(endpoint, fault), f"oidc_{endpoint}_{fault}", ASKS,
        timeout=0.2 if fault == "slow" else 5.0)
    for endpoint in ENDPOINTS for fault in FAULTS if (endpoint, fault) != ("discovery", "tls")
]  # fmt: skip
ROWS = [*ID_TOKENS, *SIGNATURES, *RESPONSES, *TOKENS, *PEOPLE, *DESCRIPTIONS, *ENDPOINT_FAULTS]
STATUS = {Reason.UNAVAILABLE: 503}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.says)
async def test_nobody_is_logged_in_when(row: Row, caplog: pytest.LogCaptureFixture) -> None:
    async with false_provider() as provider:
        row.arrange(provider)
        async with faulty_site(provider, row.wishes, row.timeout, **row.client) as faulty:
            page = await faulty.log_in()
            assert (faulty.outcome, faulty.site.desk.sessions) == (row.word, {})
    reason = REASONS.get(row.word, Reason.STALE)
    assert (page.status, row.word in page.text) == (STATUS.get(reason, 403), True)
    assert row.word == "stale" or one_line(caplog, row.word).levelno >= logging.WARNING
    assert [secret for secret in (SECRET, *provider.seen) if secret in caplog.text + page.text] == []


def one_line(caplog: pytest.LogCaptureFixture, word: str) -> logging.LogRecord:
    (found,) = [record for record in caplog.records if f"({word})" in record.getMessage()]
    return found


def test_a_key_verifies_no_other_algorithm_than_the_one_that_was_judged() -> None:
    token = by(KEY, {"alg": "RS256"}, {})
    with pytest.raises(OidcFault) as caught:
        verified(token, Header("PS256", None, ""), [KEY])
    assert caught.value.word == "oidc_bad_signature"


async def test_discovery_over_tls_that_is_none_is_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    async with false_provider() as provider:
        issuer = provider.issuer.replace("http:", "https:")
        async with faulty_site(provider, issuer=issuer) as faulty:
            assert (await faulty.log_in()).status == 503
    assert "is `ca` the authority" in one_line(caplog, "oidc_discovery_tls").getMessage()


def test_every_word_has_a_row() -> None:
    assert set(REASONS) - {row.word for row in ROWS} - {*AFTERWARDS} == {"oidc_discovery_tls"}


async def test_a_code_of_another_login_does_not_fit_its_verifier() -> None:
    async with false_provider() as provider, faulty_site(provider) as faulty:
        browser = faulty.site.browser()
        first, second = [provider.back((await browser.get("/qproxy/login/sales")).location) for _ in range(2)]
        state = first.partition("&state=")[2]
        await browser.get(f"{second.partition('&state=')[0]}&state={state}")
        assert faulty.outcome == "oidc_code_refused"


@pytest.mark.parametrize("name", ["code", "state", "iss"])
async def test_a_parameter_that_stands_twice_is_refused(name: str) -> None:
    async with false_provider() as provider, faulty_site(provider) as faulty:
        browser = faulty.site.browser()
        back = provider.back((await browser.get("/qproxy/login/sales")).location)
        await browser.get(f"{back}&{name}=another")
        assert (faulty.outcome, provider.asked["token"]) == ("login_parameter_twice", 0)


async def test_what_came_back_does_not_come_back_again() -> None:
    async with false_provider() as provider, faulty_site(provider) as faulty:
        browser = faulty.site.browser()
        back = provider.back((await browser.get("/qproxy/login/sales")).location)
        assert (await browser.get(back)).status == 303
        browser.cookies = {name: value for name, value in browser.cookies.items() if "login" in name}
        assert (await browser.get(back)).status == 403
        assert (faulty.outcome, provider.asked["token"]) == ("stale", 1)


async def test_a_provider_that_hangs_holds_up_nobody_but_its_own(caplog: pytest.LogCaptureFixture) -> None:
    async with false_provider() as provider:
        broken("discovery", "slow")(provider)
        async with faulty_site(provider, timeout=0.2) as faulty:
            pages = await asyncio.gather(*(faulty.log_in() for _ in range(10)))
        assert ({page.status for page in pages}, provider.asked["discovery"]) == ({503}, 1)
