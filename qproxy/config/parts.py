"""What every mapping of the configuration is: read once, strict about its keys, silent about what was typed.

So that a family of keys may stand in a module of its own and still be used by `models`.
"""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A mapping of the configuration: cannot be changed once read, knows all its keys, shows no input in errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
