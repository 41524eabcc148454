"""Which node a session belongs to: a rendezvous hash, so that every worker and machine finds the same one by itself.

Each node draws a number for each session, and the highest wins. A node that is added or taken out moves its own
sessions only. Pure.
"""

import hashlib
from collections.abc import Sequence


def ranking(affinity: str, nodes: Sequence[str]) -> tuple[int, ...]:
    """The numbers of the nodes, the session's own first, then whom it moves to when that one is not there."""
    drawn = [_draw(affinity, node)[:8] for node in nodes]
    return tuple(sorted(range(len(nodes)), key=lambda number: (drawn[number], nodes[number]), reverse=True))


def turn(affinity: str, node: str) -> float:
    """From 0 to 1: how large the share of a node that is back must be for this session to return to it. Drawn apart
    from the ranking, so that every session moves once, and not all of them first."""
    return int.from_bytes(_draw(affinity, node)[8:], "big") / 2**64


def _draw(affinity: str, node: str) -> bytes:
    return hashlib.blake2b(f"{node}\0{affinity}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
