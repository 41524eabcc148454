"""The peers by name. Here is no choice of who is measured when."""

from collections.abc import Callable

from bench.peers.caddy import Caddy
from bench.peers.haproxy import HAProxy
from bench.peers.naive import Naive
from bench.peers.nginx import Nginx, nginx_64k
from bench.peers.node import ConfigurableHttpProxy, NodeHttpProxy
from bench.peers.peer import Kind, Peer
from bench.peers.qproxy import QProxy, qproxy_quiet
from bench.peers.relay import Relay, relay_256k

LINEUP: dict[str, Callable[[Kind], Peer]] = {
    "qproxy": QProxy,
    "qproxy-quiet": qproxy_quiet,
    "nginx": Nginx,
    "nginx-64k": nginx_64k,
    "haproxy": HAProxy,
    "caddy": Caddy,
    "node-http-proxy": NodeHttpProxy,
    "configurable-http-proxy": ConfigurableHttpProxy,
    "naive": Naive,
    "relay": Relay,
    "relay-256k": relay_256k,
}


def peer(name: str, kind: Kind = "plain") -> Peer:
    """The peer of that name, whose `Running.port` will be the one of `kind`. KeyError for a name that is not here."""
    return LINEUP[name](kind)
