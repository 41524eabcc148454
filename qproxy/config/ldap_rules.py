"""What must fit together in a directory that people log in with, and the files that it names. Connects to nobody."""

from collections.abc import Iterator
from datetime import datetime

from qproxy.config.files import read_certificates
from qproxy.config.ldap_models import LdapLogin
from qproxy.config.models import VirtualProxyConfig
from qproxy.config.rules import Finding
from qproxy.secret_files import SecretError, read_secret
from qproxy.settings import KeyPath


def ldap_rules(vp: VirtualProxyConfig, path: KeyPath, login: LdapLogin) -> Iterator[Finding]:
    for number, server in enumerate(login.servers):
        at = (*path, "servers", number)
        if server.scheme == "ldaps" and login.start_tls:
            yield Finding(vp.name, at, "is encrypted from the first byte, so `start_tls` does not fit: write ldap://")
        if server.scheme == "ldap" and not (login.start_tls or server.loopback):
            yield Finding(vp.name, at, "would carry passwords unencrypted: write ldaps://, or give `start_tls: true`")
    if (login.bind_as is None) != (login.password_file is None):
        missing, there = ("password_file", "bind_as") if login.bind_as else ("bind_as", "password_file")
        yield Finding(vp.name, (*path, there), f"needs {missing} beside it")
    if login.bind_as is None and login.direct is None:
        yield Finding(vp.name, path, "needs `bind_as`, the account that searches for people, or `direct`")
    if login.recheck and login.bind_as is None:
        yield Finding(vp.name, (*path, "recheck"), "needs `bind_as`: nobody else can ask while the person is away")
    if not {"name", "account"} & login.filter.places:
        yield Finding(vp.name, (*path, "filter"), "finds the same whatever is typed: it must hold {account} or {name}")
    if login.groups and login.groups.how == "in_chain" and login.groups.attribute not in (None, "member"):
        yield Finding(vp.name, (*path, "groups", "attribute"), "must be member with in_chain")


def ldap_files(file: str, path: KeyPath, login: LdapLogin, _: datetime) -> Iterator[Finding]:
    if login.password_file is not None:
        try:
            if not read_secret(login.password_file):
                yield Finding(file, (*path, "password_file"), f"{login.password_file} is empty")
        except SecretError as error:
            yield Finding(file, (*path, "password_file"), str(error))
    if login.ca is not None:
        try:
            read_certificates(login.ca)
        except SecretError as error:
            yield Finding(file, (*path, "ca"), str(error).partition(": export")[0])
