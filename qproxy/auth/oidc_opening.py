"""From the configuration's keys to a login at an OpenID provider: the one place that reads its secrets from files."""

import ssl
from collections.abc import Callable

from qproxy.auth.oidc import OpenIdConnect, Wishes
from qproxy.auth.oidc_client import BasicSecret, ClientProof, NoProof, PostedSecret, signed_assertion
from qproxy.auth.oidc_http import ProviderHttp
from qproxy.auth.oidc_provider import Client, Provider
from qproxy.config import OidcLogin
from qproxy.notes import Notes
from qproxy.secret_files import read_secret, read_text
from qproxy.signing_keys import read_signing_key


def open_oidc(login: OidcLogin, tls: ssl.SSLContext | None, clock: Callable[[], float], notes: Notes) -> OpenIdConnect:
    """`tls` None: the system's authorities are trusted. Raises SecretError or ValueError for files that cannot be
    used."""
    wishes = Wishes(
        login.scopes,
        login.parameters,
        login.user_id,
        login.claims,
        login.userinfo,
        login.require,
        login.max_age,
        login.recheck,
        login.recheck_grace,
    )
    provider = Provider(oidc_client(login), ProviderHttp(tls, login.timeout, login.proxy or ""), clock)
    return OpenIdConnect(login.known_as, provider, wishes, clock, notes)


def oidc_client(login: OidcLogin) -> Client:
    """Raises SecretError or ValueError for files that cannot be used."""
    secret = read_secret(login.client_secret_file) if login.client_secret_file else ""
    return Client(
        login.issuer,
        login.client_id,
        _proof(login, secret),
        login.assertion_audience,
        login.algorithms,
        login.clock_skew,
        secret,
    )


def _proof(login: OidcLogin, secret: str) -> ClientProof:
    if login.proves_by == "client_secret_basic":
        return BasicSecret(secret)
    if login.proves_by == "client_secret_post":
        return PostedSecret(secret)
    if login.private_key is None:
        return NoProof()
    key, alg = read_signing_key(login.private_key)
    certificate = read_text(login.certificate) if login.certificate else ""
    return signed_assertion(key, alg, login.private_key_id or "", certificate)
