"""The files that a configuration names: certificates, keys, password files, places to write to."""

import os
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from ssl import DER_cert_to_PEM_cert

import pytest
import trustme
from config_site import NOW, SALES, SERVER, ConfigSite
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qproxy.config.load import load
from qproxy.settings import ConfigError

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has access lists, no modes")
TLS_SERVER = SERVER.replace(
    "sessions:", "  tls:\n    certificate: ../certs/public.pem\n    key: ../certs/public_key.pem\nsessions:"
)
SQLITE_SERVER = SERVER.replace("store: memory", "path: ../state/x.db\n  key_file: ../certs/session.key")
TLS_SALES = SALES.replace("http://localhost:8080", "https://qlik1.internal") + (
    "upstream_tls:\n  ca: ../certs/root.pem\n"
    "  client_certificate: ../certs/client.pem\n  client_key: ../certs/client_key.pem\n"
)
LOGIN_SALES = SALES.replace("always", "none") + "login: [{method: password_file, file: ../state/sales.users}]\n"


@pytest.fixture
def site(tmp_path: Path) -> ConfigSite:
    return ConfigSite(tmp_path).with_files()


def test_good_files_are_no_problem(site: ConfigSite) -> None:
    assert site.write(TLS_SERVER, sales=TLS_SALES, other=LOGIN_SALES.replace("sales\n", "other\n")).problems() == []


def remove(path: Path) -> None:
    path.unlink()


def be_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


def hold_nothing_known(path: Path) -> None:
    path.write_text("hello")


def be_binary(path: Path) -> None:
    path.write_bytes(b"\x30\x82\x03\xff")


def be_open_to_the_group(path: Path) -> None:
    path.chmod(0o640)


def be_of_another_key(path: Path) -> None:
    trustme.CA().issue_cert("bi.example.com").private_key_pem.write_to_path(path)


def have_a_password(path: Path) -> None:
    key = load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"Sw0rdfish")))


SERVER_AT = "server.yaml:5:18: public.tls.certificate: "
KEY_AT = "server.yaml:6:10: public.tls.key: "
CA_AT = "sales.yaml:7:7: upstream_tls.ca: "
CLIENT_KEY_AT = "sales.yaml:9:15: upstream_tls.client_key: "
DAMAGES = [
    ("public.pem", remove, SERVER_AT, "public.pem cannot be read: No such file or directory"),
    ("public.pem", be_a_directory, SERVER_AT, "public.pem cannot be read: Is a directory"),
    ("public.pem", hold_nothing_known, SERVER_AT, "public.pem holds no PEM certificate (BEGIN CERTIFICATE): export it"),
    ("public.pem", be_binary, SERVER_AT, "public.pem holds no PEM certificate (BEGIN CERTIFICATE): export it"),
    ("public_key.pem", remove, KEY_AT, "public_key.pem cannot be read: No such file or directory"),
    (
        "public_key.pem",
        hold_nothing_known,
        KEY_AT,
        "public_key.pem holds no PEM private key, or its password is",
    ),
    ("public_key.pem", be_of_another_key, KEY_AT, "public_key.pem is not the key of "),
    ("public_key.pem", have_a_password, KEY_AT, "public_key.pem has a password: give key_password_file"),
    pytest.param("public_key.pem", be_open_to_the_group, KEY_AT, "(mode 0640): chmod 600 ", marks=posix),
    ("root.pem", remove, CA_AT, "root.pem cannot be read: No such file or directory"),
    ("root.pem", hold_nothing_known, CA_AT, "root.pem holds no PEM certificate"),
    ("client_key.pem", be_of_another_key, CLIENT_KEY_AT, "client_key.pem is not the key of "),
    ("client_key.pem", have_a_password, CLIENT_KEY_AT, "client_key.pem has a password: give client_key_password_file"),
]


def test_the_files_of_qliks_api_are_judged_like_the_others(site: ConfigSite) -> None:
    be_of_another_key(site.root / "certs/client_key.pem")
    files = "ca: ../certs/gone.pem, client_certificate: ../certs/client.pem, client_key: ../certs/client_key.pem"
    problems = site.write(sales=f"{SALES}mode: session_api\nqps_api: {{{files}}}\n").problems()
    assert [problem.split(": ")[1] for problem in problems] == ["qps_api.ca", "qps_api.client_key"]


@pytest.mark.parametrize(("name", "damage", "place", "words"), DAMAGES)
def test_a_damaged_certificate_or_key_is_refused(
    site: ConfigSite, name: str, damage: Callable[[Path], None], place: str, words: str
) -> None:
    path = site.root / "certs" / name
    damage(path)
    (problem,) = site.write(TLS_SERVER, sales=TLS_SALES).problems()
    assert problem.startswith(place)
    assert words in problem


def test_a_key_with_its_password_is_taken(site: ConfigSite) -> None:
    have_a_password(site.root / "certs/public_key.pem")
    password = site.root / "certs/password"
    password.write_text("Sw0rdfish\n")
    password.chmod(0o600)
    server = TLS_SERVER.replace("sessions:", "    key_password_file: ../certs/password\nsessions:")
    assert site.write(server).problems() == []


def test_a_password_for_a_key_that_has_none_is_refused(site: ConfigSite) -> None:
    server = TLS_SERVER.replace("sessions:", "    key_password_file: ../certs/session.key\nsessions:")
    (problem,) = site.write(server).problems()
    assert problem.endswith("public_key.pem has no password: remove key_password_file")


def test_a_password_file_that_is_not_there_is_one_problem(site: ConfigSite) -> None:
    server = TLS_SERVER.replace("sessions:", "    key_password_file: ../certs/none\nsessions:")
    (problem,) = site.write(server).problems()
    assert problem.startswith("server.yaml:7:24: public.tls.key_password_file: ")


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    site = ConfigSite(tmp_path).with_files(not_after=NOW - timedelta(days=1)).write(TLS_SERVER)
    (problem,) = site.problems()
    assert f"public.pem expired on {NOW - timedelta(days=1):%Y-%m-%d}: renew it" in problem


def test_a_certificate_that_is_not_valid_yet_is_refused(site: ConfigSite) -> None:
    site.write(TLS_SERVER)
    with pytest.raises(ConfigError, match=r"public\.pem is not valid before "):
        load(site.directory, environ={}, now=NOW - timedelta(days=365 * 100))


def test_a_key_that_openssl_finds_too_weak_is_refused(site: ConfigSite) -> None:
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, NOW, NOW + timedelta(days=90))
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (site.root / "certs/public_key.pem").write_bytes(plain)
    (site.root / "certs/public.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    (problem,) = site.write(TLS_SERVER).problems()
    assert problem.startswith(KEY_AT)
    assert problem.endswith("public.pem are refused by OpenSSL: ee key too small")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.integers(0, 2000), st.integers(0, 255), min_size=1, max_size=4))
def test_no_broken_certificate_makes_anything_else_than_a_problem(site: ConfigSite, changes: dict[int, int]) -> None:
    whole = (site.root / "certs/client.pem").read_bytes()
    raw = bytearray(x509.load_pem_x509_certificates(whole)[0].public_bytes(Encoding.DER))
    for index, value in changes.items():
        raw[index % len(raw)] = value
    (site.root / "certs/public.pem").write_text(DER_cert_to_PEM_cert(bytes(raw)))
    with warnings.catch_warnings(action="ignore"):  # of cryptography, about odd serial numbers
        problems = site.write(TLS_SERVER).problems()
    assert [problem for problem in problems if not problem.startswith((SERVER_AT, KEY_AT))] == []


def test_a_certificate_that_expires_soon_is_a_warning(tmp_path: Path) -> None:
    site = ConfigSite(tmp_path).with_files(not_after=NOW + timedelta(days=5, hours=1)).write(TLS_SERVER)
    assert [warning for warning in site.warnings() if "in 5 days: renew it" in warning]


def test_a_certificate_for_another_name_is_a_warning(site: ConfigSite) -> None:
    site.write(TLS_SERVER.replace("bi.example.com", "other.example.com"))
    assert [warning for warning in site.warnings() if "public.pem is not for other.example.com" in warning]


def test_a_certificate_for_the_name_is_no_warning(site: ConfigSite) -> None:
    site.write(TLS_SERVER)
    assert not [warning for warning in site.warnings() if "is not for" in warning]


@posix
def test_a_password_file_that_others_may_read_is_refused(site: ConfigSite) -> None:
    (site.root / "state/sales.users").chmod(0o604)
    (problem,) = site.write(sales=LOGIN_SALES).problems()
    assert problem.startswith("sales.yaml:6:39: login[0].file: ")


def test_a_password_file_that_is_missing_says_how_to_make_it(site: ConfigSite) -> None:
    (site.root / "state/sales.users").unlink()
    (problem,) = site.write(sales=LOGIN_SALES).problems()
    assert problem.endswith("does not exist: make it with `qproxy users add`")


def test_a_list_of_breached_passwords_has_to_be_one(site: ConfigSite) -> None:
    (site.root / "state/list").write_text("password\n")
    sales = LOGIN_SALES.replace("sales.users}", "sales.users, password: {breached: ../state/list}}")
    (problem,) = site.write(sales=sales).problems()
    assert "login[0].password.breached: " in problem
    assert "is no list of SHA-1 hashes" in problem


def test_files_may_be_left_for_later(site: ConfigSite) -> None:
    (site.root / "state/sales.users").unlink()
    assert site.write(sales=LOGIN_SALES).problems(files=False) == []


def test_a_list_of_session_keys_is_kept_in_its_order(site: ConfigSite) -> None:
    server = SQLITE_SERVER.replace("../certs/session.key", "[../certs/session.key, ../certs/old-session.key]")
    files = site.write(server).load().server.sessions.key_file or ()
    assert [path.name for path in files] == ["session.key", "old-session.key"]


def test_one_bad_session_key_of_several_is_named(site: ConfigSite) -> None:
    (site.root / "certs/old-session.key").unlink()
    server = SQLITE_SERVER.replace("../certs/session.key", "[../certs/session.key, ../certs/old-session.key]")
    (problem,) = site.write(server).problems()
    assert problem.startswith("server.yaml:6:36: sessions.key_file[1]: ")


def test_a_bad_session_key_file_is_refused_without_its_content(site: ConfigSite) -> None:
    (site.root / "certs/session.key").write_text("Sw0rdfish")
    (problem,) = site.write(SQLITE_SERVER).problems()
    assert problem.startswith("server.yaml:6:13: sessions.key_file: ")
    assert "qproxy keys new FILE" in problem
    assert "Sw0rdfish" not in problem
