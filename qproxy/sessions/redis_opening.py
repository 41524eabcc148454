"""From the configuration to a Redis store. Connects to nothing, and shows no password."""

import ssl
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from qproxy import tls
from qproxy.config import RedisConfig, RedisTlsConfig
from qproxy.config.fields import split_host_port
from qproxy.config.store_models import REDIS_PORT, SENTINEL_PORT
from qproxy.secret_files import read_secret
from qproxy.sessions.redis import Keeping, RedisStore
from qproxy.sessions.redis_link import Link
from qproxy.sessions.redis_places import Access, Address, ByCluster, BySentinels, OneServer, Places

LONGEST_ATTEMPT = 2.0
"""Seconds. What has not answered by then is asked again, perhaps elsewhere, while sessions.redis.timeout allows it."""


def redis_store(redis: RedisConfig, keys: Sequence[bytes], keep: float) -> RedisStore:
    """`keep`: seconds after which Redis itself forgets a session. Raises OSError, ssl.SSLError, SecretError."""
    attempt = min(LONGEST_ATTEMPT, redis.timeout / 2)
    context = _context(redis)
    password = _secret(redis.password, redis.password_file)
    access = Access(redis.username, password, redis.database, context, attempt)
    link = Link(_places(redis, access), access, redis.timeout)
    return RedisStore(link, keys, Keeping(redis.prefix, keep, redis.replicas, confirm=0.75 * attempt))


def _context(redis: RedisConfig) -> ssl.SSLContext | None:
    if redis.tls is None and (redis.url is None or redis.url.scheme != "rediss"):
        return None
    return tls.store_context(redis.tls or RedisTlsConfig())


def _places(redis: RedisConfig, access: Access) -> Places:
    if redis.sentinels:
        password = _secret(redis.sentinel_password, redis.sentinel_password_file)
        to_sentinels = Access(redis.sentinel_username, password, tls=access.tls, timeout=access.timeout)
        return BySentinels(_addresses(redis.sentinels, SENTINEL_PORT), redis.master, to_sentinels)
    if redis.cluster:
        return ByCluster(_addresses(redis.cluster, REDIS_PORT), redis.prefix, access)
    if redis.url is None:
        raise ValueError("the configuration names no server")
    return OneServer(Address(redis.url.host, redis.url.port))


def _addresses(written: Sequence[str], port: int) -> list[Address]:
    split = [split_host_port(one) for one in written]
    return [Address(host, given or port) for host, given in split]


def _secret(given: SecretStr | None, file: Path | None) -> str | None:
    if given is not None:
        return given.get_secret_value()
    return read_secret(file) if file is not None else None
