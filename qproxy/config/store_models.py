"""What server.yaml may say of where sessions are kept. Only shapes, as in `models`."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, SecretStr, WithJsonSchema

from qproxy.config.fields import (
    Count,
    Duration,
    FilePath,
    FilePaths,
    Netlocs,
    bracketed,
    is_loopback,
    parse_whole,
    split_host_port,
)
from qproxy.config.names import check_line
from qproxy.config.parts import LifetimeConfig, Part

REDIS_PORT = 6379
SENTINEL_PORT = 26379

Line = Annotated[str, AfterValidator(check_line)]
Few = Annotated[int, Field(ge=0, le=15), BeforeValidator(parse_whole)]


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """`redis` or `rediss` with host and port; or `unix` with the path of a socket as host, and port 0."""

    scheme: str
    host: str
    port: int

    @property
    def local(self) -> bool:
        return self.scheme == "unix" or is_loopback(self.host)

    def __str__(self) -> str:
        return f"unix://{self.host}" if self.scheme == "unix" else f"{self.scheme}://{bracketed(self.host)}:{self.port}"


def parse_redis_url(value: object) -> RedisUrl:
    if isinstance(value, RedisUrl):
        return value
    scheme, separator, rest = value.partition("://") if isinstance(value, str) else ("", "", "")
    if not separator or scheme.lower() not in {"redis", "rediss", "unix"}:
        raise ValueError("must begin with rediss:// (TLS), redis:// or unix://")
    if scheme.lower() == "unix":
        if not rest.startswith("/") or "?" in rest:
            raise ValueError("must name the socket by its whole path: unix:///run/valkey/valkey.sock")
        return RedisUrl("unix", rest, 0)
    if "@" in rest:
        raise ValueError("must not hold a user name or password: they have keys of their own")
    if re.search("[/?#]", rest):
        raise ValueError("must end after the host or port: the database has a key of its own")
    host, port = split_host_port(rest)
    return RedisUrl(scheme.lower(), host, port or REDIS_PORT)


RedisPlace = Annotated[
    RedisUrl,
    PlainSerializer(str, return_type=str),
    PlainValidator(parse_redis_url),
    WithJsonSchema({"type": "string", "examples": ["rediss://redis.internal:6379"]}),
]


class RedisTlsConfig(Part):
    ca: FilePath | None = Field(
        default=None, description="PEM file: the only CA that may vouch for the servers, instead of the system's."
    )
    client_certificate: FilePath | None = Field(default=None, description="PEM file of a certificate to show.")
    client_key: FilePath | None = Field(default=None, description="PEM file of its private key.")
    client_key_password_file: FilePath | None = Field(default=None, description="File with its password.")


class RedisConfig(Part):
    url: RedisPlace | None = Field(default=None, description="One server: rediss://, redis:// or unix://.")
    sentinels: Netlocs = Field(default=(), description="Or: the Sentinels that know the master, host[:port].")
    master: Line = Field(default="mymaster", description="Name of that master.")
    cluster: Netlocs = Field(default=(), description="Or: some nodes of a Cluster, host[:port].")
    database: Few = Field(default=0, description="Database number; a Cluster has only 0.")
    username: Line | None = Field(default=None, description="User of the servers' access list.")
    password_file: FilePath | None = Field(default=None, description="File with the password.")
    password: SecretStr | None = Field(default=None, description="Instead of password_file: ${NAME} of a variable.")
    sentinel_username: Line | None = Field(default=None, description="User of the Sentinels' access list.")
    sentinel_password_file: FilePath | None = Field(default=None, description="File with the Sentinels' password.")
    sentinel_password: SecretStr | None = Field(default=None, description="Instead of that file: ${NAME}.")
    tls: RedisTlsConfig | None = Field(default=None, description="TLS, always verified; {} takes the system's CAs.")
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        default="qproxy", description="What all keys begin with, in braces; one for each site that shares a server."
    )
    replicas: Few = Field(
        default=1, description="So many of the replicas that follow must have a login or logout before it counts."
    )
    timeout: Duration = Field(default=5, description="An operation is given up after this time, retries included.")


class ByQlikLifetimeConfig(LifetimeConfig):
    """Qlik ends its sessions itself: these are only for what it forgets."""

    idle: Duration = Field(default=3600, description="One is forgotten after this time without a question for it.")
    absolute: Duration = Field(default=86400, description="One is forgotten this long after it was made.")


class ByQlikConfig(Part):
    cap: Count = Field(default=10_000, description="Most of them at one time.")
    lifetime: ByQlikLifetimeConfig = Field(default=ByQlikLifetimeConfig(), description="How long we keep them.")


class SessionsConfig(Part):
    store: Literal["sqlite", "memory", "redis"] = Field(
        default="sqlite", description="sqlite and redis survive a restart; redis serves several machines."
    )
    path: FilePath | None = Field(default=None, description="The SQLite file, in a writable directory.")
    key_file: FilePaths | None = Field(default=None, description="Or a list: the first encrypts, all decrypt.")
    key: SecretStr | None = Field(default=None, description="Instead of key_file: ${NAME} of a variable.")
    redis: RedisConfig | None = Field(default=None, description="The Redis or Valkey server, Sentinels or Cluster.")
    grace: Duration = Field(
        default=30, description="So long known sessions are served while the store cannot be asked."
    )
    by_qlik: ByQlikConfig = Field(
        default=ByQlikConfig(), description="Sessions that Qlik's proxy service makes and tells us of."
    )
