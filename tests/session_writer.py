"""A program for test_sqlite_store: writes sessions and says what the store acknowledged, until it is killed."""

import asyncio
import sys
from pathlib import Path

from some_sessions import START, a_session

from qproxy.model import End
from qproxy.sessions.sqlite import SqliteStore


def say(what: str, session_id: str) -> None:
    sys.stdout.write(f"{what} {session_id}\n")
    sys.stdout.flush()


async def write(path: Path, key: bytes) -> None:
    store = SqliteStore(path, [key])
    while True:
        session = await store.put(a_session())
        say("put", session.id)
        ended = await store.put(a_session())
        await store.seen({("sales", session.id): START + 1})
        say("seen", session.id)
        await store.delete("sales", ended.id, End.LOGOUT, START)
        say("deleted", ended.id)


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), bytes.fromhex(sys.argv[2])))
