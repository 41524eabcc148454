"""The data plane alone in a process of its own, so that its memory and its descriptors can be measured.

Run with the node's port; prints the port that it listens on, and serves until its input ends.
"""

import asyncio
import contextlib
import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def alone(node_port: int, *wrapper: str) -> Iterator[tuple[psutil.Process, int]]:
    """The process and its port. `wrapper`: a command in front, such as prlimit."""
    command = [*wrapper, sys.executable, "-m", "forwarding.alone", str(node_port)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            yield psutil.Process(child.pid), int(child.stdout.readline())
        finally:
            child.stdin.close()
            child.wait(timeout=10)


def resident(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


def proportional(process: psutil.Process) -> int:
    """PSS, in which shared pages are counted by their share, where the system tells it."""
    memory = process.memory_full_info()
    if sys.platform == "linux":
        return int(memory.pss)
    else:  # so that a type checker for another system sees only its own branch
        return int(memory.rss)


def descriptors(process: psutil.Process) -> int:
    if sys.platform == "win32":
        return int(process.num_handles())
    else:
        return int(process.num_fds())


def limit_descriptors(process: psutil.Process, most: int) -> None:
    if sys.platform == "linux":
        process.rlimit(psutil.RLIMIT_NOFILE, (most, most))


async def serve(node_port: int) -> None:
    from forwarding.plane import Straight  # noqa: PLC0415 - the process that only watches needs none of this

    from qproxy.forwarding.conduct import Limits, Timeouts  # noqa: PLC0415
    from qproxy.forwarding.listener import Listener  # noqa: PLC0415
    from qproxy.forwarding.node import Node  # noqa: PLC0415
    from qproxy.forwarding.pool import Pool  # noqa: PLC0415

    pool = Pool([Node("127.0.0.1", node_port)], connections=20_000)
    listener = Listener(Straight(pool), Timeouts(), Limits(20_000, 20_000), [pool])
    print(await listener.start("127.0.0.1", 0, None), flush=True)  # noqa: T201
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # as a whole qproxy does
    await asyncio.to_thread(sys.stdin.read)
    await listener.drain(0)


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
