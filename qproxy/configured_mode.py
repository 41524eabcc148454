"""The mode that a virtual proxy's file names, opened: the API of each of its nodes, and their doors for tickets.

Must not judge the configuration (config.rules does) nor decide when QPS is told of what (modes does).
"""

from collections.abc import Callable

from qproxy import tls
from qproxy.config import PublicConfig, VirtualProxyConfig
from qproxy.config.fields import bracketed
from qproxy.modes import Mode, SessionApi, Site, Tickets
from qproxy.qps import Caller, Door, Place, QpsApi
from qproxy.sessions.front import Sessions

KINDS: dict[str, type[Mode]] = {"session_module": Mode, "session_api": SessionApi, "ticket": Tickets}


def open_mode(
    config: VirtualProxyConfig, public: PublicConfig, sessions: Sessions, count: Callable[[str, str, str], None]
) -> Mode:
    """`count(vp, call, outcome)` counts calls of the API. Raises OSError, ssl.SSLError, SecretError."""

    def counted(call: str, outcome: str) -> None:
        count(config.name, call, outcome)

    if config.qps_api is None:
        return Mode(Site(config.name, sessions, counted))
    caller = Caller(config.qps_api.timeout)
    site = Site(
        config.name,
        sessions,
        counted,
        nodes=[f"{node.host}:{node.port}" for node in config.upstreams],
        apis=_apis(config, caller),
        doors=_doors(config, public, caller) if config.mode == "ticket" else (),
        caller=caller,
    )
    return KINDS[config.mode](site)


def _apis(config: VirtualProxyConfig, caller: Caller) -> list[QpsApi]:
    """The client certificate is in this context, which is used for these addresses only."""
    assert config.qps_api is not None
    context = tls.upstream_context(config.qps_api)
    return [
        QpsApi(caller, Place(str(url), context, config.qps_api.server_name), config.prefix)
        for url in config.qps_api.of(node.host for node in config.upstreams)
    ]


def _doors(config: VirtualProxyConfig, public: PublicConfig, caller: Caller) -> list[Door]:
    context = tls.upstream_context(config.upstream_tls) if config.upstream_tls else None
    server_name = config.upstream_tls.server_name if config.upstream_tls else None
    return [
        Door(
            caller,
            Place(f"{node.scheme}://{bracketed(node.host)}:{node.port}", context, server_name),
            public.host,
            config.path,
            config.cookie_name,
        )
        for node in config.upstreams
    ]
