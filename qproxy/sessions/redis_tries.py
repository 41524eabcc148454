"""Tries counted beside the sessions in Redis: see qproxy.tries. Found by keyed hashes, sealed, forgotten in time.

One hash of all counts, and two indexes of it, by the last try and by how many; each step is one script.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from qproxy.sessions.redis_scripts import Script
from qproxy.sessions.sealing import Marker, Sealer
from qproxy.tries import FORGET_AFTER, ROOM, Label, Limits, Tried

KEPT_FORM: Final = re.compile(rb"(\d+) (\d+\.\d+) (\d+\.\d+) (.*)", re.DOTALL)
"""Count, last try, until when to wait, the sealed label."""
KEPT: Final = """
local all, by_last, by_count = KEYS[1], KEYS[2], KEYS[3]
local now, forget = tonumber(ARGV[1]), tonumber(ARGV[2])
local function drop(mark)
  redis.call('HDEL', all, mark)
  redis.call('ZREM', by_last, mark)
  redis.call('ZREM', by_count, mark)
end
local function put(mark, count, last, till, sealed)
  redis.call('HSET', all, mark, string.format('%d %.3f %.3f ', count, last, till) .. sealed)
  redis.call('ZADD', by_last, last, mark)
  redis.call('ZADD', by_count, count, mark)
end
local function read(mark)
  local kept = redis.call('HGET', all, mark)
  if not kept then return nil end
  local count, last, till, start = string.match(kept, '^(%d+) (%d+%.%d+) (%d+%.%d+) ()')
  if not count then return nil end
  return {tonumber(count), tonumber(last), tonumber(till), string.sub(kept, start)}
end
"""
TAKE: Final = Script(
    KEPT
    + """
-- now, seconds to remember, room, marks of each label; then for each label: free tries, longest wait, its sealed text,
-- its marks. A string of the seconds to wait, or of 0.
local room, marks = tonumber(ARGV[3]), tonumber(ARGV[4])
local found, wait = {}, 0
local function find(first, last)
  for place = first, last do
    local kept = read(ARGV[place])
    if kept then return kept end
  end
end
for place = 5, #ARGV, 3 + marks do
  local kept = find(place + 3, place + 2 + marks)
  if kept and math.abs(now - kept[2]) >= forget then kept = nil end
  if kept then wait = math.max(wait, math.min(kept[3] - now, tonumber(ARGV[place + 1]))) end
  found[place] = kept and kept[1] or 0
end
if wait > 0 then return string.format('%.3f', math.max(wait, 0.001)) end
for place = 5, #ARGV, 3 + marks do
  local count, free, till = found[place] + 1, tonumber(ARGV[place]), 0
  if count >= free then till = now + math.min(2 ^ (count - free), tonumber(ARGV[place + 1])) end
  for other = place + 4, place + 2 + marks do drop(ARGV[other]) end
  put(ARGV[place + 3], count, now, till, ARGV[place + 2])
end
for _, mark in ipairs(redis.call('ZRANGEBYSCORE', by_last, '-inf', now - forget, 'LIMIT', 0, 100)) do drop(mark) end
local over = math.min(100, redis.call('ZCARD', by_count) - room)
if over > 0 then
  for _, mark in ipairs(redis.call('ZRANGE', by_count, 0, over - 1)) do drop(mark) end
end
for place = 1, #KEYS do redis.call('PEXPIRE', KEYS[place], forget * 1000) end
return '0'
"""
)
SETTLE: Final = Script(
    KEPT
    + """
-- now, seconds to remember, how many marks start afresh; these, and those given back.
local dropped = tonumber(ARGV[3])
for place = 4, 3 + dropped do drop(ARGV[place]) end
for place = 4 + dropped, #ARGV do
  local kept = read(ARGV[place])
  if kept then drop(ARGV[place]) end
  if kept and kept[1] > 1 then put(ARGV[place], kept[1] - 1, kept[2], 0, kept[4]) end
end
return 1
"""
)
Ask = Callable[..., Awaitable[Any]]


class RedisTries:
    """`run(script, keys, arguments)` and `ask(*words)` are the store's; `tag` begins all its keys."""

    def __init__(
        self,
        run: Ask,
        ask: Ask,
        tag: str,
        keys: Sequence[bytes],
        clock: Callable[[], float],
        *,
        room: int = ROOM,
    ) -> None:
        self._run = run
        self._ask = ask
        self._keys = [f"{tag}tries", f"{tag}tries-by-last", f"{tag}tries-by-count"]
        self._marker = Marker(keys, "tries")
        self._sealer = Sealer(keys, "sealed tries")
        self._clock = clock
        self._room = room

    def use_keys(self, keys: Sequence[bytes]) -> None:
        self._marker.use_keys(keys)
        self._sealer.use_keys(keys)

    async def take(self, wanted: Mapping[Label, Limits]) -> float:
        arguments: list[Any] = []
        for label, limits in wanted.items():
            marks = self._marks(label)
            arguments += [limits.free, limits.longest, self._sealer.seal(json.dumps(label).encode(), marks[0]), *marks]
        count = len(marks)
        return float(
            await self._run(TAKE, self._keys, (repr(self._clock()), FORGET_AFTER, self._room, count, *arguments))
        )

    async def settle(self, dropped: Sequence[Label], given_back: Sequence[Label] = ()) -> None:
        first, others = ([mark for label in labels for mark in self._marks(label)] for labels in (dropped, given_back))
        await self._run(SETTLE, self._keys, (repr(self._clock()), FORGET_AFTER, len(first), *first, *others))

    async def each(self) -> AsyncIterator[Tried]:
        cursor: bytes | None = None
        while cursor != b"0":
            cursor, found = await self._ask("HSCAN", self._keys[0], cursor or 0, "COUNT", 500)
            for mark, kept in zip(found[::2], found[1::2], strict=True):
                tried = self._opened(mark, kept)
                if tried is not None and tried.counts(self._clock()):
                    yield tried

    def _opened(self, mark: bytes, kept: bytes) -> Tried | None:
        """None for what is not as it was written, or was sealed with a key that is no longer there."""
        found = KEPT_FORM.fullmatch(kept)
        label = self._sealer.open(found[4], mark) if found else None
        if found is None or label is None:
            return None
        return Tried(tuple(json.loads(label)), int(found[1]), float(found[2]), float(found[3]))

    def _marks(self, label: Label) -> list[bytes]:
        return self._marker.marks(json.dumps(label))
