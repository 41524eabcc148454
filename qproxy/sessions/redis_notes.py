"""Notes beside the sessions in Redis: see qproxy.notes. Found by keyed hashes, sealed, and forgotten by Redis itself.

Each is a key of its own with a time to live, in the slot of the sessions. What two machines do at once happens in one
script or one command.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from qproxy.sessions.redis_scripts import Script
from qproxy.sessions.sealing import Marker, Sealer

ONCE: Final = Script(
    """
for place = 1, #KEYS do if redis.call('EXISTS', KEYS[place]) == 1 then return 0 end end
redis.call('SET', KEYS[1], '', 'PX', ARGV[1])
return 1
"""
)
TAKE: Final = Script(
    """
local found = false
for place = 1, #KEYS do
  found = found or redis.call('GET', KEYS[place])
  redis.call('DEL', KEYS[place])
end
return found
"""
)
Ask = Callable[..., Awaitable[Any]]


class RedisNotes:
    """`run(script, keys, arguments)` and `ask(*words)` are the store's; `tag` begins all its keys."""

    def __init__(self, run: Ask, ask: Ask, tag: str, keys: Sequence[bytes], clock: Callable[[], float]) -> None:
        self._run = run
        self._ask = ask
        self._tag = tag
        self._marker = Marker(keys, "notes")
        self._sealer = Sealer(keys, "sealed notes")
        self._clock = clock

    def use_keys(self, keys: Sequence[bytes]) -> None:
        self._marker.use_keys(keys)
        self._sealer.use_keys(keys)

    async def once(self, key: str, until: float) -> bool:
        return bool(await self._run(ONCE, self._places(key), (self._left(until),)))

    async def put(self, key: str, value: bytes, until: float) -> None:
        place = self._places(key)[0]
        sealed = self._sealer.seal(value, self._marker.marks(key)[0])
        await self._ask("SET", place, sealed, "PX", self._left(until))

    async def take(self, key: str) -> bytes | None:
        return self._opened(key, await self._run(TAKE, self._places(key), ()))

    async def look(self, key: str) -> bytes | None:
        found = await self._ask("MGET", *self._places(key))
        return self._opened(key, next((value for value in found if value is not None), None))

    def _opened(self, key: str, value: bytes | None) -> bytes | None:
        if not value:
            return value
        opened = (self._sealer.open(value, mark) for mark in self._marker.marks(key))
        return next((plain for plain in opened if plain is not None), None)

    def _places(self, key: str) -> list[str]:
        return [f"{self._tag}note:{mark.hex()}" for mark in self._marker.marks(key)]

    def _left(self, until: float) -> int:
        return max(1, int((until - self._clock()) * 1000))
