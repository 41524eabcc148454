"""Rules between keys and between files: what each value alone cannot show.

A rule looks at checked models and yields findings; it opens nothing (`files` does) and prints nothing. What could
let in somebody who should stay out is refused; what only may be a mistake is a warning.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from itertools import product
from pathlib import Path

from qproxy.config.fields import Address, Network, is_loopback, split_host_port
from qproxy.config.models import (
    InternalConfig,
    LoggingConfig,
    PublicConfig,
    ServerConfig,
    VirtualProxyConfig,
)
from qproxy.config.parts import LifetimeConfig
from qproxy.config.store_models import RedisConfig, SessionsConfig
from qproxy.secret_files import HOW_TO_MAKE
from qproxy.settings import KeyPath

SERVER = "server"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one key of one file: `file` is "server" or a virtual proxy's name."""

    file: str
    path: KeyPath
    text: str
    warning: bool = False


def server_rules(server: ServerConfig) -> Iterator[Finding]:
    yield from _public(server.public, server.trusted_proxies)
    yield from _internal(server.internal)
    yield from _apart(server)
    yield from _sessions(server.sessions)
    yield from _lifetime(SERVER, ("sessions", "by_qlik", "lifetime"), server.sessions.by_qlik.lifetime)
    yield from _logging(server.logging)
    yield from _workers(server)
    where = everybody(server.trusted_proxies)
    if where is not None:
        text = "believes anybody's X-Forwarded-For: name the proxies that stand in front of qproxy"
        yield Finding(SERVER, ("trusted_proxies", *where), text, warning=True)


def everybody(networks: Sequence[Network]) -> tuple[int, ...] | None:
    """Where it stands that they hold every IPv4 or every IPv6 address: the number of the one that does, () when it
    takes several, None when they do not."""
    for number, network in enumerate(networks):
        if network.prefixlen == 0:
            return (number,)
    joined: tuple[Network, ...] = (
        *collapse_addresses(one for one in networks if isinstance(one, IPv4Network)),
        *collapse_addresses(one for one in networks if isinstance(one, IPv6Network)),
    )
    return () if any(network.prefixlen == 0 for network in joined) else None


def _logging(logging: LoggingConfig) -> Iterator[Finding]:
    if isinstance(logging.audit, Path) and logging.audit == logging.access:
        text = "is the access log's file too: the audit log's chain would be broken; give it a file of its own"
        yield Finding(SERVER, ("logging", "audit"), text)


def _public(public: PublicConfig, trusted: Sequence[Network]) -> Iterator[Finding]:
    outside = [number for number, address in enumerate(public.listen) if not address.loopback]
    if public.url.scheme == "http" and not is_loopback(public.url.host):
        yield Finding(SERVER, ("public", "url"), "may be http only on this machine (localhost): passwords need https")
    if public.url.scheme == "http" and public.tls:
        yield Finding(SERVER, ("public", "url"), "is http while public.tls is given: write https, or remove public.tls")
    if public.tls is None and outside and (not trusted or everybody(trusted) is not None):
        text = (
            f"would serve plain http on {public.listen[outside[0]]}: give public.tls, listen on 127.0.0.1,"
            " or name the TLS proxy in front of it in trusted_proxies"
        )
        yield Finding(SERVER, ("public", "listen", outside[0]), text)
    if public.client_ca and public.tls is None:
        yield Finding(SERVER, ("public", "client_ca"), "needs public.tls: certificates are shown within TLS only")
    if public.tls is None and public.url.scheme == "https" and not trusted:
        text = "has no tls and trusted_proxies is empty: everybody will seem to come from the TLS proxy's address"
        yield Finding(SERVER, ("public",), text, warning=True)


def _internal(internal: InternalConfig) -> Iterator[Finding]:
    outside = [number for number, address in enumerate(internal.listen) if not address.loopback]
    chosen = "allow" in internal.model_fields_set
    if outside and internal.client_ca is None and not chosen:
        text = (
            f"would let anybody who reaches {internal.listen[outside[0]]} make and end sessions:"
            " give internal.client_ca, or the callers' networks in internal.allow"
        )
        yield Finding(SERVER, ("internal", "listen", outside[0]), text)
    if not internal.allow:
        text = "is empty, so nobody could call: name the Qlik nodes' networks, or remove the key (this machine only)"
        yield Finding(SERVER, ("internal", "allow"), text)
    where = everybody(internal.allow)
    if internal.client_ca is None and where is not None:
        text = "is everybody: name the Qlik nodes' networks, or give internal.client_ca"
        yield Finding(SERVER, ("internal", "allow", *where), text)
    if internal.client_ca and internal.tls is None:
        yield Finding(SERVER, ("internal", "client_ca"), "needs internal.tls: certificates are shown within TLS only")
    if outside and internal.tls is None:
        text = "is plain http beyond this machine: session ids can be read on the way; give internal.tls"
        yield Finding(SERVER, ("internal", "listen", outside[0]), text, warning=True)
    yield from _internal_url(internal)


def _internal_url(internal: InternalConfig) -> Iterator[Finding]:
    if internal.url is None and internal.listen[0].wildcard:
        text = f"is needed: Qlik cannot call {internal.listen[0].host}; write the address under which it reaches qproxy"
        yield Finding(SERVER, ("internal", "url"), text)
    if internal.url and (internal.url.scheme == "https") != (internal.tls is not None):
        text = f"is {internal.url.scheme}, but internal.tls is {'given' if internal.tls else 'not given'}"
        yield Finding(SERVER, ("internal", "url"), text, warning=True)


def _apart(server: ServerConfig) -> Iterator[Finding]:
    """The session module must never answer on the public address."""
    for (number, internal), public in product(enumerate(server.internal.listen), server.public.listen):
        if _clash(internal, public):
            text = f"is the public listener's address too ({public}): choose another port"
            yield Finding(SERVER, ("internal", "listen", number), text)


def _clash(one: Address, other: Address) -> bool:
    if one.port != other.port or one.port == 0:
        return False
    named = "localhost" in {one.host, other.host} and one.loopback and other.loopback
    return one.host == other.host or one.wildcard or other.wildcard or named


def _sessions(sessions: SessionsConfig) -> Iterator[Finding]:
    if sessions.key is not None and sessions.key_file is not None:
        yield Finding(SERVER, ("sessions", "key"), "and sessions.key_file are both given: keep one of them")
    if sessions.store == "memory":
        text = "is memory: every restart logs everybody out, and a second machine knows none of these sessions"
        yield Finding(SERVER, ("sessions", "store"), text, warning=True)
        return
    if sessions.store == "sqlite" and sessions.path is None:
        text = "is needed by the sqlite store: where to keep sessions, such as /var/lib/qproxy/sessions.db"
        yield Finding(SERVER, ("sessions", "path"), text)
    if sessions.store == "redis":
        yield from _redis(sessions.redis or RedisConfig())
    if sessions.key is None and sessions.key_file is None:
        text = f"is needed by the {sessions.store} store, which encrypts what it keeps: {HOW_TO_MAKE}"
        yield Finding(SERVER, ("sessions", "key_file"), text)


def _redis(redis: RedisConfig) -> Iterator[Finding]:
    at: KeyPath = ("sessions", "redis")
    given = [name for name in ("url", "sentinels", "cluster") if getattr(redis, name)]
    if len(given) != 1:
        text = "is needed by the redis store: give one of url, sentinels and cluster"
        yield Finding(SERVER, at, text if not given else f"has {' and '.join(given)}: keep one of them")
    if redis.cluster and redis.database:
        yield Finding(SERVER, (*at, "database"), f"is {redis.database}, but a Cluster has only database 0")
    for name in ("password", "sentinel_password"):
        if getattr(redis, name) is not None and getattr(redis, f"{name}_file") is not None:
            yield Finding(SERVER, (*at, name), f"and {name}_file are both given: keep one of them")
    yield from _redis_tls(redis)


def _redis_tls(redis: RedisConfig) -> Iterator[Finding]:
    at: KeyPath = ("sessions", "redis")
    if redis.tls and redis.url and redis.url.scheme != "rediss":
        yield Finding(SERVER, (*at, "url"), f"is {redis.url.scheme}://, but tls is given: write rediss://")
    if redis.tls and (redis.tls.client_certificate is None) != (redis.tls.client_key is None):
        yield Finding(SERVER, (*at, "tls"), "needs client_certificate and client_key together, or neither")
    hosts = [redis.url.host] if redis.url and redis.url.scheme == "redis" else []
    if redis.tls is None:
        hosts += [split_host_port(one)[0] for one in (*redis.sentinels, *redis.cluster)]
    if any(not is_loopback(host) for host in hosts):
        text = "is spoken to without TLS: its password can be read on the way, and sessions be ended or kept alive"
        yield Finding(SERVER, at, f"{text}; use rediss://, or give tls", warning=True)


def _workers(server: ServerConfig) -> Iterator[Finding]:
    if server.workers != 1 and server.sessions.store == "memory":
        text = "cannot share sessions.store: memory: set workers to 1, or give sessions.path and key_file (sqlite)"
        yield Finding(SERVER, ("workers",), text)
    elif server.workers != 1 and sys.platform != "linux":
        text = "is for Linux, where processes can share a port: one process will serve here"
        yield Finding(SERVER, ("workers",), text, warning=True)


def _lifetime(file: str, path: KeyPath, lifetime: LifetimeConfig) -> Iterator[Finding]:
    if lifetime.idle > lifetime.absolute:
        yield Finding(file, (*path, "idle"), "is longer than absolute: a session would always end by absolute")


def vp_rules(vp: VirtualProxyConfig) -> Iterator[Finding]:
    yield from _upstreams(vp)
    yield from _upstream_tls(vp)
    yield from _mode(vp)
    yield from _lifetime(vp.name, ("lifetime",), vp.lifetime)
    if not vp.login and vp.anonymous != "always":
        yield Finding(vp.name, ("login",), "names no way to log in: give one, or set anonymous to always")
    if vp.login and vp.anonymous == "always":
        text = "is never used: with anonymous: always Qlik takes everybody for anonymous"
        yield Finding(vp.name, ("login",), text, warning=True)
    size = vp.static_attributes.size
    if size > vp.attributes_cap:
        yield Finding(vp.name, ("attributes",), f"take {size} bytes, attributes_cap is {vp.attributes_cap}")


def _upstreams(vp: VirtualProxyConfig) -> Iterator[Finding]:
    origins = [node.url for node in vp.upstreams]
    for number, origin in enumerate(origins):
        if origin.scheme != vp.upstream_scheme:
            yield Finding(
                vp.name, ("upstreams", number), "mixes http and https: all nodes must be reached the same way"
            )
        if origin in origins[:number]:
            yield Finding(vp.name, ("upstreams", number), "is listed twice")
        if origin.scheme == "http" and not is_loopback(origin.host):
            text = "is http: session cookies cross the network in the clear, and the cookie's name gets -HTTP"
            yield Finding(vp.name, ("upstreams", number), text, warning=True)

    if all(node.drain for node in vp.upstreams):
        text = "has drain: true at every node, so none is drained: people have to go somewhere"
        yield Finding(vp.name, ("upstreams",), text, warning=True)


def _upstream_tls(vp: VirtualProxyConfig) -> Iterator[Finding]:
    tls, schemes = vp.upstream_tls, {node.scheme for node in vp.upstreams}
    if tls is None and "https" in schemes:
        text = "is needed for https: `upstream_tls: {ca: root.pem}` with the site's root certificate from the QMC"
        yield Finding(vp.name, ("upstream_tls",), text)
    if tls and schemes == {"http"}:
        yield Finding(vp.name, ("upstream_tls",), "is given, but the upstreams are http: nothing would be verified")
    if tls and (tls.client_certificate is None) != (tls.client_key is None):
        yield Finding(vp.name, ("upstream_tls",), "needs client_certificate and client_key together, or neither")


def _mode(vp: VirtualProxyConfig) -> Iterator[Finding]:
    api = vp.qps_api
    if vp.mode != "session_module" and api is None:
        text = f"is {vp.mode}, which needs qps_api: the address and the client certificate for Qlik's API on port 4243"
        yield Finding(vp.name, ("mode",), text)
    for number, origin in enumerate(api.urls or () if api else ()):
        if origin.scheme != "https":
            text = "must be https: the client certificate is all that the API knows us by"
            yield Finding(vp.name, ("qps_api", "urls", number), text)
    if api and api.urls and len(api.urls) != len(vp.upstreams):
        text = f"are {len(api.urls)}, upstreams are {len(vp.upstreams)}: name the API of each node, in the same order"
        yield Finding(vp.name, ("qps_api", "urls"), text)


def rules_between(server: ServerConfig | None, vps: Sequence[VirtualProxyConfig]) -> Iterator[Finding]:
    for number, vp in enumerate(vps):
        for other in vps[:number]:
            if vp.prefix == other.prefix:
                yield Finding(vp.name, ("prefix",), f"{vp.prefix!r} is the prefix of {other.name}.yaml too")
            if vp.cookie_name.lower() == other.cookie_name.lower():
                text = f"{vp.cookie_name} is the cookie of {other.name}.yaml too: each virtual proxy needs its own"
                yield Finding(vp.name, ("cookie",), text)
        if server:
            yield from _with_server(server, vp)


def _with_server(server: ServerConfig, vp: VirtualProxyConfig) -> Iterator[Finding]:
    for number, node in enumerate(vp.upstreams):
        if str(node) in server.public.origins:
            text = "is qproxy's own public address: name the Qlik nodes by their internal names"
            yield Finding(vp.name, ("upstreams", number), text)
    for number, origin in enumerate(vp.allowed_origins):
        if origin.scheme == "http" and server.public.url.scheme == "https" and not is_loopback(origin.host):
            text = "is http: whoever is on its way to a browser can speak to Qlik in a person's name; let it be https"
            yield Finding(vp.name, ("allowed_origins", number), text, warning=True)
    if vp.same_site == "none" and server.public.url.scheme == "http":
        text = "is none, but the public url is http: browsers refuse such a cookie"
        yield Finding(vp.name, ("same_site",), text, warning=True)
