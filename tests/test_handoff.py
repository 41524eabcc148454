"""Logging in by a token of a portal: each fault has its word, and a good token counts once."""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trustme
from config_site import SALES, ConfigSite
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

from qproxy.auth import Accept, Answer, LoginRequest, Reason, Refuse, Send
from qproxy.auth.handoff import REMEDY, JwtHandoff, Terms
from qproxy.auth.token_keys import TokenKeys
from qproxy.secret_files import SecretError
from qproxy.sessions.memory_notes import MemoryNotes

NOW = 1_800_000_000
PORTAL, AUDIENCE = "https://portal.example.com", "https://bi.example.com/sales"
TERMS = Terms(f"{PORTAL}/qlik", frozenset({PORTAL}), PORTAL, AUDIENCE)
Claims = dict[str, Any]


@cache
def key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048)


@cache
def ec_key() -> ECKey:
    return ECKey.generate_key("P-256")


def claims(**changes: Any) -> Claims:
    """Right ones, but for the changes; None takes one away."""
    right = {"iss": PORTAL, "aud": AUDIENCE, "sub": "ann", "jti": "one", "iat": NOW, "exp": NOW + 60}
    return {name: value for name, value in (right | changes).items() if value is not None}


def token(head: Claims | None = None, by: Any = None, **changes: Any) -> str:
    head = {"alg": "RS256"} | (head or {})
    payload = json.dumps(claims(**changes)).encode()
    registry = jws.JWSRegistry(algorithms=[str(head["alg"])], strict_check_header=False)
    return jws.serialize_compact(head, payload, by or key("portal"), registry=registry)


def public(folder: Path, *names: str) -> list[Path]:
    files = []
    for name in names:
        files.append(folder / f"{name}.pem")
        files[-1].write_bytes(key(name).as_pem(private=False))
    return files


def handoff(keys: TokenKeys) -> JwtHandoff:
    return JwtHandoff(keys, TERMS, MemoryNotes(lambda: NOW), lambda: NOW)


@pytest.fixture
def method(tmp_path: Path) -> JwtHandoff:
    return handoff(TokenKeys.public(public(tmp_path, "portal"), ["RS256"]))


def posted(text: str, origin: tuple[str, ...] = (PORTAL,), **query: str) -> LoginRequest:
    form = {"token": text} if text else {}
    return LoginRequest("sales", "192.0.2.1", form, query, verb="handoff", headers={"origin": origin})


async def outcome(method: JwtHandoff, request: LoginRequest) -> Answer | str:
    answer = await method.step(request)
    return answer.word if isinstance(answer, Refuse) else answer


async def test_who_the_portal_names_is_logged_in(method: JwtHandoff) -> None:
    answer = await method.step(posted(token(groups=["Sales", "Board"], level=3, staff=True, odd={"a": 1})))
    assert isinstance(answer, Accept)
    assert answer.user_id == "ann"
    assert answer.claims["groups"] == ("Sales", "Board")
    assert (answer.claims["level"], answer.claims["staff"], answer.claims["odd"]) == (("3",), ("true",), ())


async def test_who_has_no_token_is_sent_to_the_portal(method: JwtHandoff) -> None:
    async def keep(_: object, __: int) -> str:
        return "a-mark"

    answer = await method.step(LoginRequest("sales", "192.0.2.1", keep=keep))
    assert answer == Send(f"{PORTAL}/qlik?state=a-mark")


async def test_a_token_counts_once(method: JwtHandoff) -> None:
    assert isinstance(await method.step(posted(token())), Accept)
    assert await method.step(posted(token())) == Refuse(Reason.STALE, word="handoff_replayed")
    assert await outcome(method, posted(token(sub="bob"))) == "handoff_replayed"


async def test_a_token_that_was_refused_is_not_used_up(method: JwtHandoff) -> None:
    assert await outcome(method, posted(token(), origin=("https://evil.example.com",))) == "handoff_wrong_origin"
    assert isinstance(await method.step(posted(token())), Accept)


async def test_where_to_go_may_stand_in_the_token(method: JwtHandoff) -> None:
    answer = await method.step(posted(token(target="/sales/sense/app/1")))
    assert isinstance(answer, Accept)
    assert answer.target == "/sales/sense/app/1"


async def test_clocks_may_differ_a_little(method: JwtHandoff) -> None:
    assert isinstance(await method.step(posted(token(jti="a", iat=NOW + 9, exp=NOW + 60))), Accept)
    assert isinstance(await method.step(posted(token(jti="b", iat=NOW - 60, exp=NOW - 9))), Accept)
    assert isinstance(await method.step(posted(token(jti="c", aud=["other", AUDIENCE], nbf=NOW + 9))), Accept)


def b64(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned() -> str:
    return f"{b64({'alg': 'none'})}.{b64(claims())}."


def confused() -> str:
    """HS256 with the public key, which everybody has, as the secret."""
    body = f"{b64({'alg': 'HS256'})}.{b64(claims())}"
    secret = key("portal").as_pem(private=False)
    return f"{body}.{b64(hmac.digest(secret, body.encode(), hashlib.sha256))}"


def with_own_key() -> str:
    """Signed by somebody, whose key the head brings along."""
    return token({"jwk": key("evil").as_dict(private=False), "jku": "https://evil.example.com/jwks"}, key("evil"))


def signed(payload: bytes) -> str:
    return jws.serialize_compact({"alg": "RS256"}, payload, key("portal"))


def tampered() -> str:
    head, _, signature = token().split(".")
    return f"{head}.{b64(claims(sub='bob'))}.{signature}"


FAULTS: dict[str, tuple[Callable[[], str], str]] = {
    "nothing": (lambda: "", "not_posted"),
    "no token": (lambda: "ann", "malformed"),
    "two parts": (lambda: ".".join(token().split(".")[:2]), "malformed"),
    "four parts": (lambda: f"{token()}.x", "malformed"),
    "five parts": (lambda: "a.b.c.d.e", "malformed"),
    "no base64": (lambda: f"%%.{token().partition('.')[2]}", "malformed"),
    "no JSON": (lambda: f"{b64(b'alg')}.{token().partition('.')[2]}", "malformed"),
    "a list for a head": (lambda: f"{b64([1])}.{token().partition('.')[2]}", "malformed"),
    "a deep head": (lambda: f"{b64(b'[' * 6000)}.{token().partition('.')[2]}", "malformed"),
    "oversize": (lambda: token(groups=["x" * 16384]), "malformed"),
    "not ASCII": (lambda: f"{token()}é", "malformed"),
    "surrogate": (lambda: f"{token()}\udcff", "malformed"),
    "crit": (lambda: f"{b64({'alg': 'RS256', 'crit': ['x'], 'x': 1})}.{token().partition('.')[2]}", "malformed"),
    "kid that is no text": (lambda: f"{b64({'alg': 'RS256', 'kid': 1})}.{token().partition('.')[2]}", "malformed"),
    "alg none": (unsigned, "wrong_algorithm"),
    "alg None": (lambda: unsigned().replace(b64({"alg": "none"}), b64({"alg": "nOnE"})), "wrong_algorithm"),
    "no alg": (lambda: f"{b64({'typ': 'JWT'})}.{token().partition('.')[2]}", "wrong_algorithm"),
    "alg confusion": (confused, "wrong_algorithm"),
    "an algorithm that is not allowed": (lambda: token({"alg": "PS256"}), "wrong_algorithm"),
    "alg a list": (lambda: f"{b64({'alg': ['RS256']})}.{token().partition('.')[2]}", "wrong_algorithm"),
    "another key": (lambda: token(by=key("evil")), "wrong_signature"),
    "a key in the head": (with_own_key, "wrong_signature"),
    "tampered": (tampered, "wrong_signature"),
    "a signed list": (lambda: signed(b"[1]"), "malformed"),
    "signed noise": (lambda: signed(b"\xff"), "malformed"),
    "no signature": (lambda: f"{token().rpartition('.')[0]}.", "wrong_signature"),
    "cut signature": (lambda: token()[:-4], "wrong_signature"),
    "wrong iss": (lambda: token(iss="https://evil.example.com"), "wrong_issuer"),
    "iss with a slash": (lambda: token(iss=f"{PORTAL}/"), "wrong_issuer"),
    "no iss": (lambda: token(iss=None), "wrong_issuer"),
    "iss a list": (lambda: token(iss=[PORTAL]), "wrong_issuer"),
    "wrong aud": (lambda: token(aud="https://bi.example.com/finance"), "wrong_audience"),
    "no aud": (lambda: token(aud=None), "wrong_audience"),
    "aud a list of others": (lambda: token(aud=["a", "b"]), "wrong_audience"),
    "aud that only begins so": (lambda: token(aud=f"{AUDIENCE}-evil"), "wrong_audience"),
    "no sub": (lambda: token(sub=None), "missing_claim"),
    "blank sub": (lambda: token(sub=" "), "missing_claim"),
    "sub a number": (lambda: token(sub=7), "missing_claim"),
    "sub of two lines": (lambda: token(sub="ann\nbob"), "missing_claim"),
    "long sub": (lambda: token(sub="a" * 256), "missing_claim"),
    "no jti": (lambda: token(jti=None), "missing_claim"),
    "empty jti": (lambda: token(jti=""), "missing_claim"),
    "long jti": (lambda: token(jti="a" * 256), "missing_claim"),
    "no exp": (lambda: token(exp=None), "missing_claim"),
    "no iat": (lambda: token(iat=None), "missing_claim"),
    "exp a text": (lambda: token(exp=str(NOW + 60)), "missing_claim"),
    "exp true": (lambda: token(exp=True), "missing_claim"),
    "exp without end": (lambda: token(exp=float("inf")), "missing_claim"),
    "exp no number": (lambda: token(exp=float("nan")), "missing_claim"),
    "a huge exp": (lambda: token(exp=10**400), "missing_claim"),
    "lives too long": (lambda: token(exp=NOW + 61), "too_long"),
    "lives too long already": (lambda: token(iat=NOW - 3600), "too_long"),
    "expired": (lambda: token(iat=NOW - 70, exp=NOW - 10), "expired"),
    "made in the future": (lambda: token(iat=NOW + 11, exp=NOW + 61), "not_yet"),
    "not yet valid": (lambda: token(nbf=NOW + 11), "not_yet"),
    "nbf a text": (lambda: token(nbf="later"), "missing_claim"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "word"), FAULTS.values(), ids=FAULTS)
async def test_a_token_with_a_fault_is_refused_with_its_own_word(
    method: JwtHandoff, make: Callable[[], str], word: str
) -> None:
    assert await outcome(method, posted(make())) == f"handoff_{word}"


@pytest.mark.parametrize(
    "origin", [(), ("null",), ("https://evil.example.com",), ("http://portal.example.com",), (PORTAL, PORTAL), ("",)]
)
async def test_a_token_from_any_other_page_is_refused(method: JwtHandoff, origin: tuple[str, ...]) -> None:
    assert await outcome(method, posted(token(), origin)) == "handoff_wrong_origin"


async def test_a_token_in_an_address_is_refused_whatever_is_posted(method: JwtHandoff) -> None:
    assert await outcome(method, posted("", token=token())) == "handoff_not_posted"
    assert await outcome(method, posted(token(), token=token())) == "handoff_not_posted"


async def test_two_keys_hold_while_one_replaces_the_other(tmp_path: Path) -> None:
    method = handoff(TokenKeys.public(public(tmp_path, "portal", "next"), ["RS256"]))
    assert isinstance(await method.step(posted(token(jti="a"))), Accept)
    assert isinstance(await method.step(posted(token(by=key("next"), jti="b"))), Accept)
    assert await outcome(method, posted(token(by=key("evil"), jti="c"))) == "handoff_wrong_signature"


def published(folder: Path, *keys: Claims) -> TokenKeys:
    file = folder / "jwks.json"
    file.write_text(json.dumps({"keys": keys}))
    return TokenKeys.published(file, ["RS256", "ES256"])


async def test_in_a_set_of_keys_the_token_says_which(tmp_path: Path) -> None:
    first = key("portal").as_dict(private=False, kid="1", use="sig", alg="RS256")
    method = handoff(published(tmp_path, first, ec_key().as_dict(private=False, kid="2")))
    assert isinstance(await method.step(posted(token({"kid": "1"}, jti="a"))), Accept)
    assert isinstance(await method.step(posted(token({"alg": "ES256", "kid": "2"}, ec_key(), jti="b"))), Accept)
    assert await outcome(method, posted(token(jti="c"))) == "handoff_unknown_key"
    assert await outcome(method, posted(token({"kid": "3"}, jti="c"))) == "handoff_unknown_key"
    assert await outcome(method, posted(token({"kid": "2"}, jti="c"))) == "handoff_unknown_key"
    assert await outcome(method, posted(token({"kid": "1"}, key("evil"), jti="c"))) == "handoff_wrong_signature"


async def test_the_only_key_of_a_set_needs_no_name(tmp_path: Path) -> None:
    method = handoff(published(tmp_path, key("portal").as_dict(private=False, kid="1")))
    assert isinstance(await method.step(posted(token())), Accept)


async def test_a_secret_signs_hs256_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("a" * 43 + "\n")
    file.chmod(0o600)
    method = handoff(TokenKeys.secret([file], ["HS256"]))
    assert isinstance(await method.step(posted(token({"alg": "HS256"}, OctKey.import_key(b"a" * 43)))), Accept)
    other = token({"alg": "HS256"}, OctKey.import_key(b"b" * 43), jti="2")
    assert await outcome(method, posted(other)) == "handoff_wrong_signature"
    assert await outcome(method, posted(token(jti="2"))) == "handoff_wrong_algorithm"


def test_files_without_a_usable_key_are_named(tmp_path: Path) -> None:
    file = tmp_path / "portal.pem"
    for text in ("", "no key", key("portal").as_pem(private=True).decode()):
        file.write_text(text)
        with pytest.raises(SecretError, match=r"portal\.pem holds no public key"):
            TokenKeys.public([file], ["RS256"])
    no_sets = "", "[]", "{}", '{"keys": []}', '{"keys": [1]}', "[" * 9999
    for text in (*no_sets, '{"keys": [{"kty": "oct", "k": "YWFh"}]}'):
        file.write_text(text)
        with pytest.raises(SecretError, match="is no JWK set"):
            TokenKeys.published(file, ["RS256"])


async def test_a_certificate_is_as_good_as_its_public_key(tmp_path: Path) -> None:
    made = trustme.CA().issue_cert("portal.example.com", key_type=trustme.KeyType.RSA)
    made.cert_chain_pems[0].write_to_path(tmp_path / "portal.pem")
    signing = RSAKey.import_key(made.private_key_pem.bytes())
    method = handoff(TokenKeys.public([tmp_path / "portal.pem"], ["RS256"]))
    assert isinstance(await method.step(posted(token(by=signing))), Accept)
    assert await outcome(method, posted(token(jti="two"))) == "handoff_wrong_signature"


def test_a_short_key_is_no_key(tmp_path: Path) -> None:
    short = rsa.generate_private_key(65537, 1024).public_key()
    file = tmp_path / "short.pem"
    file.write_bytes(short.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(SecretError, match="RSA with 2048 bits"):
        TokenKeys.public([file], ["RS256"])
    numbers = short.public_numbers()
    fields = {"kty": "RSA", "n": b64(numbers.n.to_bytes(128)), "e": b64(numbers.e.to_bytes(3))}
    with pytest.raises(SecretError, match="is no JWK set"):
        published(tmp_path, fields)


async def test_further_fields_in_the_head_do_no_harm(method: JwtHandoff) -> None:
    assert isinstance(await method.step(posted(token({"typ": "JWT", "kid": "any", "x-portal": "1"}))), Accept)


async def test_many_groups_find_room(method: JwtHandoff) -> None:
    assert isinstance(await method.step(posted(token(groups=["a group of some people"] * 400))), Accept)


async def test_the_log_says_what_to_do_and_never_the_token(
    method: JwtHandoff, caplog: pytest.LogCaptureFixture
) -> None:
    text = token(aud="other", jti="canary-in-a-token")
    with caplog.at_level(logging.DEBUG):
        answer = await method.step(posted(text))
    assert "aud does not name audience" in caplog.text
    assert [secret for secret in (text, "canary-in-a-token") if secret in caplog.text + repr(answer)] == []


def test_each_refusal_stands_in_the_documentation() -> None:
    text = (Path(__file__).parents[1] / "docs" / "errors.md").read_text(encoding="utf-8")
    assert [word for word in REMEDY if f"`{word}`" not in text] == []


# --- the configuration ---

GOOD = "portal: https://portal.example.com/qlik\n    issuer: i\n    audience: a\n    key_file: ../certs/portal.pub.pem"
CONFIGS: list[tuple[str, str, str]] = [
    (
        "portal: https://portal.example.com/qlik",
        "portal: http://portal.example.com/qlik",
        "must begin with https",
    ),
    ("portal: https://portal.example.com/qlik", "portal: 'https://a@b/'", "without user name"),
    ("key_file: ../certs/portal.pub.pem", "clock_skew: 5", "needs key_file, jwks_file or secret_file"),
    ("key_file: ../certs/portal.pub.pem", "key_file: ../certs/public_key.pem", "holds a private key"),
    ("key_file: ../certs/portal.pub.pem", "key_file: gone.pem", "cannot be read"),
    ("key_file: ../certs/portal.pub.pem", "secret_file: ../certs/front.secret", "must be HS256 with secret_file"),
    ("issuer: i", "algorithms: HS256\n    issuer: i", "HS256 is for a secret that both sides have"),
    ("issuer: i", "algorithms: none\n    issuer: i", "algorithms"),
    ("issuer: i", "algorithms: []\n    issuer: i", "algorithms: must not be empty"),
    ("issuer: i", "jwks_file: a\n    issuer: i", "has key_file and jwks_file: keep one of them"),
    ("issuer: i", "origins: http://portal.example.com\n    issuer: i", "origins[0]: must be https"),
    ("issuer: i\n", "issuer: ''\n", "issuer: must not be empty"),
]


def configured(folder: Path, old: str, new: str) -> ConfigSite:
    site = ConfigSite(folder).with_files()
    login = f"login:\n  - method: jwt_handoff\n    {GOOD.replace(old, new)}"
    return site.write(sales=SALES.replace("anonymous: always", login))


@pytest.mark.parametrize(("old", "new", "expected"), CONFIGS, ids=[row[2] for row in CONFIGS])
def test_what_would_let_others_in_is_refused_when_the_configuration_is_read(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    found = configured(tmp_path, old, new).problems()
    assert [problem for problem in found if expected.replace("origins[0]", "origins") in problem], found


def test_a_long_life_is_worth_a_warning(tmp_path: Path) -> None:
    warnings = configured(tmp_path, "issuer: i", "lifetime: 1h\n    issuer: i").warnings()
    assert [warning for warning in warnings if "lifetime: is long" in warning]


def test_a_public_key_is_enough(tmp_path: Path) -> None:
    assert configured(tmp_path, "", "").problems() == []
