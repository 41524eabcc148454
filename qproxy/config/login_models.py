"""What a virtual proxy's file may say of the ways to log in: one class for each method. Only shapes, as in `models`."""

from typing import Annotated, Literal

from pydantic import Field

from qproxy.config.fields import FilePath, Flag
from qproxy.config.ldap_models import LdapLogin
from qproxy.config.local_models import PasswordFileLogin
from qproxy.config.login_parts import Line, LoginPart
from qproxy.config.oidc_models import OidcLogin
from qproxy.config.vouched_models import JwtHandoffLogin, KerberosLogin, TrustedHeaderLogin


class SamlLogin(LoginPart):
    method: Literal["saml"] = Field(description="A SAML 2.0 identity provider.")
    idp_metadata: FilePath = Field(description="The identity provider's metadata, an XML file.")
    entity_id: Line | None = Field(default=None, description="Our name at the provider; by default our metadata's URL.")
    certificate: FilePath | None = Field(default=None, description="PEM file: for signing requests and decrypting.")
    key: FilePath | None = Field(default=None, description="PEM file of its private key.")
    encrypted: Flag = Field(default=False, description="Refuse assertions that are not encrypted.")
    name_id_format: Line | None = Field(default=None, description="The NameID format to ask for, as a URN.")
    user_attribute: Line | None = Field(default=None, description="The attribute with the user id, not the NameID.")
    unsolicited: Flag = Field(default=False, description="Take logins that the provider begins.")

    @property
    def names_by(self) -> tuple[str, ...]:
        return (self.user_attribute or "name_id",)


LoginConfig = Annotated[
    PasswordFileLogin | LdapLogin | SamlLogin | OidcLogin | JwtHandoffLogin | KerberosLogin | TrustedHeaderLogin,
    Field(discriminator="method"),
]

LOGINS: tuple[type[LoginPart], ...] = (
    PasswordFileLogin,
    LdapLogin,
    SamlLogin,
    OidcLogin,
    JwtHandoffLogin,
    KerberosLogin,
    TrustedHeaderLogin,
)
"""Each has a page in docs/logins."""
