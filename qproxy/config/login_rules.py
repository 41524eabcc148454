"""What must fit together in the ways to log in of one virtual proxy, and the files that they name.

A method whose keys need more than their shapes has a row in FILES or RULES. Nothing here opens a connection.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from qproxy.breached import BreachedError, check_list
from qproxy.config.files import read_certificates, read_public_half, spki
from qproxy.config.ldap_models import LdapLogin
from qproxy.config.ldap_rules import ldap_files, ldap_rules
from qproxy.config.local_models import PasswordFileLogin
from qproxy.config.login_models import SamlLogin
from qproxy.config.models import VirtualProxyConfig
from qproxy.config.oidc_models import OidcLogin
from qproxy.config.oidc_rules import oidc_files, oidc_rules
from qproxy.config.rules import Finding
from qproxy.config.vouched_models import JwtHandoffLogin, KerberosLogin, TrustedHeaderLogin
from qproxy.config.vouched_rules import (
    jwt_handoff_files,
    jwt_handoff_rules,
    kerberos_files,
    secret_files,
    trusted_header_rules,
)
from qproxy.secret_files import SecretError, read_secret, read_text
from qproxy.settings import KeyPath


def login_rules(vp: VirtualProxyConfig) -> Iterator[Finding]:
    seen: set[str] = set()
    for number, login in enumerate(vp.login):
        path: KeyPath = ("login", number)
        if login.known_as in seen:
            yield Finding(vp.name, path, f"is the second one called {login.known_as}: give it an id of its own")
        seen.add(login.known_as)
        if not login.listed and not (login.hint.email_domains or login.hint.networks):
            yield Finding(vp.name, (*path, "listed"), "hides it, and no hint leads to it", warning=True)
        if type(login) in RULES:
            yield from RULES[type(login)](vp, path, login)


def login_files(vp: VirtualProxyConfig, now: datetime) -> Iterator[Finding]:
    for number, login in enumerate(vp.login):
        if type(login) in FILES:
            yield from FILES[type(login)](vp.name, ("login", number), login, now)


def _password_file(file: str, path: KeyPath, login: PasswordFileLogin, _: datetime) -> Iterator[Finding]:
    if not login.file.exists():
        yield Finding(file, (*path, "file"), f"{login.file} does not exist: make it with `qproxy users add`")
    else:
        try:
            read_secret(login.file)
        except SecretError as error:
            yield Finding(file, (*path, "file"), str(error))
    if login.password.breached is not None:
        try:
            check_list(login.password.breached)
        except BreachedError as error:
            yield Finding(file, (*path, "password", "breached"), str(error))


def _saml(vp: VirtualProxyConfig, path: KeyPath, login: SamlLogin) -> Iterator[Finding]:
    if (login.certificate is None) is not (login.key is None):
        yield Finding(vp.name, path, "needs certificate and key together, or neither")
    if login.encrypted and login.key is None:
        yield Finding(vp.name, (*path, "encrypted"), "needs certificate and key: nobody else could decrypt")


def _saml_files(file: str, path: KeyPath, login: SamlLogin, _: datetime) -> Iterator[Finding]:
    try:
        if "IDPSSODescriptor" not in read_text(login.idp_metadata):
            text = f"{login.idp_metadata} is no metadata of an identity provider: it has no IDPSSODescriptor"
            yield Finding(file, (*path, "idp_metadata"), text)
    except SecretError as error:
        yield Finding(file, (*path, "idp_metadata"), str(error))
    if login.certificate and login.key:
        yield from _rsa_pair(file, path, login.certificate, login.key)


def _rsa_pair(file: str, path: KeyPath, certificate: Path, key: Path) -> Iterator[Finding]:
    try:
        shown = read_certificates(certificate)[0]
        if not isinstance(shown.public_key(), RSAPublicKey):
            yield Finding(file, (*path, "certificate"), "must be of an RSA key: identity providers take no other")
        elif spki(shown) != read_public_half(key, None, ""):
            yield Finding(file, (*path, "key"), f"{key} is not the key of {certificate}")
    except SecretError as error:
        yield Finding(file, (*path, "key"), str(error))


RULES: Mapping[type[Any], Callable[[VirtualProxyConfig, KeyPath, Any], Iterator[Finding]]] = {
    LdapLogin: ldap_rules,
    SamlLogin: _saml,
    OidcLogin: oidc_rules,
    JwtHandoffLogin: jwt_handoff_rules,
    TrustedHeaderLogin: trusted_header_rules,
}

FILES: Mapping[type[Any], Callable[[str, KeyPath, Any, datetime], Iterator[Finding]]] = {
    LdapLogin: ldap_files,
    PasswordFileLogin: _password_file,
    SamlLogin: _saml_files,
    OidcLogin: oidc_files,
    JwtHandoffLogin: jwt_handoff_files,
    KerberosLogin: kerberos_files,
    TrustedHeaderLogin: secret_files,
}
