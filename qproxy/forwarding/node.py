"""Where a Qlik node is, and the rules by which the nodes of one virtual proxy are used: plain values."""

import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """One Qlik node. `server_name`: the name its certificate must carry; `tls` None: plain http. `drain`: used only
    when no other node is there."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    drain: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Rules:
    """`name` is the virtual proxy's, for the log. A check asks for `path`, with `host` as its Host, each `interval`
    seconds, and waits `timeout` seconds for the answer. `slow_start`: seconds in which a node that is back gets its
    whole share again. `wait`: seconds that a harmless request waits for a node when none can be reached."""

    name: str = ""
    path: str = "/qps/user"
    host: str = "localhost"
    interval: float = 5.0
    timeout: float = 3.0
    unhealthy_after: int = 3
    healthy_after: int = 2
    slow_start: float = 30.0
    wait: float = 0.0


RULES = Rules()
