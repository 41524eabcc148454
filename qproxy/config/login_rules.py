"""What must fit together in the ways to log in of one virtual proxy, and the files that they name.

A method whose keys need more than their shapes has a row in FILES or RULES. Nothing here opens a connection.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from qproxy.config.login_models import PasswordFileLogin
from qproxy.config.models import VirtualProxyConfig
from qproxy.config.rules import Finding
from qproxy.secret_files import SecretError, read_secret
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
        return
    try:
        read_secret(login.file)
    except SecretError as error:
        yield Finding(file, (*path, "file"), str(error))


RULES: Mapping[type[Any], Callable[[VirtualProxyConfig, KeyPath, Any], Iterator[Finding]]] = {}

FILES: Mapping[type[Any], Callable[[str, KeyPath, Any, datetime], Iterator[Finding]]] = {
    PasswordFileLogin: _password_file,
}
