"""Logging in by a header that a proxy in front sets: who is believed, and what is never mended."""

import ipaddress
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from config_site import SALES, SERVER, ConfigSite

from qproxy.auth import Accept, Answer, LoginRequest, Reason, Refuse
from qproxy.auth.trusted_header import REMEDY, Reading, Trust, TrustedHeader

SECRET, NEXT_SECRET = "the-secret-of-the-proxy-32-letters", "the-next-secret-of-the-proxy-32-letters"
PROXY = ipaddress.ip_network("10.1.0.0/24")
TRUST = Trust((PROXY,), secret_header="x-login-secret", secrets=(SECRET, NEXT_SECRET))
READING = Reading("x-login-user", claims={"email": "x-login-email"}, lists={"groups": "x-login-groups"}, separator=";")
METHOD = TrustedHeader(TRUST, READING)


def sent(*, method: TrustedHeader = METHOD, peer: str = "10.1.0.7", **headers: Any) -> LoginRequest:
    """What the proxy sends: user, secret, ... are x-login-user and so on; a value that is a tuple stands repeatedly."""
    wanted = {"user": "ann", "secret": SECRET} | headers
    fields = {f"x-login-{name}": value if isinstance(value, tuple) else (value,) for name, value in wanted.items()}
    certificate = fields.pop("x-login-certificate", ())
    return LoginRequest("sales", "192.0.2.1", peer=peer, headers=fields, certificate=certificate)


async def outcome(request: LoginRequest, method: TrustedHeader = METHOD) -> Answer | str:
    """The word of a refusal, or the answer."""
    answer = await method.step(request)
    if not isinstance(answer, Refuse):
        return answer
    assert answer.reason is Reason.REJECTED
    return answer.word


async def test_who_the_proxy_names_is_logged_in() -> None:
    assert await outcome(sent()) == Accept("ann", claims={"name": ("ann",), "email": (), "groups": ()})


async def test_further_headers_become_claims_and_lists_are_split() -> None:
    answer = await outcome(sent(email="ann@example.com", groups="Sales; Ärzte ;;Board"))
    assert isinstance(answer, Accept)
    assert answer.claims["email"] == ("ann@example.com",)
    assert answer.claims["groups"] == ("Sales", "Ärzte", "Board")


@pytest.mark.parametrize(
    "peer", ["10.2.0.7", "10.1.1.0", "127.0.0.1", "::1", "", "unix:", "10.1.0.7, 10.2.0.7", "010.1.0.7"]
)
async def test_a_header_from_any_other_address_is_refused(peer: str) -> None:
    assert await outcome(sent(peer=peer)) == "header_wrong_network"


async def test_the_address_is_that_of_the_connection_whatever_is_said_of_it() -> None:
    request = LoginRequest("sales", "10.1.0.7", peer="192.0.2.1", headers=sent().headers)
    assert await outcome(request) == "header_wrong_network"


async def test_an_ipv4_address_within_ipv6_is_that_address() -> None:
    assert isinstance(await outcome(sent(peer="::ffff:10.1.0.7")), Accept)


@pytest.mark.parametrize(
    "secret", ["", "wrong", SECRET[:-1], SECRET + " ", (SECRET, SECRET), (SECRET, "x"), (), "\udcff", "é"]
)
async def test_without_the_secret_shown_once_nobody_is_believed(secret: str | tuple[str, ...]) -> None:
    assert await outcome(sent(secret=secret)) == "header_wrong_secret"


async def test_two_secrets_hold_while_one_replaces_the_other() -> None:
    assert isinstance(await outcome(sent(secret=NEXT_SECRET)), Accept)


async def test_without_secret_and_certificate_not_even_the_right_address_is_believed() -> None:
    method = TrustedHeader(Trust((PROXY,)), READING)
    assert await outcome(sent(), method) == "header_wrong_secret"


async def test_a_certificate_with_the_configured_name_is_as_good_as_a_secret() -> None:
    method = TrustedHeader(Trust((PROXY,), frozenset({"front.internal"})), READING)
    assert isinstance(await outcome(sent(certificate=("other", "front.internal")), method), Accept)
    for names in ((), ("other.internal",), ("a.front.internal",)):
        assert await outcome(sent(certificate=names), method) == "header_wrong_certificate"


async def test_where_both_are_configured_both_are_needed() -> None:
    both = Trust((PROXY,), frozenset({"front.internal"}), "x-login-secret", (SECRET,))
    method = TrustedHeader(both, READING)
    assert await outcome(sent(), method) == "header_wrong_certificate"
    assert await outcome(sent(certificate=("front.internal",), secret="wrong"), method) == "header_wrong_secret"


async def test_a_name_that_stands_twice_is_refused_even_if_it_is_the_same() -> None:
    assert await outcome(sent(user=("ann", "ann"))) == "header_twice"
    assert await outcome(sent(user=("", "ann"))) == "header_twice"
    assert await outcome(sent(groups=("Sales", "Board"))) == "header_twice"
    assert await outcome(sent(groups=("", ""))) == "header_twice"


@pytest.mark.parametrize("user", [(), ""])
async def test_a_proxy_that_names_nobody_logs_nobody_in(user: str | tuple[str, ...]) -> None:
    assert await outcome(sent(user=user)) == "header_missing"


ODD_NAMES = [
    " ann", "ann ", "ann\t", "ann, bob", "ann;bob", "ann\x00", "änn", "an\udcffn", "ann\\bob\\eve", "\\ann",
    "-", "INTERNAL\\\\sa", "a" * 128, "*", "ann=", "<ann>", "ann/..", '"ann"', "%61nn", "(null)", "@example.com",
    "\u202eann",
]  # fmt: skip


@pytest.mark.parametrize("user", ODD_NAMES)
async def test_an_odd_name_is_refused_and_not_mended(user: str) -> None:
    assert await outcome(sent(user=user)) == "header_bad_name"


@pytest.mark.parametrize("user", ["ann", "Ann.O'Brien+bi@example.com", "a-b_c", "Ann Smith", "7", "a" * 127])
async def test_names_as_people_have_them_are_taken_as_they_are(user: str) -> None:
    answer = await outcome(sent(user=user))
    assert isinstance(answer, Accept)
    assert answer.user_id == user


async def test_a_domain_before_the_name_must_be_a_configured_one() -> None:
    method = TrustedHeader(TRUST, Reading("x-login-user", domains=frozenset({"acme"})))
    answer = await outcome(sent(user="ACME\\ann"), method)
    assert isinstance(answer, Accept)
    assert (answer.user_id, answer.claims["domain"]) == ("ann", ("ACME",))
    for user in ("OTHER\\ann", "ann", "acme.evil\\ann"):
        assert await outcome(sent(user=user), method) == "header_wrong_domain"


async def test_a_domain_that_nobody_configured_is_not_just_cut_off() -> None:
    assert await outcome(sent(user="ACME\\ann")) == "header_wrong_domain"


@pytest.mark.parametrize("groups", ["Sales\x7f", "Sales\udcff", "a" * 1025, "Sales;\x01", "a\u2028b"])
async def test_an_odd_claim_refuses_the_login_and_is_not_left_out(groups: str) -> None:
    assert await outcome(sent(groups=groups)) == "header_bad_claim"


async def test_the_log_says_what_to_do_and_never_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await METHOD.step(sent(peer="192.0.2.9"))
        await METHOD.step(sent(secret="guessed-by-somebody"))
    assert "192.0.2.9 is not in networks" in caplog.text
    assert "compare secret_file" in caplog.text
    assert "guessed-by-somebody" not in caplog.text
    assert SECRET not in caplog.text + repr(METHOD._trust)


def test_each_refusal_has_a_remedy_and_stands_in_the_documentation() -> None:
    text = (Path(__file__).parents[1] / "docs" / "errors.md").read_text(encoding="utf-8")
    assert [word for word in REMEDY if f"`{word}`" not in text] == []


# --- the configuration: anything less than address and proof is refused ---

GOOD = {
    "networks": "10.1.0.7",
    "user_header": "X-Login-User",
    "secret_header": "X-Login-Secret",
    "secret_file": "../certs/front.secret",
}


def problems(folder: Path, change: Mapping[str, Any], server: str = SERVER) -> list[str]:
    site = ConfigSite(folder).with_files()
    short = folder / "certs" / "short.secret"
    short.write_text("x" * 31)
    short.chmod(0o600)
    keys = {name: value for name, value in (GOOD | dict(change)).items() if value is not None}
    login = "".join(f"    {name}: {value}\n" for name, value in keys.items())
    text = SALES.replace("anonymous: always", f"login:\n  - method: trusted_header\n{login}")
    return site.write(server, sales=text).problems()


def test_address_and_secret_are_enough(tmp_path: Path) -> None:
    assert problems(tmp_path, {}) == []


NOT_ENOUGH: list[tuple[str, dict[str, Any], str]] = [
    ("no proof", {"secret_header": None, "secret_file": None}, "would believe a header from an address alone"),
    ("no networks", {"networks": None}, "login[0].networks: is missing"),
    ("empty networks", {"networks": "[]"}, "login[0].networks: must not be empty"),
    ("everybody", {"networks": "0.0.0.0/0"}, "login[0].networks: is everybody"),
    ("everybody in halves", {"networks": "['::/1', '8000::/1']"}, "login[0].networks: is everybody"),
    ("secret without a header", {"secret_header": None}, "would believe"),
    ("header without a secret", {"secret_file": None}, "needs secret_header and secret_file together"),
    ("short secret", {"secret_file": "../certs/short.secret"}, "holds less than 32 characters"),
    ("no secret", {"secret_file": "gone.secret"}, "cannot be read"),
    ("underscore", {"user_header": "OIDC_CLAIM_sub"}, "login[0].user_header: must be letters, digits and - only"),
    ("cookie", {"user_header": "Cookie"}, "login[0].user_header: has another meaning"),
    ("authorization", {"user_header": "AUTHORIZATION"}, "has another meaning"),
    ("forwarded", {"user_header": "X-Forwarded-For"}, "has another meaning"),
    ("qliks", {"user_header": "X-Qlik-User"}, "has another meaning"),
    ("our own", {"user_header": "X-Qproxy-Client"}, "has another meaning"),
    ("type", {"claims": "{kind: Content-Type}"}, "has another meaning"),
    ("twice", {"claims": "{email: x-login-user}"}, "uses the header x-login-user twice"),
    ("claim twice", {"claims": "{a: X-A}", "lists": "{a: X-B}"}, "is one of claims too"),
    ("certificate without a CA", {"certificate_names": "front.internal"}, "needs public.client_ca in server.yaml"),
]


@pytest.mark.parametrize(("change", "expected"), [row[1:] for row in NOT_ENOUGH], ids=[row[0] for row in NOT_ENOUGH])
def test_anything_less_is_refused_when_the_configuration_is_read(
    tmp_path: Path, change: dict[str, Any], expected: str
) -> None:
    found = problems(tmp_path, change)
    assert [problem for problem in found if expected in problem], found


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "open.secret"
    secret.write_text("x" * 43)
    secret.chmod(0o644)
    (tmp_path / "site").mkdir()
    assert "chmod 600" in problems(tmp_path / "site", {"secret_file": secret})[0]


def test_a_client_authority_needs_tls_on_the_public_side(tmp_path: Path) -> None:
    server = SERVER.replace("  listen:", "  client_ca: ../certs/root.pem\n  listen:")
    assert "public.client_ca: needs public.tls" in problems(tmp_path, {}, server)[0]
