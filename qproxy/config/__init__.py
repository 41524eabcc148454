"""The configuration: what the files may say, and everything that is wrong with them at once.

    models    the schema: one server.yaml, one file for each virtual proxy
    qlik_models, node_models, store_models, login_models, login_parts, ldap_models, vouched_models, parts   pieces of it
    mapping_models   and of what `who` says
    fields, names   kinds of value, and which names Qlik and browsers take
    load      a directory -> Config, or ConfigError with every problem
    rules, files, login_rules, vouched_rules, mapping_rules   what must fit together, and the files that it names
    words     pydantic's errors in plain words, did-you-mean
    qmc, report     what the QMC must say; JSON Schema

Reading YAML itself is qproxy.settings'.
"""

from qproxy.config.ldap_models import LdapGroupsConfig, LdapLogin
from qproxy.config.local_models import PasswordFileLogin
from qproxy.config.login_models import LoginConfig
from qproxy.config.login_parts import LoginPart
from qproxy.config.models import (
    Config,
    InternalConfig,
    PublicConfig,
    ServerConfig,
    TlsConfig,
    VirtualProxyConfig,
)
from qproxy.config.node_models import UpstreamTlsConfig
from qproxy.config.oidc_models import OidcLogin
from qproxy.config.page_models import PagesConfig
from qproxy.config.store_models import RedisConfig, RedisTlsConfig, SessionsConfig

__all__ = [
    "Config",
    "InternalConfig",
    "LdapGroupsConfig",
    "LdapLogin",
    "LoginConfig",
    "LoginPart",
    "OidcLogin",
    "PagesConfig",
    "PasswordFileLogin",
    "PublicConfig",
    "RedisConfig",
    "RedisTlsConfig",
    "ServerConfig",
    "SessionsConfig",
    "TlsConfig",
    "UpstreamTlsConfig",
    "VirtualProxyConfig",
]
