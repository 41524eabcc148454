"""The keys with which sessions are sealed, as the configuration names them, and as their files change meanwhile.

Whoever can read them can read all that the store keeps, and may administer sessions. Nothing here repeats a key.
"""

import logging
import secrets
from collections.abc import Callable, Sequence

from qproxy.config import SessionsConfig
from qproxy.key_files import in_order, read_keys
from qproxy.secret_files import KEY_BYTES, SecretError, parse_key

log = logging.getLogger("qproxy.keys")


def configured_keys(sessions: SessionsConfig, now: float) -> list[bytes]:
    """The one that seals at `now`, then those that only open; none where a memory store was given none.

    Raises SecretError.
    """
    if sessions.key is not None:
        return [parse_key(sessions.key.get_secret_value())]
    files = [in_order(read_keys(path), now) for path in sessions.key_file or ()]
    return list(dict.fromkeys(key.secret for keys in files for key in keys))


class SessionKeys:
    """Who uses keys is told when they change: a file is changed while qproxy runs, or a key's time comes.

    Raises SecretError at the start; later what cannot be read is logged, and the keys stay as they were.
    """

    def __init__(self, sessions: SessionsConfig, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._clock = clock
        self._users: list[Callable[[Sequence[bytes]], None]] = []
        self._trouble = ""
        self.configured = configured_keys(sessions, clock())
        self._of_this_run = secrets.token_bytes(KEY_BYTES)

    @property
    def current(self) -> list[bytes]:
        """The configured ones, or one for this run only, with which a memory store does."""
        return self.configured or [self._of_this_run]

    def tell(self, user: Callable[[Sequence[bytes]], None]) -> None:
        """Call it with the configured keys whenever they are others than before."""
        self._users.append(user)

    def look(self) -> None:
        """Reads the files again. Raises nothing."""
        try:
            found = configured_keys(self._sessions, self._clock())
        except SecretError as error:
            if self._trouble != str(error):
                log.error("session keys stay as they were: %s", error)
            self._trouble = str(error)
            return
        self._trouble = ""
        if found != self.configured:
            seals = "another" if found[:1] != self.configured[:1] else "the same"
            log.info("session keys changed: %d open, %s one seals", len(found), seals)
            self.configured = found
            for user in self._users:
                user(found)
