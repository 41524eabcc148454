"""What every mapping of the configuration has in common."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A mapping of the configuration: cannot be changed once read, knows all its keys, shows no input in errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
