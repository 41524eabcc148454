"""What a new password has to be. It judges one password when it is chosen, never one that somebody logs in with.

It must not keep or log a password, and says what is wrong with it by a word.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from qproxy.auth.known_passwords import is_well_known
from qproxy.auth.passwords import LONGEST_PASSWORD
from qproxy.auth.user_file import name_key
from qproxy.breached import is_breached

SHORTEST: Final = 12
"""Characters."""


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """`breached`: the file of breached.py; `ask` says the same of a password, or raises BreachedError."""

    shortest: int = SHORTEST
    breached: Path | None = None
    ask: Callable[[str], bool] | None = None

    def problem(self, password: str, name: str) -> str:
        """ "" or a word of the table of texts. Blocking; raises BreachedError."""
        if len(password) < self.shortest or not password.strip():
            return "password_short"
        if len(password.encode(errors="replace")) > LONGEST_PASSWORD:
            return "password_long"
        if len(_without(password, name)) < self.shortest:
            return "password_name"
        if is_well_known(password):
            return "password_well_known"
        return "password_breached" if self._breached(password) else ""

    def _breached(self, password: str) -> bool:
        listed = self.breached is not None and is_breached(self.breached, password)
        return listed or (self.ask is not None and self.ask(password))

    def sentence(self, problem: str) -> str:
        """The same for an administrator."""
        return {
            "password_short": f"a password has at least {self.shortest} characters",
            "password_long": f"a password has at most {LONGEST_PASSWORD} bytes",
            "password_name": f"a password has at least {self.shortest} characters without the user name in it",
            "password_well_known": "too many people have this password: choose another one",
            "password_breached": "this password is known from a breach elsewhere: choose another one",
        }[problem]


def _without(password: str, name: str) -> str:
    """The password without the name in it, and without that of an e-mail address."""
    rest, whole = name_key(password), name_key(name)
    named = [part for part in (whole, whole.partition("@")[0]) if part and part in rest]
    for part in named:
        rest = rest.replace(part, "")
    return rest if named else password
