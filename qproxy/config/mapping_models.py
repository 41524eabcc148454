"""What the files may say of who somebody is for Qlik: `who`, for a virtual proxy and for each way to log in.

Only shapes, as in `models`; what fits together is judged in mapping_rules, what it means is qproxy.auth.mapping's.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from qproxy.config.fields import Networks, Texts, one_or_many
from qproxy.config.names import check_attributes, check_line, check_user_directory
from qproxy.config.parts import Part

DOMAIN = "DOMAIN"
"""What is no claim within a template: the domain that was cut from the user id, in capitals."""

_PLACE = re.compile(r"\{([^{}]+)\}")
_TEMPLATE = re.compile(r"(?:[^{}]|\{[^{}]+\})+")


def places(template: str) -> tuple[str, ...]:
    """The claims, and DOMAIN, of which a template is made."""
    return tuple(_PLACE.findall(template))


def filled(template: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: values[place[1]], template)


def check_template(value: str) -> str:
    if not _TEMPLATE.fullmatch(check_line(value)):
        raise ValueError("must be text with names of claims in braces, such as {preferred_username}")
    return value


def check_id_template(value: str) -> str:
    if not places(check_template(value)):
        raise ValueError("names no claim, as {preferred_username} does: everybody would be the same person")
    if DOMAIN in places(value):
        raise ValueError("cannot hold {DOMAIN}: the domain is cut from it")
    return value


def check_directory_template(value: str) -> str:
    return value if places(check_template(value)) else check_user_directory(value)


def check_domain(value: str) -> str:
    if value != "*" and (set(value) & set("*@\\ {}") or value.strip(".") != value or not check_line(value)):
        raise ValueError("must be a domain such as acme.example or ACME, or * for any")
    return value


def check_attribute(value: str) -> str:
    check_attributes({value: ()})
    return value


Line = Annotated[str, AfterValidator(check_line)]
Lines = Annotated[tuple[Line, ...], BeforeValidator(one_or_many, json_schema_input_type=Line | tuple[Line, ...])]
SomeLines = Annotated[Lines, Field(min_length=1)]
Domain = Annotated[str, AfterValidator(check_domain)]
Domains = Annotated[
    tuple[Domain, ...], BeforeValidator(one_or_many, json_schema_input_type=Domain | tuple[Domain, ...])
]


class AttributeConfig(Part):
    """One session attribute, from the claims of a person. Each step sees what the one before left over."""

    name: Annotated[str, AfterValidator(check_attribute)] = Field(description="What Qlik calls it.")
    claim: SomeLines = Field(description="The claims, or attributes of the directory, that hold it.")
    keep: Texts = Field(default=(), description="Patterns of the values that count, as they came; by default all.")
    take: Literal["all", "cn"] = Field(default="all", description="cn: of distinguished names only the first CN.")
    cut: Line | None = Field(default=None, description="What is taken from the beginning of values.")
    rename: Mapping[Line, Line] = Field(default={}, description="What values are called in Qlik.")


class PeopleConfig(Part):
    """A rule: it fits who fits all that it names."""

    users: Lines = Field(default=(), description=r"Patterns of user ids, or of DIRECTORY\id, as Qlik gets them.")
    claims: Mapping[Line, SomeLines] = Field(default={}, description="Claims, with patterns of their values.")
    networks: Networks = Field(default=(), description="Of the browser.")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not (self.users or self.claims or self.networks):
            raise ValueError("is an empty rule: say whom it is for, by users, claims or networks")
        return self


class WhoConfig(Part):
    user_id: Annotated[str, AfterValidator(check_id_template)] | None = Field(
        default=None, description="The user id, of claims in braces; by default what the method takes for it."
    )
    domains: Domains = Field(default=(), description=r"Domains that are cut from the user id: id@DOMAIN, DOMAIN\id.")
    case: Literal["keep", "lower", "upper"] = Field(default="keep", description="How the user id is written.")
    user_directory: Annotated[str, AfterValidator(check_directory_template)] | None = Field(
        default=None, description="The user directory: a text, a claim in braces, or {DOMAIN}."
    )
    attributes: tuple[AttributeConfig, ...] = Field(default=(), description="Session attributes, of claims.")
    deny: tuple[PeopleConfig, ...] = Field(default=(), description="Who is not let in, whatever `allow` says.")
    allow: tuple[PeopleConfig, ...] = Field(default=(), description="Who is let in.")
    otherwise: Literal["allow", "deny"] | None = Field(
        default=None, description="Who fits no rule; by default deny when there is an `allow`."
    )

    @property
    def lets_others_in(self) -> bool:
        return self.otherwise == "allow" or (self.otherwise is None and not self.allow)

    def over(self, whole: "WhoConfig") -> "WhoConfig":
        """This of one way to log in, and what the virtual proxy says of all where this says nothing. Its `deny` counts
        in any case."""
        said = {key: getattr(self, key) for key in self.model_fields_set} | {"deny": (*whole.deny, *self.deny)}
        return whole.model_copy(update=said)
