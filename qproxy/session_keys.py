"""The keys with which sessions are sealed, as the configuration names them.

Whoever can read them can read all that the store keeps, and may administer sessions. Nothing here repeats a key.
"""

from qproxy.config import SessionsConfig
from qproxy.secret_files import parse_key, read_key


def configured_keys(sessions: SessionsConfig) -> list[bytes]:
    """Newest first; none where a memory store was given none. Raises SecretError."""
    if sessions.key is not None:
        return [parse_key(sessions.key.get_secret_value())]
    return [read_key(path) for path in sessions.key_file or ()]
