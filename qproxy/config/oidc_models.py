"""What a virtual proxy's file may say of a login at an OpenID Connect provider. Only shapes, as in `models`."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from qproxy.config.fields import Duration, FilePath, Texts, one_or_many
from qproxy.config.login_parts import Line, LoginPart
from qproxy.config.oidc_words import check_issuer, check_parameters, check_proxy, check_scopes, parse_max_age

Names = Annotated[Texts, Field(min_length=1)]
Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA",
    "HS256", "HS384", "HS512",
]  # fmt: skip
Algorithms = Annotated[tuple[Algorithm, ...], Field(min_length=1), BeforeValidator(one_or_many)]


class OidcLogin(LoginPart):
    method: Literal["oidc"] = Field(description="An OpenID Connect provider.")
    issuer: Annotated[str, AfterValidator(check_issuer)] = Field(description="The provider, as it writes itself.")
    client_id: Line = Field(description="What the provider calls this qproxy.")
    client_secret_file: FilePath | None = Field(default=None, description="The secret that it gave this qproxy.")
    private_key: FilePath | None = Field(default=None, description="Instead of a secret: a key that signs.")
    private_key_id: Line | None = Field(default=None, description="What the provider calls that key (kid).")
    certificate: FilePath | None = Field(default=None, description="Or the certificate by which it knows it (x5t).")
    client_auth: Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"] | None = Field(
        default=None, description="How this qproxy proves who it is; by default by what is given."
    )
    assertion_audience: Literal["issuer", "token_endpoint"] = Field(
        default="issuer", description="For whom a signed proof is."
    )
    scopes: Annotated[Texts, AfterValidator(check_scopes)] = Field(
        default=("openid", "profile", "email"), description="What is asked for."
    )
    parameters: Annotated[Mapping[str, str], AfterValidator(check_parameters)] = Field(
        default={}, description="Further parameters of the authorization request: prompt, acr_values, hd ..."
    )
    user_id: Names = Field(
        default=("preferred_username", "sub"), description="Claims that may name the person; the first one counts."
    )
    claims: Texts = Field(default=(), description="Claims that the mapping needs.")
    userinfo: Literal["auto", "always", "never"] = Field(
        default="auto", description="Whether the userinfo endpoint is asked; auto: when the ID token lacks a claim."
    )
    require: Mapping[Line, Names] = Field(default={}, description="Claims that must have one of these values.")
    max_age: Annotated[float | None, BeforeValidator(parse_max_age)] = Field(
        default=None, description="The person logged in there at most this long ago."
    )
    recheck: Annotated[Duration, Field(ge=30)] | None = Field(
        default=None,
        description="How often the provider is asked whether a login still stands; by default as its tokens last.",
    )
    recheck_grace: Duration = Field(default=900, description="For so long that question may go unanswered.")
    algorithms: Algorithms = Field(
        default=("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"),
        description="Signatures that are accepted.",
    )
    clock_skew: Annotated[Duration, Field(le=300)] = Field(default=60, description="By how much clocks may differ.")
    timeout: Annotated[Duration, Field(le=60)] = Field(default=10, description="A call to the provider may last this.")
    ca: FilePath | None = Field(default=None, description="Who vouches for the provider; by default as the system.")
    proxy: Annotated[str, AfterValidator(check_proxy)] | None = Field(
        default=None, description="The forward proxy on the way to the provider."
    )

    @property
    def names_by(self) -> tuple[str, ...]:
        return self.user_id

    @property
    def proves_by(self) -> str:
        """The `client_auth` that is meant."""
        if self.client_auth is not None:
            return self.client_auth
        return "client_secret_basic" if self.client_secret_file else "private_key_jwt" if self.private_key else "none"
