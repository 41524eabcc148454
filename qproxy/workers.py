"""How many processes serve as one qproxy, and with what each of them: decided before the first one is started.

Here is neither how they are started (crew.py) nor what they do (running.py).
"""

import contextlib
import gc
import importlib
import math
import os
import sys
from dataclasses import replace
from pathlib import Path

from qproxy import ports, running
from qproxy.config import Config
from qproxy.crew import Crew


def run(config: Config) -> int:
    """Serve, with as many workers as the configuration says, until SIGTERM or SIGINT; a second one ends all at once.
    The exit status."""
    count = how_many(config)
    return running.run(config) if count == 1 else running.guarded(config, lambda: _lead(config, count))


def how_many(config: Config) -> int:
    wanted = config.server.workers
    if not ports.can_be_shared():
        return 1
    return usable_cores() if wanted == "auto" else wanted


def usable_cores(cgroups: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int:
    """Cores that this process may run on, and no more than what its control group may use."""
    cores = os.cpu_count() or 1
    if sys.platform == "linux":
        cores = len(os.sched_getaffinity(0))
    with contextlib.suppress(OSError, ValueError, StopIteration):
        own = next(line for line in membership.read_text().splitlines() if line.startswith("0::"))
        quota, period = (cgroups / own[3:].strip("/") / "cpu.max").read_text().split()
        cores = min(cores, max(1, math.ceil(int(quota) / int(period))))
    return cores


def portion(config: Config, count: int) -> Config:
    """One worker's: what is limited for all is divided, so that all together keep to it."""
    limits = config.server.limits
    less = {name: math.ceil(getattr(limits, name) / count) for name in ("connections", "connections_per_address")}
    server = config.server.model_copy(update={"limits": limits.model_copy(update=less)})
    vps = []
    for vp in config.virtual_proxies:
        pool = vp.pool.model_copy(update={"connections": math.ceil(vp.pool.connections / count)})
        vps.append(vp.model_copy(update={"pool": pool}))
    return replace(config, server=server, virtual_proxies=tuple(vps))


def _lead(config: Config, count: int) -> int:
    with contextlib.ExitStack() as held:
        config = _hold_ports(config, held)
        running.introduce(config)
        with contextlib.suppress(ImportError):
            importlib.import_module(running.FAST_LOOP)  # here once, instead of in each worker
        gc.collect()
        gc.freeze()
        return Crew(portion(config, count), count, held).lead()


def _hold_ports(config: Config, held: contextlib.ExitStack) -> Config:
    server = config.server
    public = server.public.model_copy(update={"listen": tuple(ports.hold(one, held) for one in server.public.listen)})
    listen = tuple(ports.hold(one, held) for one in server.internal.listen)
    internal = server.internal.model_copy(update={"listen": listen})
    return replace(config, server=server.model_copy(update={"public": public, "internal": internal}))
