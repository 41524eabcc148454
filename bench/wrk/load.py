"""load, where no C compiler is: wrk plays the browsers (bench/without_cc.py has it started).

    load.py http --port P [--host 127.0.0.1] [--tls --ca FILE --server-name NAME] [--connections N]
            (--seconds S | --count N) --requests FILE --expect BYTES [--hold]

Command line and JSON are those of bench/c/load.c, in the one mode that wrk knows. This program becomes wrk, and what
it has to say load.lua says. wrk believes every certificate, so one connection goes before it that does not.
"""

import argparse
import os
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

SCRIPT = Path(__file__).resolve().with_suffix(".lua")
LONGEST_S = 60
"""After which wrk ends by itself, whatever is still missing."""
PATIENCE_S = 10.0


def options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="load")
    parser.add_argument("mode", choices=["http"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--ca")
    parser.add_argument("--server-name")
    parser.add_argument("--connections", type=int, default=1)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--seconds", type=float, default=0.0)
    length.add_argument("--count", type=int, default=0)
    parser.add_argument("--requests", required=True)
    parser.add_argument("--expect", type=int, required=True)
    parser.add_argument("--hold", action="store_true")
    given = parser.parse_args(words)
    if given.tls and not (given.ca and given.server_name):
        parser.error("--tls needs --ca and --server-name")
    return given


def verify(given: argparse.Namespace) -> None:
    """Raises OSError, of which ssl.SSLError is one."""
    context = ssl.create_default_context(cafile=given.ca)
    with (
        socket.create_connection((given.host, given.port), timeout=PATIENCE_S) as connection,
        context.wrap_socket(connection, server_hostname=given.server_name),
    ):
        pass


def command(given: argparse.Namespace, told: int) -> list[str]:
    """`told` is the descriptor of what is standard output to who started this; wrk's own output is for people."""
    connections = min(given.connections, given.count or given.connections)
    url = f"https://{given.server_name}:{given.port}/" if given.tls else f"http://{given.host}:{given.port}/"
    wrk = ["wrk", "--threads", "1", "--connections", str(connections), "--script", str(SCRIPT)]
    wrk += ["--duration", f"{LONGEST_S}s", "--timeout", f"{LONGEST_S}s", url, "--"]
    plan = [given.requests, given.expect, connections, given.seconds, given.count, int(given.hold), told]
    return wrk + list(map(str, plan))


def main(words: Sequence[str]) -> None:
    given = options(words)
    if given.tls:
        verify(given)
    told = os.dup(1)
    os.set_inheritable(told, True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execvp("wrk", command(given, told))  # noqa: S606 - without a shell


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"load: {error}")
