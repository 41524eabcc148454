"""Runs a stand-in node alone, until a signal: what `qproxy sim` calls.

Says nothing itself; the caller announces the addresses.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qproxy.qliksim.loading import client_contexts, load, server_contexts
from qproxy.qliksim.node import QlikNode
from qproxy.qliksim.settings import AppSettings, SimConfig, VirtualProxySettings

DEMO_APPS = (
    AppSettings("11111111-0000-4000-8000-000000000001", "Sales", live=True),
    AppSettings("11111111-0000-4000-8000-000000000002", "Big layouts", layout_bytes=1 << 20),
    AppSettings("11111111-0000-4000-8000-000000000003", "Slow answers", delay_ms=3000),
)


@dataclass(frozen=True)
class SimOptions:
    """The command line's words. With `config`, the file says it all and the rest is left aside.

    `session_modules` are `prefix=URI`; a port of None is no listener.
    """

    config: Path | None = None
    http_port: int | None = 0
    https_port: int | None = None
    rest_port: int | None = 0
    control_port: int | None = None
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    module_ca: Path | None = None
    module_certificate: Path | None = None
    module_key: Path | None = None
    release: str = "2024-11"
    prefixes: Sequence[str] = ("sso",)
    session_modules: Sequence[str] = ()
    hosts: Sequence[str] = ("localhost", "127.0.0.1")


def config_of(options: SimOptions) -> SimConfig:
    """The settings that the options mean; raises ValueError for what does not fit together."""
    if options.config is not None:
        return load(options.config)
    modules = dict(each.partition("=")[::2] for each in options.session_modules)
    if unknown := set(modules) - set(options.prefixes):
        raise ValueError(f"session modules for unknown prefixes: {', '.join(sorted(unknown))}")
    return SimConfig(
        release=options.release,
        virtual_proxies=tuple(_virtual_proxy(prefix, modules, options.hosts) for prefix in options.prefixes),
        apps=DEMO_APPS,
        http_port=options.http_port,
        https_port=options.https_port,
        rest_port=options.rest_port,
        control_port=options.control_port,
        **_contexts(options),
    )


def _virtual_proxy(prefix: str, modules: dict[str, str], hosts: Sequence[str]) -> VirtualProxySettings:
    cookie = f"X-Qlik-Session-{prefix}" if prefix else "X-Qlik-Session"
    return VirtualProxySettings(
        prefix=prefix, cookie_name=cookie, session_module=modules.get(prefix, ""), host_allow=tuple(hosts)
    )


def _contexts(options: SimOptions) -> dict[str, Any]:
    contexts: dict[str, Any] = {}
    if options.certificate is not None:
        contexts |= server_contexts(options.certificate, options.key, options.client_ca)
    if options.module_ca is not None:
        contexts |= client_contexts(options.module_ca, options.module_certificate, options.module_key)
    return contexts


async def serve(options: SimOptions, announce: Callable[[QlikNode], None], stop: asyncio.Event | None = None) -> None:
    """Run a node until `stop` is set or a signal comes; `announce` is called once it listens."""
    stop = stop or asyncio.Event()
    node = QlikNode(config_of(options))
    if sys.platform != "win32":
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await node.start()
    try:
        announce(node)
        await stop.wait()
    finally:
        await node.stop()


def run(options: SimOptions, announce: Callable[[QlikNode], None]) -> int:
    """The command: 0 after a signal. Raises ValueError for options or a file that make no sense."""
    try:
        asyncio.run(serve(options, announce))
    except KeyboardInterrupt:  # Windows has no signal handlers in its loop
        return 0
    return 0
