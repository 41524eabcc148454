"""The keys of an OpenID Connect login: what is refused, in which words, and what is made of the rest."""

import os
import re
from pathlib import Path

import pytest
import yaml
from config_site import SALES, SERVER, ConfigSite
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from qproxy.auth.oidc_client import BasicSecret, NoProof, PostedSecret, SignedAssertion
from qproxy.auth.oidc_errors import REASONS
from qproxy.auth.oidc_opening import oidc_client
from qproxy.config import OidcLogin
from qproxy.config.oidc_words import check_issuer
from qproxy.secret_files import SecretError
from qproxy.signing_keys import SigningKey, read_signing_key

ERRORS = (Path(__file__).resolve().parent.parent / "docs/errors.md").read_text(encoding="utf-8")
GOOD = {"method": "oidc", "issuer": "https://id.example.com/realms/acme", "client_id": "qproxy"}
SECRET = {"client_secret_file": "../certs/oidc.secret"}


@pytest.fixture
def site(tmp_path: Path) -> ConfigSite:
    return ConfigSite(tmp_path).with_files()


def written(site: ConfigSite, **keys: object) -> ConfigSite:
    login = {key: value for key, value in {**GOOD, **SECRET, **keys}.items() if value is not None}
    return site.write(SERVER, sales=SALES + yaml.safe_dump({"login": [login]}))


def test_the_smallest_one_loads(site: ConfigSite) -> None:
    assert written(site).problems() == []


@pytest.mark.parametrize("word", REASONS)
def test_every_word_is_explained(word: str) -> None:
    assert re.search(rf"^### .*`{word}`", ERRORS, re.MULTILINE)


WRONG: dict[str, tuple[dict[str, object], str]] = {
    "http": ({"issuer": "http://id.example.com"}, "issuer: must begin with https:// (http:// is taken for this"),
    "another scheme": ({"issuer": "ldap://id.example.com"}, "issuer: must begin with https://"),
    "no host": ({"issuer": "https:///x"}, "issuer: must be an address without user name"),
    "no port": ({"issuer": "https://a.example:b"}, "issuer: is no address"),
    "a blank": ({"issuer": "https://a.example/a b"}, "issuer: must be an address in ASCII without blanks"),
    "a user": ({"issuer": "https://u:pw@a.example"}, "issuer: must be an address without user name"),
    "the document": (
        {"issuer": "https://a.example/.well-known/openid-configuration"},
        "issuer: must end before /.well-known",
    ),
    "a template": ({"issuer": "https://a.example/{tenantid}/v2.0"}, "issuer: must name one tenant"),
    "no openid": ({"scopes": ["profile"]}, "scopes: must hold openid"),
    "a scope with a blank": ({"scopes": ["openid", "a b"]}, "scopes: must be scopes of printable ASCII"),
    "our parameter": ({"parameters": {"State": "x"}}, "parameters: must leave State to qproxy"),
    "an empty parameter": ({"parameters": {"prompt": " "}}, "parameters: must not be empty"),
    "an unknown algorithm": ({"algorithms": ["none"]}, "algorithms[0]: must be "),
    "secret and public keys": ({"algorithms": ["HS256", "RS256"]}, "must be HS algorithms alone"),
    "no name": ({"user_id": []}, "user_id: must not be empty"),
    "clocks that differ by hours": ({"clock_skew": "1h"}, "clock_skew: must be at most 300"),
    "a secret that is not there": ({"client_secret_file": "nowhere"}, "client_secret_file: "),
    "no secret": ({"client_secret_file": None, "client_auth": "client_secret_post"}, "client_secret_file: is missing"),
    "a secret in vain": ({"client_auth": "none"}, "client_secret_file: is not used with client_auth none"),
    "two proofs": ({"private_key": "../certs/oidc_key.pem"}, "keep the one that the provider knows"),
    "no key": (
        {"client_secret_file": None, "client_auth": "private_key_jwt"},
        "private_key: is missing with client_auth private_key_jwt",
    ),
    "a key's name alone": ({"private_key_id": "one"}, "private_key_id: names a private_key that is not given"),
    "a key that is none": (
        {"client_secret_file": None, "private_key": "../certs/oidc.secret"},
        "oidc.secret is not a private key as PEM without a password",
    ),
    "an authority that is none": ({"ca": "../certs/oidc.secret"}, "oidc.secret is no certificate as PEM"),
    "an authority that is not there": ({"ca": "nowhere"}, "nowhere cannot be read"),
    "a proxy without a port": ({"proxy": "http://a.example"}, "proxy: must be http://host:port"),
    "a proxy with a password": ({"proxy": "http://u:p@a.example:3128"}, "proxy: must be http://host:port"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_work_is_said_with_its_key(site: ConfigSite, what: str) -> None:
    keys, problem = WRONG[what]
    found = written(site, **keys).problems()
    assert [one for one in found if problem in one], found


@pytest.mark.parametrize("content", ["", "two\nlines"])
def test_a_secret_file_holds_the_secret_alone(site: ConfigSite, content: str) -> None:
    (site.root / "certs/oidc.secret").write_text(content)
    assert "must hold the secret alone" in written(site).problems()[0]


def test_a_short_secret_signs_nothing(site: ConfigSite) -> None:
    (site.root / "certs/oidc.secret").write_text("short")
    assert "too weak to sign ID tokens with" in written(site, algorithms=["HS256"]).problems()[0]


@pytest.mark.skipif(os.name == "nt", reason="file modes are not Windows' rights")
def test_a_secret_that_others_can_read_is_refused(site: ConfigSite) -> None:
    (site.root / "certs/oidc.secret").chmod(0o644)
    assert "is open to others than its owner" in written(site).problems()[0]


def test_without_the_extra_the_problem_says_how_to_get_it(site: ConfigSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qproxy.config.oidc_rules.find_spec", lambda _: None)
    assert "pip install 'qproxy[oidc]'" in written(site).problems()[0]


def test_an_address_without_the_scope_for_it_is_a_warning(site: ConfigSite) -> None:
    warnings = written(site, user_id=["email"], scopes=["openid"]).warnings()
    assert [one for one in warnings if "scopes: lack email" in one]


@pytest.mark.parametrize("issuer", ["http://localhost:9/x", "http://127.0.0.1", "https://[::1]/", "https://a.example/"])
def test_an_issuer_stays_as_it_is_written(issuer: str) -> None:
    assert check_issuer(issuer) == issuer


PROOFS: dict[str, tuple[dict[str, object], type]] = {
    "a secret": ({}, BasicSecret),
    "a secret in the body": ({"client_auth": "client_secret_post"}, PostedSecret),
    "nothing": ({"client_secret_file": None}, NoProof),
    "a key": ({"client_secret_file": None, "private_key": "../certs/oidc_key.pem"}, SignedAssertion),
}


@pytest.mark.parametrize("given", PROOFS)
def test_what_is_given_says_how_the_client_proves_itself(site: ConfigSite, given: str) -> None:
    keys, kind = PROOFS[given]
    (login,) = written(site, **keys).load().virtual_proxies[0].login
    assert isinstance(login, OidcLogin)
    assert isinstance(oidc_client(login).proof, kind)


def test_the_certificate_names_the_key(site: ConfigSite) -> None:
    keys = {"client_secret_file": None, "private_key": "../certs/oidc_key.pem", "certificate": "../certs/oidc.pem"}
    (login,) = written(site, **keys).load().virtual_proxies[0].login
    assert isinstance(login, OidcLogin)
    proof = oidc_client(login).proof
    assert isinstance(proof, SignedAssertion)
    assert {name: len(value) for name, value in proof.header.items()} == {"x5t#S256": 43, "x5t": 27}


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    key = in_file(tmp_path / "key", ec.generate_private_key(ec.SECP256R1()))
    key.chmod(0o644)
    with pytest.raises(SecretError, match="open to others"):
        read_signing_key(key)


def in_file(path: Path, key: SigningKey | ed25519.Ed25519PrivateKey) -> Path:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(pem)
    path.chmod(0o600)
    return path


CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


@pytest.mark.parametrize("alg", CURVES)
def test_a_key_says_its_algorithm(tmp_path: Path, alg: str) -> None:
    assert read_signing_key(in_file(tmp_path / "key", ec.generate_private_key(CURVES[alg])))[1] == alg


def test_an_rsa_key_signs_with_rs256(tmp_path: Path) -> None:
    assert read_signing_key(in_file(tmp_path / "key", rsa.generate_private_key(65537, 2048)))[1] == "RS256"


@pytest.mark.parametrize("make", [lambda: rsa.generate_private_key(65537, 1024), ed25519.Ed25519PrivateKey.generate])
def test_a_weak_key_and_one_of_another_kind_are_refused(tmp_path: Path, make: object) -> None:
    with pytest.raises(SecretError, match="RSA key of 2048 bits or more"):
        read_signing_key(in_file(tmp_path / "key", make()))  # type: ignore[operator]
