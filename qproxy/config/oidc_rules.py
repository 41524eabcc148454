"""What must fit together in the keys of an OpenID Connect login, and the files that it names. As `login_rules`."""

import ssl
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from qproxy.config.models import VirtualProxyConfig
from qproxy.config.oidc_models import OidcLogin
from qproxy.config.rules import Finding
from qproxy.secret_files import SecretError, read_secret, read_text
from qproxy.settings import KeyPath
from qproxy.signing_keys import read_signing_key

SHORTEST_HMAC_SECRET = 32


def oidc_rules(vp: VirtualProxyConfig, path: KeyPath, login: OidcLogin) -> Iterator[Finding]:
    if login.client_secret_file and login.private_key:
        yield Finding(vp.name, path, "has a client_secret_file and a private_key: keep the one that the provider knows")
    needed = {"private_key_jwt": "private_key", "none": ""}.get(login.proves_by, "client_secret_file")
    for name in ("client_secret_file", "private_key"):
        given = getattr(login, name) is not None
        if given != (name == needed) and not (login.client_secret_file and login.private_key):
            verb = "is not used" if given else "is missing"
            yield Finding(vp.name, (*path, name), f"{verb} with client_auth {login.proves_by}")
    symmetric = [one for one in login.algorithms if one.startswith("HS")]
    if symmetric and (len(symmetric) < len(login.algorithms) or login.client_secret_file is None):
        text = "must be HS algorithms alone, with a client_secret_file, or none of them: a public key is no secret"
        yield Finding(vp.name, (*path, "algorithms"), text)
    for name in ("private_key_id", "certificate"):
        if getattr(login, name) is not None and login.private_key is None:
            yield Finding(vp.name, (*path, name), "names a private_key that is not given")
    if "email" in login.user_id and login.userinfo == "auto" and "email" not in login.scopes:
        yield Finding(vp.name, (*path, "scopes"), "lack email, which user_id wants", warning=True)


def oidc_files(file: str, path: KeyPath, login: OidcLogin, _: datetime) -> Iterator[Finding]:
    if find_spec("joserfc") is None:
        text = "needs the extra [oidc]: install qproxy with it, as in pip install 'qproxy[oidc]'"
        yield Finding(file, (*path, "method"), text)
        return
    try:
        if login.private_key:
            read_signing_key(login.private_key)
    except SecretError as error:
        yield Finding(file, (*path, "private_key"), str(error))
    yield from _secret(file, (*path, "client_secret_file"), login)
    yield from _certificates(file, path, login)


def _secret(file: str, path: KeyPath, login: OidcLogin) -> Iterator[Finding]:
    if login.client_secret_file is None:
        return
    try:
        secret = read_secret(login.client_secret_file)
    except SecretError as error:
        yield Finding(file, path, str(error))
        return
    if not secret.strip() or not secret.isprintable():
        yield Finding(file, path, f"{login.client_secret_file} must hold the secret alone, on one line")
    elif login.algorithms[0].startswith("HS") and len(secret) < SHORTEST_HMAC_SECRET:
        text = f"is shorter than {SHORTEST_HMAC_SECRET} characters: too weak to sign ID tokens with"
        yield Finding(file, path, f"{login.client_secret_file} {text}")


def _certificates(file: str, path: KeyPath, login: OidcLogin) -> Iterator[Finding]:
    for name in ("ca", "certificate"):
        pem: Path | None = getattr(login, name)
        try:
            read_text(pem) if pem else None
            ssl.create_default_context(cafile=pem) if pem else None
        except (SecretError, OSError) as error:
            text = str(error) if isinstance(error, SecretError) else f"{pem} is no certificate as PEM"
            yield Finding(file, (*path, name), text)
