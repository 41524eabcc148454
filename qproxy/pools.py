"""The pool of a virtual proxy's Qlik nodes: made from what the configuration says, and its numbers for the metrics."""

from qproxy import tls
from qproxy.config import PublicConfig, VirtualProxyConfig
from qproxy.forwarding.node import Node, Rules
from qproxy.forwarding.pool import Pool
from qproxy.observe import Metrics

PROBE = "/qps/user"
"""QPS says here who somebody is, nobody included: never a redirect, and it makes no session for the question."""


def open_pool(config: VirtualProxyConfig, public: PublicConfig, connect: float) -> Pool:
    """`connect`: seconds that a node may take to be connected. Raises OSError, ssl.SSLError, SecretError."""
    context = tls.upstream_context(config.upstream_tls) if config.upstream_tls else None
    server_name = config.upstream_tls.server_name if config.upstream_tls else None
    nodes = [Node(node.host, node.port, context, server_name, node.drain) for node in config.upstreams]
    wanted = config.pool
    return Pool(nodes, connections=wanted.connections, idle=wanted.idle, connect=connect, rules=_rules(config, public))


def _rules(config: VirtualProxyConfig, public: PublicConfig) -> Rules:
    health = config.health
    return Rules(
        config.name,
        health.path or config.path + PROBE,
        public.host,
        health.interval,
        health.timeout,
        health.unhealthy_after,
        health.healthy_after,
        health.slow_start,
        config.wait_for_qlik,
    )


def fill_gauges(metrics: Metrics, vp: str, pool: Pool) -> None:
    for member in pool.members:
        counts = metrics.pool(vp, member.name)
        counts.up = member.health.up
        counts.open, counts.idle = member.open_count, member.resting
        counts.opened, counts.reused = member.opened, member.reused
    metrics.waiting_for_qlik(vp, pool.waiting)
