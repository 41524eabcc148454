"""The peers by name. Here is no choice of who is measured when."""

from collections.abc import Callable

from bench.peers.nginx import Nginx, nginx_64k
from bench.peers.peer import Kind, Peer
from bench.peers.qproxy import QProxy, qproxy_quiet

LINEUP: dict[str, Callable[[Kind], Peer]] = {
    "qproxy": QProxy,
    "qproxy-quiet": qproxy_quiet,
    "nginx": Nginx,
    "nginx-64k": nginx_64k,
}


def peer(name: str, kind: Kind = "plain") -> Peer:
    """The peer of that name, whose `Running.port` will be the one of `kind`. KeyError for a name that is not here."""
    return LINEUP[name](kind)
