"""Which ways to log in a virtual proxy's file names, opened. A new method is one row here.

Modules that need what an extra installs are imported only where they are configured.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qproxy import tls
from qproxy.auth.kerberos import Kerberos
from qproxy.auth.lately import Lately
from qproxy.auth.ldap_opening import open_ldap
from qproxy.auth.local_rules import LocalRules
from qproxy.auth.method import Method
from qproxy.auth.password_file import PasswordFile
from qproxy.auth.password_rules import PasswordRules
from qproxy.auth.passwords import Passwords
from qproxy.auth.trusted_header import Reading, Trust, TrustedHeader
from qproxy.auth.way import Way
from qproxy.certificates import endpoint_binding
from qproxy.config import LdapLogin, LoginPart, PasswordFileLogin, PublicConfig, VirtualProxyConfig
from qproxy.config.login_models import SamlLogin
from qproxy.config.oidc_models import OidcLogin
from qproxy.config.vouched_models import JwtHandoffLogin, KerberosLogin, TrustedHeaderLogin
from qproxy.notes import Notes
from qproxy.secret_files import read_secret


@dataclass(frozen=True, slots=True)
class Supplies:
    """What one qproxy has for all ways to log in. `clock` is the wall clock; `passwords` are hashed few at a time."""

    public: PublicConfig
    clock: Callable[[], float]
    notes: Notes
    passwords: Passwords


Opener = Callable[[Any, VirtualProxyConfig, Supplies], Method]


def open_ways(vp: VirtualProxyConfig, supplies: Supplies) -> tuple[Way, ...]:
    """Connects to nobody yet. Raises OSError, ssl.SSLError or SecretError for files that cannot be used."""
    return tuple(open_way(login, vp, supplies) for login in vp.login)


def open_way(login: LoginPart, vp: VirtualProxyConfig, supplies: Supplies) -> Way:
    """One of them. Raises as `open_ways` does."""
    return Way(
        OPENERS[type(login)](login, vp, supplies),
        login.method,
        login.name or "",
        login.icon or "",
        frozenset(domain.casefold() for domain in login.hint.email_domains),
        login.hint.networks,
        login.listed,
    )


def _password_file(login: PasswordFileLogin, _: VirtualProxyConfig, supplies: Supplies) -> Method:
    rules = LocalRules(
        login.totp == "required",
        login.issuer,
        login.password.max_age,
        login.lock_after,
        login.recheck,
        PasswordRules(login.password.shortest, login.password.breached),
    )
    lately = Lately(supplies.notes, supplies.clock)
    return PasswordFile(
        login.file,
        lately,
        name=login.known_as,
        passwords=supplies.passwords,
        rules=rules,
        offers_change=login.password.link,
    )


def _ldap(login: LdapLogin, _: VirtualProxyConfig, supplies: Supplies) -> Method:
    return open_ldap(login, supplies.clock)


def _saml(login: SamlLogin, _: VirtualProxyConfig, supplies: Supplies) -> Method:
    from qproxy.auth.saml import Saml, Wishes  # noqa: PLC0415 - needs what the extra [saml] installs
    from qproxy.auth.saml_messages import ServiceProvider  # noqa: PLC0415

    provider = ServiceProvider(
        login.idp_metadata.read_text(encoding="utf-8"),
        login.entity_id or "",
        login.certificate.read_text(encoding="ascii") if login.certificate else "",
        read_secret(login.key) if login.key else "",
        login.name_id_format or "",
        login.encrypted,
    )
    wishes = Wishes(login.user_attribute or "", login.unsolicited)
    return Saml(login.known_as, provider, wishes, supplies.notes, supplies.clock)


def _oidc(login: OidcLogin, _: VirtualProxyConfig, supplies: Supplies) -> Method:
    from qproxy.auth.oidc_opening import open_oidc  # noqa: PLC0415 - the extra `oidc`

    context = tls.provider_context(login.ca) if login.ca else None
    return open_oidc(login, context, supplies.clock, supplies.notes)


def _trusted_header(login: TrustedHeaderLogin, _: VirtualProxyConfig, __: Supplies) -> Method:
    trust = Trust(
        login.networks,
        frozenset(login.certificate_names),
        (login.secret_header or "").lower(),
        tuple(read_secret(file) for file in login.secret_file or ()),
    )
    reading = Reading(
        login.user_header.lower(),
        frozenset(domain.casefold() for domain in login.domains),
        {claim: header.lower() for claim, header in login.claims.items()},
        {claim: header.lower() for claim, header in login.lists.items()},
        login.separator,
    )
    return TrustedHeader(trust, reading, name=login.known_as)


def _jwt_handoff(login: JwtHandoffLogin, _: VirtualProxyConfig, supplies: Supplies) -> Method:
    from qproxy.auth.handoff import JwtHandoff, Terms  # noqa: PLC0415 - the extra `oidc`
    from qproxy.auth.token_keys import TokenKeys  # noqa: PLC0415 - the extra `oidc`

    if login.jwks_file:
        keys = TokenKeys.published(login.jwks_file, login.algorithms)
    elif login.secret_file:
        keys = TokenKeys.secret(login.secret_file, login.algorithms)
    else:
        keys = TokenKeys.public(login.key_file or (), login.algorithms)
    terms = Terms(
        login.portal, frozenset(login.posting), login.issuer, login.audience, login.lifetime, login.clock_skew
    )
    return JwtHandoff(keys, terms, supplies.notes, supplies.clock, name=login.known_as)


def _kerberos(login: KerberosLogin, _: VirtualProxyConfig, supplies: Supplies) -> Method:
    from qproxy.auth.gss import Acceptor  # noqa: PLC0415 - the extra `kerberos`

    certificate = supplies.public.tls.certificate if supplies.public.tls else None
    bindings = endpoint_binding(certificate) if certificate and login.channel_bindings != "ignored" else b""
    return Kerberos(
        Acceptor(login.keytab, login.service, bindings),
        frozenset(login.realms),
        supplies.notes,
        supplies.clock,
        name=login.known_as,
        bound=login.channel_bindings == "required",
    )


OPENERS: Mapping[type[Any], Opener] = {
    LdapLogin: _ldap,
    PasswordFileLogin: _password_file,
    SamlLogin: _saml,
    OidcLogin: _oidc,
    JwtHandoffLogin: _jwt_handoff,
    KerberosLogin: _kerberos,
    TrustedHeaderLogin: _trusted_header,
}
