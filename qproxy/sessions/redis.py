"""Sessions in Redis or Valkey, for several machines: one server, a master with replicas and Sentinels, or a Cluster.

What is kept there is what SQLite's file holds: hashes, keyed hashes, times, sealed records. All keys are in one slot,
so that a session, its indexes and its tombstone change, are replicated and are lost together, and marks have one order
(docs/decisions/0013). Must not be asked for each request: `front` is there for that.
"""

import logging
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError

from qproxy.model import End, Lifetime, Session, Tie, User
from qproxy.notes import Notes
from qproxy.sessions import redis_scripts as scripts
from qproxy.sessions.records import Records
from qproxy.sessions.redis_link import Link, facts
from qproxy.sessions.redis_notes import RedisNotes
from qproxy.sessions.redis_places import ask
from qproxy.sessions.redis_scripts import Script
from qproxy.sessions.redis_tries import RedisTries
from qproxy.sessions.store import StoreUnavailable, Tombstone, require_owner, same_user, store_key
from qproxy.tries import Tries

logger = logging.getLogger("qproxy.sessions")

AT_ONCE = 200
"""Records that one command reads or moves: a single-threaded server has others to serve."""
KEPT_ENDED_MS = 7 * 86_400_000
UNSURE = -1
"""A mark lower than any: what was acknowledged may be lost, so everything that is known is to be checked."""
MARK_BYTES = 32


@dataclass(frozen=True, slots=True)
class Keeping:
    """`keep`: seconds after which Redis forgets a session that nobody ended or swept; far beyond any lifetime.
    `replicas`: so many of those that are connected must have a login or a logout before it counts as done."""

    prefix: str = "qproxy"
    keep: float = 30 * 86400.0
    replicas: int = 1
    confirm: float = 1.5
    """Seconds that they may take."""


class RedisStore:
    """`keys`: secrets of at least 32 random bytes, the newest first."""

    def __init__(self, link: Link, keys: Sequence[bytes], keeping: Keeping | None = None) -> None:
        self._link = link
        self._records = Records(keys)
        self._keys_now = keys
        self._beside: list[RedisNotes | RedisTries] = []
        self._keeping = keeping or Keeping()
        self._tag = f"{{{self._keeping.prefix}}}:"
        self._history: str | None = None

    @property
    def refused(self) -> int:
        """How many records counted as not there because they could not be opened (for the metrics)."""
        return self._records.refused

    async def check(self) -> None:
        await self._link.do(self._ask_mark)

    async def put(self, session: Session) -> Session:
        key = store_key(session.vp, session.id)
        value = self._value(session, key)
        unreadable, marks = b"", b"".join(self._records.marks_of(session))
        while True:
            arguments = (value, key, session.created, session.last_seen, self._keep_ms, unreadable, session.vp, marks)
            found = await self._link.do(partial(self._confirmed, scripts.PUT, self._keys(session.vp, key), arguments))
            if found is None:
                return session
            if (kept := self._open(key, *found)) is not None:
                return require_owner(kept, session)
            unreadable = found[0]  # counts as not there, so it is replaced, unless somebody else was faster

    async def get(self, vp: str, session_id: str) -> Session | None:
        return await self._get(vp, store_key(vp, session_id))

    async def link(self, session: Session, qlik_id: str) -> Session | None:
        def linked(kept: Session) -> Session | None:
            return replace(kept, qlik_id=qlik_id) if kept.qlik_id == session.qlik_id else None

        return await self._exchange(session, linked, scripts.EXCHANGE)

    async def tied(self, vp: str, key: str) -> list[Session]:
        members: list[bytes] = []
        for mark in self._records.tie_marks(vp, key):
            members += await self._command(
                "ZRANGEBYLEX", self._key("ties", vp), b"[" + mark, b"[" + mark + b"\xff" * 33
            )
        found = [await self._get(vp, member[MARK_BYTES:]) for member in members]
        return [one for one in found if one is not None and one.vp == vp and key in one.tie.keys]

    async def retie(self, session: Session, tie: Tie) -> Session | None:
        def retied(kept: Session) -> Session | None:
            return replace(kept, tie=tie) if kept.tie == session.tie else None

        marks = b"".join(self._records.marks_of(replace(session, tie=tie)))
        key = store_key(session.vp, session.id)
        return await self._exchange(session, retied, scripts.RETIE, (key, self._keep_ms, marks))

    async def of_user(self, vp: str, user: User) -> list[Session]:
        members: list[bytes] = []
        for mark in self._records.user_marks(vp, user):
            members += await self._command(
                "ZRANGEBYLEX", self._key("users", vp), b"[" + mark, b"[" + mark + b"\xff" * 33
            )
        numbered: list[tuple[float, Session]] = []
        for by_qlik in (False, True):
            numbers = await self._command("ZMSCORE", self._index("order", vp, by_qlik), *members) if members else []
            here = {one: float(number) for one, number in zip(members, numbers, strict=True) if number is not None}
            found = await self._fetch(vp, by_qlik, here)
            numbered += [(here[member], session) for member, session in found.items() if session is not None]
        his = [session for _, session in sorted(numbered, key=lambda pair: pair[0])]
        return [session for session in his if session.vp == vp and same_user(session.user, user)]

    async def seen(self, times: Mapping[tuple[str, str], float]) -> None:
        """Some hundred at a time, each of which only moves forward: what was done before a trouble may stay done."""
        by_vp: dict[str, list[tuple[bytes, float]]] = {}
        for (vp, session_id), time in times.items():
            by_vp.setdefault(vp, []).append((store_key(vp, session_id), time))
        for vp, moved in by_vp.items():
            indexes = [self._index("seen", vp, by_qlik) for by_qlik in (False, True)]
            for start in range(0, len(moved), AT_ONCE):
                some = moved[start : start + AT_ONCE]
                keys = [*indexes, *(self._record(key) for key, _ in some)]
                await self._link.do(partial(_run, scripts.SEEN, keys, tuple(one for pair in some for one in pair)))

    async def delete(self, vp: str, session_id: str, why: End, now: float) -> Session | None:
        return await self._delete(vp, store_key(vp, session_id), why, now)

    async def mark(self) -> int:
        """Once UNSURE after another server, or a restarted one, has become the master: it may have missed something."""
        mark, history = await self._link.do(self._ask_mark)
        before, self._history = self._history, history
        if before is None or before == history:
            return mark
        logger.warning("sessions: Redis has another master than before: every session that is known here is checked")
        return UNSURE

    async def ended_since(self, mark: int) -> list[Tombstone]:
        left = await self._command("ZRANGEBYSCORE", self._key("ended"), f"({mark}", "+inf")
        return [_tombstone(one) for one in left]

    async def forget_ended(self, before: float) -> None:
        keys = self._keys("", b"")
        while await self._link.do(partial(_run, scripts.FORGET_ENDED, keys, (before,))) == scripts.FORGOTTEN_AT_ONCE:
            pass

    async def expired(self, vp: str, by_qlik: bool, lifetime: Lifetime, now: float, limit: int) -> list[Session]:
        """Records that cannot be opened are nobody's: they are removed when their time is over."""
        members: dict[bytes, None] = {}
        for what, latest in (("created", now - lifetime.absolute), ("seen", now - lifetime.idle)):
            index = self._index(what, vp, by_qlik)
            found = await self._command("ZRANGEBYSCORE", index, "-inf", latest, "LIMIT", 0, limit)
            members.update(dict.fromkeys(found))
        sessions = await self._fetch(vp, by_qlik, list(members)[:limit])
        for member in [member for member, session in sessions.items() if session is None]:
            await self._delete(vp, member[MARK_BYTES:], End.ABSOLUTE, now)
        return [session for session in sessions.values() if session is not None]

    async def count(self, vp: str, by_qlik: bool) -> int:
        return int(await self._command("ZCARD", self._index("order", vp, by_qlik)))

    async def oldest_by_qlik(self, vp: str, limit: int) -> list[Session]:
        found = await self._command("ZRANGEBYSCORE", self._index("order", vp, True), "-inf", "+inf", "LIMIT", 0, limit)
        return [session for session in (await self._fetch(vp, True, found)).values() if session is not None]

    async def each(self, vp: str | None = None) -> AsyncIterator[Session]:
        """All that are kept, or those of one virtual proxy, each once, in no order."""
        vps = [name.decode() for name in await self._command("SMEMBERS", self._key("vps"))] if vp is None else [vp]
        for index, one, by_qlik in [(self._index("order", one, q), one, q) for one in vps for q in (False, True)]:
            after = b"-inf"
            while found := await self._command(
                "ZRANGEBYSCORE", index, after, "+inf", "WITHSCORES", "LIMIT", 0, AT_ONCE
            ):
                after = b"(" + found[-1]
                for session in (await self._fetch(one, by_qlik, found[::2])).values():
                    if session is not None:
                        yield session

    def notes(self, clock: Callable[[], float]) -> Notes:
        notes = RedisNotes(self._confirm, self._command, self._tag, self._keys_now, clock)
        self._beside.append(notes)
        return notes

    def tries(self, clock: Callable[[], float]) -> Tries:
        """Not confirmed by replicas: a try that is lost is one guess more."""
        tries = RedisTries(self._script, self._command, self._tag, self._keys_now, clock)
        self._beside.append(tries)
        return tries

    def use_keys(self, keys: Sequence[bytes]) -> None:
        self._keys_now = keys
        self._records.use_keys(keys)
        for one in self._beside:
            one.use_keys(keys)

    async def close(self) -> None:
        await self._link.close()

    # Steps of the above

    async def _get(self, vp: str, key: bytes) -> Session | None:
        found = await self._link.do(partial(_run, scripts.GET, self._keys(vp, key), (key,)))
        return None if found is None else self._open(key, *found)

    async def _exchange(
        self,
        session: Session,
        changed: Callable[[Session], Session | None],
        script: Script,
        more: tuple[Any, ...] = (),
    ) -> Session | None:
        """What is kept in the end; `changed` gives None for a record that is to stay as it is."""
        key = store_key(session.vp, session.id)
        keys = self._keys(session.vp, key)
        while (found := await self._link.do(partial(_run, scripts.GET, keys, (key,)))) is not None:
            kept = self._open(key, *found)
            new = None if kept is None else changed(kept)
            if new is None:
                return kept
            value = found[0][: 1 + MARK_BYTES] + self._records.seal(new, key)
            if await self._link.do(partial(self._confirmed, script, keys, (found[0], value, *more))):
                return new
        return None

    async def _delete(self, vp: str, key: bytes, why: End, now: float) -> Session | None:
        arguments = (key, vp, why.value, repr(now), secrets.token_bytes(16), KEPT_ENDED_MS)
        found = await self._link.do(partial(self._confirmed, scripts.DELETE, self._keys(vp, key), arguments))
        return None if found is None else self._open(key, *found)

    async def _fetch(self, vp: str, by_qlik: bool, members: Iterable[bytes]) -> dict[bytes, Session | None]:
        """The sessions by their members of the indexes; None is a record that cannot be opened. What has expired, or
        was ended meanwhile, is left out."""
        found: dict[bytes, Session | None] = {}
        wanted = list(members)
        for start in range(0, len(wanted), AT_ONCE):
            some = wanted[start : start + AT_ONCE]
            values = await self._command("MGET", *(self._record(member[MARK_BYTES:]) for member in some))
            times = await self._command("ZMSCORE", self._index("seen", vp, by_qlik), *some)
            for member, value, time in zip(some, values, times, strict=True):
                if value is None:
                    await self._forget_orphan(vp, member)
                elif time is not None:
                    found[member] = self._open(member[MARK_BYTES:], value, time)
        return found

    async def _forget_orphan(self, vp: str, member: bytes) -> None:
        keys = self._keys(vp, member[MARK_BYTES:])
        await self._link.do(partial(_run, scripts.FORGET_ORPHAN, keys, (member,)))

    async def _command(self, *words: Any) -> Any:
        return await self._link.do(lambda connection: ask(connection, *words))

    async def _script(self, script: Script, keys: list[str], arguments: tuple[Any, ...]) -> Any:
        return await self._link.do(partial(_run, script, keys, arguments))

    async def _confirm(self, script: Script, keys: list[str], arguments: tuple[Any, ...]) -> Any:
        return await self._link.do(partial(self._confirmed, script, keys, arguments))

    async def _confirmed(
        self, script: Script, keys: list[str], arguments: tuple[Any, ...], connection: AbstractConnection
    ) -> Any:
        """WAIT speaks of what was written over the same connection. Raises StoreUnavailable when replicas that follow
        do not have it in time: then it may be kept, or be lost, and has to be asked for again."""
        answer = await _run(script, keys, arguments, connection)
        following = (await ask(connection, "INFO", "replication")).count(b"state=online")
        wanted = min(self._keeping.replicas, following)
        if wanted and await ask(connection, "WAIT", wanted, int(self._keeping.confirm * 1000)) < wanted:
            raise StoreUnavailable(
                f"the session store has not written to {wanted} replica(s) within {self._keeping.confirm:g} s:"
                " check their links to the master, or lower sessions.redis.replicas"
            )
        return answer

    async def _ask_mark(self, connection: AbstractConnection) -> tuple[int, str]:
        """The mark, and which history of writes it belongs to: each master has its own."""
        form, mark = await _run(scripts.MARK, self._keys("", b""), (scripts.FORM,), connection)
        history = facts(await ask(connection, "INFO", "replication"))["master_replid"]
        if form != scripts.FORM:
            raise StoreUnavailable(
                f"the session store has form {form}, this qproxy knows {scripts.FORM}: update qproxy"
            )
        return mark, history

    def _value(self, session: Session, key: bytes) -> bytes:
        mark = self._records.user_marks(session.vp, session.user)[0]
        return (b"1" if session.by_qlik else b"0") + mark + self._records.seal(session, key)

    def _open(self, key: bytes, value: bytes, seen: bytes | None) -> Session | None:
        return self._records.open(value[1 + MARK_BYTES :], key, float(seen)) if seen else None

    @property
    def _keep_ms(self) -> int:
        return int(self._keeping.keep * 1000)

    def _keys(self, vp: str, key: bytes) -> list[str]:
        """In the order that the scripts expect."""
        whole = [self._key("meta"), self._record(key), self._key("gone", key.hex()), self._key("ended")]
        whole += [self._key("ended-at"), self._key("users", vp), self._key("vps")]
        whole += [self._index(what, vp, q) for q in (False, True) for what in ("created", "seen", "order")]
        return [*whole, self._key("ties", vp), self._key("tied", vp)]

    def _key(self, *words: str) -> str:
        return self._tag + ":".join(words)

    def _record(self, key: bytes) -> str:
        return self._key("session", key.hex())

    def _index(self, what: str, vp: str, by_qlik: bool) -> str:
        return self._key(what, "qlik" if by_qlik else "own", vp)


async def _run(script: Script, keys: Sequence[str], arguments: tuple[Any, ...], connection: AbstractConnection) -> Any:
    """The server knows a script by its hash once it has seen it."""
    words = (len(keys), *keys, *arguments)
    try:
        return await ask(connection, "EVALSHA", script.name, *words)
    except NoScriptError:
        return await ask(connection, "EVAL", script.text, *words)


def _tombstone(left: bytes) -> Tombstone:
    mark, why, at, rest = left.split(b" ", 3)
    return Tombstone(int(mark), rest[32:].decode(), rest[:32], float(at), End.of(why.decode()))
