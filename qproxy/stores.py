"""Which store the configuration names. Opens nothing: a store connects when it is first asked."""

from pathlib import Path

from qproxy.config import Config, RedisConfig
from qproxy.sessions.memory import MemoryStore
from qproxy.sessions.sqlite import SqliteStore
from qproxy.sessions.store import Store

SPARE = 7 * 86400.0
"""Seconds beyond twice the longest lifetime after which Redis itself forgets a session that nobody swept."""


def session_store(config: Config, keys: list[bytes]) -> Store:
    """`keys`: the one that seals, then those that only open. Raises OSError, ssl.SSLError or SecretError for files that
    cannot be used."""
    sessions = config.server.sessions
    if sessions.store == "memory":
        return MemoryStore()
    if sessions.store == "redis":
        lifetimes = [sessions.by_qlik.lifetime, *(vp.lifetime for vp in config.virtual_proxies)]
        keep = 2 * max(lifetime.absolute for lifetime in lifetimes) + SPARE
        from qproxy.sessions.redis_opening import redis_store  # noqa: PLC0415 - needs what the extra [redis] installs

        return redis_store(sessions.redis or RedisConfig(), keys, keep)
    return SqliteStore(sessions.path or Path("sessions.db"), keys)
