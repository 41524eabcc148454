"""Who has to wait before the next try to log in, for administrators: a list, and an end to it.

    GET    /administration/throttle?name=&address=&all=true    who has to wait; with `all` every count
    DELETE /administration/throttle?name=|address=|all=true    these counts start afresh

A name is typed as people type it, and found in whichever spelling it is counted. Part of the administration, which has
checked who asks.
"""

import math
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from aiohttp import web

from qproxy.auth.guesses import Guesses, Slowed
from qproxy.auth.way import Way
from qproxy.clients import is_address, network_of
from qproxy.observe import Observer
from qproxy.observe.lines import stamp
from qproxy.web.administration_wire import BadWish
from qproxy.web.json_lines import answer, refusal, stream
from qproxy.web.session_module import peer_of

AT_ONCE: Final = 100
_WORDS: Final = ("name", "address", "all")
Wanted = Callable[[Slowed], bool]


class Desk(Protocol):
    @property
    def ways(self) -> Sequence[Way]: ...


class Throttled:
    """`desks` by name; looked at on each call."""

    def __init__(self, desks: Mapping[str, Desk], guesses: Guesses, observer: Observer) -> None:
        self._desks = desks
        self._guesses = guesses
        self._observer = observer

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Raises BadWish and StoreUnavailable."""
        said = _read(request)
        everybody = said.get("all") == "true"
        if request.method == "GET":
            wanted = self._wanted(said)
            return await self._listed(request, lambda one: wanted(one) and (everybody or one.wait > 0))
        if request.method != "DELETE":
            return refusal(405, "method not allowed", {"Allow": "GET, DELETE"})
        if [everybody, "name" in said, "address" in said].count(True) != 1:
            raise BadWish("say who need not wait any more: name=NAME, address=ADDRESS, or all=true")
        cleared = await self._guesses.clear(self._wanted(said))
        self._observer.audit("administration", action="throttle_clear", client=peer_of(request), count=cleared, **said)
        return answer(200, {"cleared": cleared})

    def _wanted(self, said: Mapping[str, str]) -> Wanted:
        methods = [way.method for desk in self._desks.values() for way in desk.ways]
        names = {(method.scope, method.counted_as(said["name"])) for method in methods} if "name" in said else None
        network = network_of(said["address"]) if "address" in said else None

        def wanted(one: Slowed) -> bool:
            return (names is None or (one.scope, one.name) in names) and (network is None or one.network == network)

        return wanted

    async def _listed(self, request: web.Request, wanted: Wanted) -> web.StreamResponse:
        def finished(count: int, complete: bool) -> None:
            self._observer.audit(
                "administration", action="throttle_list", client=peer_of(request), count=count, complete=complete
            )

        return await stream(request, "counts", self._steps(wanted), finished)

    async def _steps(self, wanted: Wanted) -> AsyncGenerator[list[dict[str, Any]], None]:
        ways: dict[str, list[str]] = {}
        for desk_name, desk in self._desks.items():
            for way in desk.ways:
                ways.setdefault(way.method.scope, []).append(f"{desk_name}/{way.name}")
        step: list[dict[str, Any]] = []
        async for one in self._guesses.each():
            if wanted(one):
                step.append(_shown(one, ways.get(one.scope, [])))
            if len(step) == AT_ONCE:
                yield step
                step = []
        if step:
            yield step


def _read(request: web.Request) -> dict[str, str]:
    said: dict[str, str] = {}
    for name, value in request.query.items():
        if name not in _WORDS or not value:
            raise BadWish(f"{name!r} is not understood, or empty: there are {', '.join(_WORDS)}")
        if name in said:
            raise BadWish(f"{name} is said twice")
        said[name] = value
    if "address" in said and not is_address(said["address"]):
        raise BadWish(f"{said['address']!r} is no address: one of the network, such as 192.0.2.7")
    if said.get("all", "true") not in ("true", "false"):
        raise BadWish(f"{said['all']!r} is neither true nor false")
    return said


def _shown(one: Slowed, ways: Sequence[str]) -> dict[str, Any]:
    """`ways` as VIRTUAL PROXY/WAY: those that count it together. `wait` in seconds."""
    return {
        "name": one.name,
        "network": one.network,
        "ways": sorted(ways),
        "tries": one.tries,
        "last": stamp(one.last),
        "wait": math.ceil(one.wait),
    }
