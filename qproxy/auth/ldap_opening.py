"""From what the configuration says of a directory to a way to log in.

It connects to nobody. It must not check the configuration again (config.login_rules).
"""

import math
import ssl
import time
from collections.abc import Callable

from qproxy.auth.ldap import Directory, Ldap
from qproxy.auth.ldap_connection import Server
from qproxy.auth.ldap_groups import Groups, How
from qproxy.auth.ldap_people import Account, Asked
from qproxy.config import LdapGroupsConfig, LdapLogin
from qproxy.secret_files import read_secret


def open_ldap(login: LdapLogin, now: Callable[[], float] = time.time) -> Ldap:
    """`now` is the wall clock. Raises OSError, ssl.SSLError or SecretError for files that cannot be used."""
    servers = [Server(one.host, one.port, one.scheme == "ldaps", login.start_tls) for one in login.servers]
    service = (
        Account(login.bind_as, read_secret(login.password_file)) if login.bind_as and login.password_file else None
    )
    directory = Directory(
        tuple(servers),
        _tls(login) if any(one.tls or one.start_tls for one in servers) else None,
        login.timeout,
        _asked(login),
        service or Account(),
        frozenset(domain.casefold() for domain in login.domains),
        login.recheck or 0.0,
    )
    return Ldap(directory, name=login.known_as, now=now)


def _asked(login: LdapLogin) -> Asked:
    return Asked(
        login.subtree,
        login.filter,
        login.user_id,
        login.attributes,
        login.direct or "",
        _groups(login.groups, login.subtree) if login.groups else None,
        math.ceil(login.timeout),
    )


def _groups(groups: LdapGroupsConfig, subtree: str) -> Groups:
    how = How(groups.how)
    attribute = groups.attribute or ("memberOf" if how is How.MEMBER_OF else "member")
    return Groups(how, groups.subtree or subtree, attribute, groups.name, groups.depth, groups.most)


def _tls(login: LdapLogin) -> ssl.SSLContext:
    """With `ca` nobody else is believed; names are always compared."""
    context = ssl.create_default_context(cafile=login.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
