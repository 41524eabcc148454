"""What several parts of the configuration are made of. Must not know where in the files they stand."""

from pydantic import BaseModel, ConfigDict, Field

from qproxy.config.fields import Duration
from qproxy.model import Lifetime


class Part(BaseModel):
    """A mapping of the configuration: cannot be changed once read, knows all its keys, shows no input in errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class LifetimeConfig(Part):
    idle: Duration = Field(default=30 * 60, description="A session ends after this time without a request.")
    absolute: Duration = Field(default=10 * 3600, description="A session ends this long after its login.")

    @property
    def value(self) -> Lifetime:
        return Lifetime(self.idle, self.absolute)
