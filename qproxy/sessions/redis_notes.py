"""Notes beside the sessions in Redis: see qproxy.notes. Found by keyed hashes, sealed, and forgotten by Redis itself.

Each is a key of its own with a time to live, in the slot of the sessions. What two machines do at once happens in one
script or one command.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from qproxy import notes
from qproxy.sessions.redis_scripts import Script
from qproxy.sessions.sealing import Marker, Sealer

ONCE: Final = Script(
    """
for place = 1, #KEYS do if redis.call('EXISTS', KEYS[place]) == 1 then return 0 end end
redis.call('SET', KEYS[1], '', 'PX', ARGV[1])
return 1
"""
)
DROP: Final = """
-- The names of the lists stand in the note, in the same slot; ARGV[1] is the tag of all keys.
local function drop(place)
  local kept = redis.call('GET', place)
  redis.call('DEL', place)
  redis.call('ZREM', ARGV[1] .. 'notes-by-strangers', place)
  if kept and string.sub(kept, 1, 1) == 'm' then
    redis.call('ZREM', ARGV[1] .. 'notes-by:' .. string.sub(kept, 2, 65), place)
  end
  return kept
end
"""
TAKE: Final = Script(
    DROP
    + """
local found = false
for place = 1, #KEYS do found = drop(KEYS[place]) or found end
return found
"""
)
PUT_BY: Final = Script(
    DROP
    + """
-- The note, its maker's list, that of all strangers; tag, value, milliseconds, now, until, most of one, most of all.
drop(KEYS[1])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
for place = 2, 3 do
  local list = KEYS[place]
  redis.call('ZADD', list, ARGV[5], KEYS[1])
  redis.call('ZREMRANGEBYSCORE', list, '-inf', ARGV[4])
  local over = math.min(100, redis.call('ZCARD', list) - tonumber(ARGV[4 + place]))
  if over > 0 then
    for _, one in ipairs(redis.call('ZRANGE', list, 0, over - 1)) do
      drop(one)
      redis.call('ZREM', list, one)
    end
  end
  redis.call('PEXPIRE', list, ARGV[3])
end
return 1
"""
)
_BY: Final = b"m"
"""How the value of a stranger's note begins; the hash of who follows, 64 letters. What is sealed begins otherwise."""
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

    async def put(self, key: str, value: bytes, until: float, by: str = "") -> None:
        place = self._places(key)[0]
        sealed = self._sealer.seal(value, self._marker.marks(key)[0])
        if not by:
            await self._ask("SET", place, sealed, "PX", self._left(until))
            return
        maker = self._marker.marks(f"by {by}")[0].hex()
        lists = [f"{self._tag}notes-by:{maker}", f"{self._tag}notes-by-strangers"]
        times = (self._left(until), repr(self._clock()), repr(until))
        await self._run(
            PUT_BY,
            [place, *lists],
            (self._tag, _BY + maker.encode() + sealed, *times, notes.MOST_OF_ONE, notes.MOST_OF_STRANGERS),
        )

    async def take(self, key: str) -> bytes | None:
        return self._opened(key, await self._run(TAKE, self._places(key), (self._tag,)))

    async def look(self, key: str) -> bytes | None:
        found = await self._ask("MGET", *self._places(key))
        return self._opened(key, next((value for value in found if value is not None), None))

    def _opened(self, key: str, value: bytes | None) -> bytes | None:
        if not value:
            return value
        if value.startswith(_BY):
            value = value[65:]
        opened = (self._sealer.open(value, mark) for mark in self._marker.marks(key))
        return next((plain for plain in opened if plain is not None), None)

    def _places(self, key: str) -> list[str]:
        return [f"{self._tag}note:{mark.hex()}" for mark in self._marker.marks(key)]

    def _left(self, until: float) -> int:
        return max(1, int((until - self._clock()) * 1000))
