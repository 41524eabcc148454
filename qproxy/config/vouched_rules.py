"""What must fit together where a proxy in front, a portal or a Kerberos realm vouches for people, and their files.

Anything less than a proof that only they can give is refused. Nothing here opens a connection.
"""

import sys
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from qproxy.config.fields import is_loopback
from qproxy.config.models import ServerConfig, VirtualProxyConfig
from qproxy.config.rules import Finding, everybody
from qproxy.config.vouched_models import JwtHandoffLogin, KerberosLogin, TrustedHeaderLogin
from qproxy.secret_files import HOW_TO_MAKE, SecretError, exposure, read_secret, read_text
from qproxy.settings import KeyPath

SHORTEST_SECRET: Final = 32
"""Characters of a secret that a program shows: 43 are a random key, 32 a random number in hex digits."""
LONG_LIFE: Final = 300.0
"""Seconds of a token's life beyond which there is a warning."""


def vouched_with_server(server: ServerConfig, vp: VirtualProxyConfig) -> Iterator[Finding]:
    for number, login in enumerate(vp.login):
        if isinstance(login, TrustedHeaderLogin) and login.certificate_names and server.public.client_ca is None:
            text = "needs public.client_ca in server.yaml: the authority that made the proxy's certificate"
            yield Finding(vp.name, ("login", number, "certificate_names"), text)
        if isinstance(login, KerberosLogin) and login.channel_bindings == "required" and server.public.tls is None:
            text = "is required, but public.tls is not given: what a ticket is bound to is not known here"
            yield Finding(vp.name, ("login", number, "channel_bindings"), text)


def trusted_header_rules(vp: VirtualProxyConfig, path: KeyPath, login: TrustedHeaderLogin) -> Iterator[Finding]:
    if not login.secret_header and not login.certificate_names:
        text = (
            "would believe a header from an address alone: let the proxy show a certificate (certificate_names),"
            " or a secret (secret_header and secret_file)"
        )
        yield Finding(vp.name, path, text)
    if bool(login.secret_header) != bool(login.secret_file):
        yield Finding(vp.name, path, "needs secret_header and secret_file together, or neither")
    where = everybody(login.networks)
    if where is not None:
        yield Finding(vp.name, (*path, "networks", *where), "is everybody: name the addresses of the proxy")
    names = [name.lower() for name in login.headers]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Finding(vp.name, path, f"uses the header {name} twice: each says one thing")
    for name in sorted(login.claims.keys() & login.lists.keys()):
        yield Finding(vp.name, (*path, "lists", name), "is one of claims too: keep it in one of them")


def jwt_handoff_rules(vp: VirtualProxyConfig, path: KeyPath, login: JwtHandoffLogin) -> Iterator[Finding]:
    given = [name for name in ("key_file", "jwks_file", "secret_file") if getattr(login, name)]
    if len(given) != 1:
        text = "needs key_file, jwks_file or secret_file: whose signature is believed" if not given else ""
        yield Finding(vp.name, path, text or f"has {' and '.join(given)}: keep one of them")
    shared = [name for name in login.algorithms if name.startswith("HS")]
    if given == ["secret_file"] and len(shared) < len(login.algorithms):
        yield Finding(vp.name, (*path, "algorithms"), "must be HS256 with secret_file")
    if shared and given != ["secret_file"]:
        text = f"{shared[0]} is for a secret that both sides have: give secret_file, or sign with a key pair"
        yield Finding(vp.name, (*path, "algorithms"), text)
    for number, origin in enumerate(login.origins):
        if origin.scheme == "http" and not is_loopback(origin.host):
            yield Finding(vp.name, (*path, "origins", number), "must be https: a token is as good as a password")
    if login.lifetime > LONG_LIFE:
        text = "is long: whoever finds a token that was not used has that time"
        yield Finding(vp.name, (*path, "lifetime"), text, warning=True)


def jwt_handoff_files(file: str, path: KeyPath, login: JwtHandoffLogin, _: datetime) -> Iterator[Finding]:
    if find_spec("joserfc") is None:
        text = "needs joserfc: install qproxy with its extra, as in pip install 'qproxy[oidc]'"
        yield Finding(file, path, text)
    for name in ("key_file", "jwks_file"):
        named: Path | tuple[Path, ...] = getattr(login, name) or ()
        for public in named if isinstance(named, tuple) else (named,):
            try:
                if "PRIVATE KEY" in read_text(public):
                    text = f"{public} holds a private key, which only the portal should have: give the public one"
                    yield Finding(file, (*path, name), text)
            except SecretError as error:
                yield Finding(file, (*path, name), str(error))
    yield from secret_files(file, path, login, _)


def kerberos_files(file: str, path: KeyPath, login: KerberosLogin, _: datetime) -> Iterator[Finding]:
    if sys.platform == "win32":
        text = "is for Linux: on Windows let IIS or Apache in front log people in, and use trusted_header"
        yield Finding(file, (*path, "method"), text)
    elif find_spec("gssapi") is None:
        text = (
            "needs the Python package gssapi: install qproxy with its extra, as in pip install 'qproxy[kerberos]',"
            " or the system's (docs/logins/kerberos.md says how)"
        )
        yield Finding(file, path, text)
    exposed = exposure(login.keytab)
    if exposed:
        yield Finding(file, (*path, "keytab"), exposed)


def secret_files(
    file: str, path: KeyPath, login: TrustedHeaderLogin | JwtHandoffLogin, _: datetime
) -> Iterator[Finding]:
    for number, secret in enumerate(login.secret_file or ()):
        try:
            if len(read_secret(secret)) < SHORTEST_SECRET:
                text = f"{secret} holds less than {SHORTEST_SECRET} characters: {HOW_TO_MAKE}"
                yield Finding(file, (*path, "secret_file", number), text)
        except SecretError as error:
            yield Finding(file, (*path, "secret_file", number), str(error))
