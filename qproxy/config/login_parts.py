"""What all ways to log in may say in a virtual proxy's file. Only shapes, as in `models`; no method is known here."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from qproxy.config.fields import Flag, Networks, Texts
from qproxy.config.mapping_models import WhoConfig
from qproxy.config.names import check_line
from qproxy.config.parts import Part

Line = Annotated[str, AfterValidator(check_line)]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$")]
Icon = Literal["building", "desktop", "door", "globe", "id-card", "key", "person", "phone", "shield"]


class HintConfig(Part):
    """For whom a way to log in is chosen without asking."""

    email_domains: Texts = Field(default=(), description="Of people who give their e-mail address on the login page.")
    networks: Networks = Field(default=(), description="Of browsers that open the login page.")


class LoginPart(Part):
    """What all methods have; `method` tells them apart."""

    method: str = Field(description="Which way to log in.")
    id: Id | None = Field(default=None, description="Its name in URLs and logs; by default that of the method.")
    name: Line | None = Field(default=None, description="What the login page calls it.")
    icon: Icon | None = Field(default=None, description="The picture beside that name, one of our own.")
    hint: HintConfig = Field(default=HintConfig(), description="For whom it is chosen without asking.")
    listed: Flag = Field(default=True, description="Whether the login page offers it; false: by a hint alone.")

    who: WhoConfig = Field(
        default=WhoConfig(), description="Who people are for Qlik, where it is not the same for all."
    )

    @property
    def names_by(self) -> tuple[str, ...]:
        """Claims of which the first that is there is the user id when nothing else is said; () where people type it."""
        return ()

    @property
    def known_as(self) -> str:
        return self.id or self.method
