"""What a login carries from one step to the next, sealed: through an identity provider and back, or through a form.

Nothing is remembered here, so nobody can fill a memory with logins that never end: the text itself holds it, and only
where it is too long for its way (SAML) the notes do. It is bound to the browser, the virtual proxy and the way to log
in, is good for ten minutes, and brings a browser back once.
"""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from qproxy.auth.deep_link import LoginState
from qproxy.auth.login_keys import LoginKeys
from qproxy.notes import Notes

SECONDS: Final = 600.0
_NOTED: Final = re.compile(r"[A-Za-z0-9_-]{43}")
"""Instead of the text its name in the notes; what is sealed is always longer."""


@dataclass(frozen=True, slots=True)
class Step:
    """What came back: where the person wanted to go, and what the method kept."""

    state: LoginState
    kept: Mapping[str, str] = field(repr=False)
    mark: str = ""


class Transactions:
    """`clock`: seconds since the epoch."""

    def __init__(self, keys: LoginKeys, notes: Notes, clock: Callable[[], float]) -> None:
        self._keys = keys
        self._notes = notes
        self._clock = clock

    async def keep(self, state: LoginState, kept: Mapping[str, str], bound: str, limit: int, by: str) -> str:
        """A text of at most `limit` bytes, 43 at least, which `come_back` reads with the same `bound`. `by`: the
        network that begins it. May raise StoreUnavailable."""
        text = self.seal(state, kept, bound)
        if len(text) <= limit:
            return text
        name = secrets.token_urlsafe(32)
        await self._notes.put(_note(name), text.encode(), self._clock() + SECONDS, by)
        return name

    def seal(self, state: LoginState, kept: Mapping[str, str], bound: str) -> str:
        content = {
            "at": self._clock(),
            "mark": secrets.token_urlsafe(16),
            "next": state.next,
            "relogin": state.relogin,
            "kept": dict(kept),
        }
        return self._keys.seal(json.dumps(content, separators=(",", ":")).encode(), bound)

    async def come_back(self, text: str, bound: str) -> Step | None:
        """None for what was not kept for `bound`, is too old or came back before. May raise StoreUnavailable."""
        if _NOTED.fullmatch(text):
            text = (await self._notes.take(_note(text)) or b"").decode()
        step = self.open(text, bound)
        if step is None or not await self._notes.once(f"login came back {step.mark}", self._clock() + SECONDS):
            return None
        return step

    def open(self, text: str, bound: str) -> Step | None:
        """As often as one likes: what a form brings back."""
        plain = self._keys.unseal(text, bound) if text else None
        content: dict[str, Any] = json.loads(plain) if plain else {}
        if not content or not 0 <= self._clock() - content["at"] + 1 < SECONDS:
            return None
        return Step(LoginState(content["next"], content["relogin"]), content["kept"], content["mark"])


def _note(name: str) -> str:
    return f"login step {name}"
