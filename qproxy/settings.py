"""Reads one YAML file, guesses nothing, and remembers where everything stood.

YAML lets much pass that an administrator did not mean: the last of two equal keys wins, `no` is a boolean, `017` is
fifteen, an alias repeats a megabyte. Here a scalar is text until the schema says otherwise, and what is doubtful is a
problem with its file, line and column. This module knows no key of qproxy's; it never prints the value of a variable.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong or, as a warning, doubtful. Line and column count from 1; line 0 is none."""

    file: Path
    line: int
    column: int
    key: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else str(self.file)
        return f"{place}: {self.key}: {self.text}" if self.key else f"{place}: {self.text}"


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
