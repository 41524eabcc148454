"""Keys of the ways to log in where somebody else vouches for a person: a proxy in front, a portal, a Kerberos realm.

Only shapes, as in `models`; what must fit together is in vouched_rules.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from qproxy.config.fields import (
    Duration,
    FilePath,
    FilePaths,
    HostNames,
    Networks,
    Origins,
    Texts,
    one_or_many,
    parse_origin,
)
from qproxy.config.login_parts import Line, LoginPart
from qproxy.config.names import check_page, check_service, check_vouching

Claim = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,126}$")]
Vouching = Annotated[str, AfterValidator(check_vouching)]
"""The name of a header in which a proxy in front says something of a person."""


class TrustedHeaderLogin(LoginPart):
    method: Literal["trusted_header"] = Field(description="A proxy in front names the person in a header.")
    networks: Networks = Field(min_length=1, description="Where that proxy's connections come from.")
    user_header: Vouching = Field(description="The header with the person's name.")
    domains: Texts = Field(default=(), description="The name is DOMAIN\\name, and the domain one of these.")
    claims: Mapping[Claim, Vouching] = Field(default={}, description="Further headers: what each is called here.")
    lists: Mapping[Claim, Vouching] = Field(default={}, description="The same of headers that hold several values.")
    separator: Annotated[str, Field(min_length=1, max_length=4)] = Field(
        default=",", description="What stands between these values."
    )
    secret_header: Vouching | None = Field(default=None, description="The header in which the proxy shows its secret.")
    secret_file: FilePaths | None = Field(
        default=None, description="That secret, or several while one replaces another."
    )
    certificate_names: HostNames = Field(default=(), description="A name in the certificate that the proxy shows.")

    @property
    def headers(self) -> tuple[str, ...]:
        """Every one that a browser could make up."""
        more = (self.secret_header,) if self.secret_header else ()
        return (self.user_header, *self.claims.values(), *self.lists.values(), *more)


Signing = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "HS256"]
Page = Annotated[str, AfterValidator(check_page)]


class JwtHandoffLogin(LoginPart):
    method: Literal["jwt_handoff"] = Field(description="A portal that has logged the person in posts a signed token.")
    portal: Page = Field(description="Where people are sent who are not logged in: the portal's page that posts.")
    origins: Origins = Field(default=(), description="Further sites whose pages may post a token.")
    issuer: Line = Field(description="What a token must have as iss.")
    audience: Line = Field(description="What a token must have as, or in, aud.")
    algorithms: Annotated[tuple[Signing, ...], Field(min_length=1), BeforeValidator(one_or_many)] = Field(
        default=("RS256",), description="With which a token may be signed."
    )
    key_file: FilePaths | None = Field(default=None, description="The portal's public key or certificate, PEM.")
    jwks_file: FilePath | None = Field(default=None, description="The portal's public keys as a JWK set.")
    secret_file: FilePaths | None = Field(default=None, description="The secret of HS256, which the portal has too.")
    lifetime: Duration = Field(default=60, description="Longest time from iat to exp.")
    clock_skew: Duration = Field(default=10, description="How far the clocks of portal and qproxy may differ.")

    @property
    def names_by(self) -> tuple[str, ...]:
        return ("sub",)

    @property
    def posting(self) -> tuple[str, ...]:
        """The origins from which a token may come."""
        scheme, _, rest = self.portal.partition("://")
        netloc = rest.partition("/")[0].partition("?")[0]
        return (str(parse_origin(f"{scheme}://{netloc}")), *(str(origin) for origin in self.origins))


class KerberosLogin(LoginPart):
    method: Literal["kerberos"] = Field(description="The browser's own Kerberos ticket, as in a Windows domain.")
    keytab: FilePath = Field(description="File with the key of the service.")
    service: Annotated[str, AfterValidator(check_service)] = Field(
        description="The service principal: HTTP/ and the public name, and its realm."
    )
    realms: Annotated[Texts, Field(min_length=1)] = Field(description="Whose people may log in.")
    channel_bindings: Literal["ignored", "offered", "required"] = Field(
        default="offered", description="Whether a ticket is bound to the TLS certificate."
    )
