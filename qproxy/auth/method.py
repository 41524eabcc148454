"""What a way to log in is given and what it may answer.

It exists so that passwords, identity providers and directories look alike to the login flow. It must not know HTTP
beyond names and values, and no answer may carry what the person typed as a secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from qproxy.model import Attributes


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """One step of a login: what the browser sent on behalf of the person.

    `form` is empty when the page is only being opened; `query` is that of the login URL, made by whoever made it.
    """

    vp: str
    address: str
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Field:
    """One input of the form. `label` is a word of the table of texts, or the text itself."""

    name: str
    label: str
    autocomplete: str = "off"
    secret: bool = False


class Reason(StrEnum):
    """Why a login was refused; the word stands in the audit log. WRONG never says which part was wrong."""

    WRONG = "wrong"
    THROTTLED = "throttled"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Ask:
    """The person has to fill in a form first."""

    fields: tuple[Field, ...]
    message: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    """The browser has to go elsewhere first: an absolute URL of an identity provider from the configuration."""

    url: str


@dataclass(frozen=True, slots=True)
class Accept:
    """The person is known. `directory` None means the virtual proxy's own user directory."""

    user_id: str
    directory: str | None = None
    attributes: Attributes = field(default_factory=Attributes)


@dataclass(frozen=True, slots=True)
class Refuse:
    """Not logged in. `text` is for the person (empty: the table's text for the reason); `retry_after` in seconds."""

    reason: Reason
    text: str = ""
    retry_after: int | None = None


Answer = Ask | Send | Accept | Refuse


class Method(Protocol):
    """A way to log in. `name` is how the configuration, the form and the audit log call it."""

    @property
    def name(self) -> str: ...

    async def step(self, request: LoginRequest) -> Answer:
        """Never raises for what a person typed; a broken backend is Refuse(UNAVAILABLE)."""
        ...

    async def close(self) -> None:
        """Lets go of threads and connections; no step is called afterwards."""
        ...
