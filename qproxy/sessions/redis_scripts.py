"""The Lua scripts of the Redis store: each is one step that happens as a whole or not at all.

All are given the same keys (`redis.RedisStore._keys`), which are in one slot of a Cluster. A member of an index is 32
bytes of user mark (in `ties`: of tie mark) and 32 bytes of store key; `tied` has the tie marks of each store key. A
record is one letter (1: made by Qlik's proxy service), the user mark, and the sealed session. Must not hold what can be
decided outside.
"""

from dataclasses import dataclass, field
from hashlib import sha1

FORGOTTEN_AT_ONCE = 1000

FORM = 1
"""Of the keys and records; a later one is left alone."""

KEYS = """
local meta, record, gone, ended, ended_at, users, vps =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local function index(value, what) return KEYS[8 + 3 * tonumber(string.sub(value, 1, 1)) + what] end
local function member(value, key) return string.sub(value, 2, 33) .. key end
local CREATED, SEEN, ORDER = 0, 1, 2
local ties, tied = KEYS[14], KEYS[15]
local function untie(key)
  local marks = redis.call('HGET', tied, key) or ''
  for start = 1, #marks, 32 do redis.call('ZREM', ties, string.sub(marks, start, start + 31) .. key) end
  redis.call('HDEL', tied, key)
end
local function tie(key, marks, keep)
  for start = 1, #marks, 32 do redis.call('ZADD', ties, 0, string.sub(marks, start, start + 31) .. key) end
  if marks ~= '' then redis.call('HSET', tied, key, marks) end
  redis.call('PEXPIRE', ties, keep)
  redis.call('PEXPIRE', tied, keep)
end
local function remove(value, key)
  local one = member(value, key)
  for what = CREATED, ORDER do redis.call('ZREM', index(value, what), one) end
  redis.call('ZREM', users, one)
  untie(key)
  redis.call('DEL', record)
end
"""

ASKED = """
-- Something is always written, so that a WAIT after it covers whatever an earlier attempt wrote on another connection.
redis.call('HSET', meta, 'asked', 1)
"""
IN_NEED = """
-- With a full memory the first write of a script must be one that frees some: people can log out, and are followed.
redis.call('HDEL', meta, '')
"""


@dataclass(frozen=True, slots=True)
class Script:
    text: str
    name: str = field(init=False)
    """By which the server knows it (EVALSHA)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", sha1(self.text.encode(), usedforsecurity=False).hexdigest())


PUT = Script(
    KEYS
    + ASKED
    + """
-- value, store key, created, seen, milliseconds to keep it, the kept value that it may replace, virtual proxy,
-- tie marks
local value, key, keep = ARGV[1], ARGV[2], ARGV[5]
local kept = redis.call('GET', record)
if kept and kept ~= ARGV[6] then
  return {kept, redis.call('ZSCORE', index(kept, SEEN), member(kept, key))}
end
if kept then remove(kept, key) end
local one = member(value, key)
redis.call('SET', record, value, 'PX', keep)
redis.call('ZADD', index(value, CREATED), ARGV[3], one)
redis.call('ZADD', index(value, SEEN), ARGV[4], one)
redis.call('ZADD', index(value, ORDER), redis.call('HINCRBY', meta, 'number', 1), one)
redis.call('ZADD', users, 0, one)
redis.call('SADD', vps, ARGV[7])
for what = CREATED, ORDER do redis.call('PEXPIRE', index(value, what), keep) end
redis.call('PEXPIRE', users, keep)
redis.call('PEXPIRE', vps, keep)
tie(key, ARGV[8], keep)
return false
"""
)

GET = Script(
    KEYS
    + """
local kept = redis.call('GET', record)
return kept and {kept, redis.call('ZSCORE', index(kept, SEEN), member(kept, ARGV[1]))}
"""
)

EXCHANGE = Script(
    KEYS
    + ASKED
    + """
-- the value that is expected, and another one for it; 1 also for who repeats it
local kept = redis.call('GET', record)
if kept == ARGV[1] then
  redis.call('SET', record, ARGV[2], 'KEEPTTL')
  return 1
end
return kept == ARGV[2] and 1 or 0
"""
)

RETIE = Script(
    KEYS
    + ASKED
    + """
-- as EXCHANGE; then store key, milliseconds to keep its marks, tie marks
local kept = redis.call('GET', record)
if kept == ARGV[1] then
  redis.call('SET', record, ARGV[2], 'KEEPTTL')
  untie(ARGV[3])
  tie(ARGV[3], ARGV[5], ARGV[4])
  return 1
end
return kept == ARGV[2] and 1 or 0
"""
)

DELETE = Script(
    KEYS
    + IN_NEED
    + ASKED
    + """
-- store key, virtual proxy, why, when, name of this call, milliseconds to keep the tombstone
-- What was removed is kept a minute under the name of the call: who repeats it, having lost the answer, gets it.
local key, call = ARGV[1], ARGV[5]
local kept = redis.call('GET', record)
if not kept then
  local before = redis.call('HMGET', gone, 'call', 'value', 'seen')
  return before[1] == call and {before[2], before[3]}
end
local seen = redis.call('ZSCORE', index(kept, SEEN), member(kept, key))
remove(kept, key)
redis.call('HSET', gone, 'call', call, 'value', kept, 'seen', seen or '')
redis.call('PEXPIRE', gone, 60000)
local mark = redis.call('HINCRBY', meta, 'mark', 1)
local left = string.format('%d %s %s ', mark, ARGV[3], ARGV[4]) .. key .. ARGV[2]
redis.call('ZADD', ended, mark, left)
redis.call('ZADD', ended_at, ARGV[4], left)
redis.call('PEXPIRE', ended, ARGV[6])
redis.call('PEXPIRE', ended_at, ARGV[6])
return {kept, seen}
"""
)

SEEN = Script(
    """
-- the two indexes of last-seen times, then records; store key and time of each record
redis.call('ZREM', KEYS[1], '')
for number = 3, #KEYS do
  local kept = redis.call('GET', KEYS[number])
  if kept then
    local one = string.sub(kept, 2, 33) .. ARGV[2 * number - 5]
    redis.call('ZADD', KEYS[1 + tonumber(string.sub(kept, 1, 1))], 'XX', 'GT', ARGV[2 * number - 4], one)
  end
end
return false
"""
)

FORGET_ORPHAN = Script(
    KEYS
    + """
-- member of which the record has expired
if redis.call('EXISTS', record) == 0 then
  for number = 6, 13 do
    if number ~= 7 then redis.call('ZREM', KEYS[number], ARGV[1]) end
  end
  untie(string.sub(ARGV[1], 33))
end
return false
"""
)

FORGET_ENDED = Script(
    KEYS
    + """
local old = redis.call('ZRANGEBYSCORE', ended_at, '-inf', '(' .. ARGV[1], 'LIMIT', 0, 1000)
for _, left in ipairs(old) do
  redis.call('ZREM', ended, left)
  redis.call('ZREM', ended_at, left)
end
return #old
"""
)

MARK = Script(
    KEYS
    + IN_NEED
    + """
-- It writes, so that who is no master any more, or may not write without its replicas, cannot answer.
redis.call('HSET', meta, 'asked', 1)
redis.call('HSETNX', meta, 'form', ARGV[1])
return {tonumber(redis.call('HGET', meta, 'form')), tonumber(redis.call('HGET', meta, 'mark') or 0)}
"""
)
