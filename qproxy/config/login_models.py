"""What a virtual proxy's file may say of the ways to log in: one class for each method. Only shapes, as in `models`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from qproxy.config.fields import FilePath, Flag, Networks, Texts
from qproxy.config.names import check_line
from qproxy.config.parts import Part

Line = Annotated[str, AfterValidator(check_line)]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$")]


class HintConfig(Part):
    """For whom a way to log in is chosen without asking."""

    email_domains: Texts = Field(default=(), description="Of people who give their e-mail address on the login page.")
    networks: Networks = Field(default=(), description="Of browsers that open the login page.")


class LoginPart(Part):
    """What all methods have; `method` tells them apart."""

    method: str = Field(description="Which way to log in.")
    id: Id | None = Field(default=None, description="Its name in URLs and logs; by default that of the method.")
    name: Line | None = Field(default=None, description="What the login page calls it.")
    icon: Line | None = Field(default=None, description="The picture beside that name, one of our own.")
    hint: HintConfig = Field(default=HintConfig(), description="For whom it is chosen without asking.")
    listed: Flag = Field(default=True, description="Whether the login page offers it; false: by a hint alone.")

    @property
    def known_as(self) -> str:
        return self.id or self.method


class PasswordFileLogin(LoginPart):
    method: Literal["password_file"] = Field(description="Names and argon2id hashes in a file of qproxy's own.")
    file: FilePath = Field(description="That file; `qproxy users` edits it.")


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


LoginConfig = Annotated[PasswordFileLogin | SamlLogin, Field(discriminator="method")]

LOGINS: tuple[type[LoginPart], ...] = (PasswordFileLogin, SamlLogin)
"""Each has a page in docs/logins."""
