"""Memory, SQLite and Redis do the same as a dictionary, whatever is asked of them in whatever order."""

import asyncio
import tempfile
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from redis_servers import Node
from redis_stores import redis_store
from some_sessions import LIFETIME, START, a_key

from qproxy.model import Attributes, End, Session, Tie, User
from qproxy.sessions.memory import MemoryStore
from qproxy.sessions.sqlite import SqliteStore
from qproxy.sessions.store import IdTaken, Store, same_user, store_key

T = TypeVar("T")
VPS = st.sampled_from(["", "sales", "hr"])
IDS = st.sampled_from(["one", "two", "ünï", "x" * 200])
USERS = st.sampled_from([User("SSO", "john"), User("sso", "JOHN"), User("SSO", "mary"), User("S", "SOjohn")])
SECONDS = st.integers(0, 900)
TIE_KEYS = st.sampled_from(["sid 1", "sid 2", "sub änn"])
TIES = st.builds(Tie, st.lists(TIE_KEYS, max_size=3).map(tuple), st.just({"refresh": "r"}), st.just(5.0))


async def all_of(store: Store, vp: str | None) -> list[str]:
    return [session.id + session.vp async for session in store.each(vp)]


servers: list[Node] = []


@pytest.fixture(autouse=True, scope="module")
def server(redis_server: Node) -> Iterator[None]:
    servers.append(redis_server)
    yield
    servers.clear()


class Stores(RuleBasedStateMachine):
    """`kept` and `ended` are the model; an answer of each store must be the model's."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.TemporaryDirectory()
        self.key = a_key()
        self.stores: list[Store] = [MemoryStore(), self.sqlite(), redis_store(servers[0], self.key)]
        self.kept: dict[tuple[str, str], Session] = {}
        self.ended: list[tuple[int, bytes, float, End]] = []

    def sqlite(self) -> SqliteStore:
        return SqliteStore(Path(self.directory.name) / "sessions.db", [self.key])

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize()
    def usable(self) -> None:
        for store in self.stores:
            self.wait(store.check())

    @rule(vp=VPS, session_id=IDS, user=USERS, at=SECONDS, by_qlik=st.booleans())
    def put(self, vp: str, session_id: str, user: User, at: int, by_qlik: bool) -> None:
        session = Session(session_id, vp, user, Attributes((("n", str(at)),)), START + at, START + at, by_qlik)
        owner = self.kept.get((vp, session_id))
        for store in self.stores:
            try:
                assert self.wait(store.put(session)) == (owner or session)
            except IdTaken:
                assert owner is not None
                assert not same_user(owner.user, user)
        self.kept.setdefault((vp, session_id), session)

    @rule(vp=VPS, session_id=IDS, tie=TIES)
    def retie(self, vp: str, session_id: str, tie: Tie) -> None:
        session = self.kept.get((vp, session_id))
        if session is not None:
            self.kept[vp, session_id] = replace(session, tie=tie)
            for store in self.stores:
                assert self.wait(store.retie(session, tie)) == self.kept[vp, session_id]

    @rule(vp=VPS, key=TIE_KEYS)
    def tied(self, vp: str, key: str) -> None:
        named = [one.id for one in self.kept.values() if one.vp == vp and key in one.tie.keys]
        for store in self.stores:
            assert sorted(session.id for session in self.wait(store.tied(vp, key))) == sorted(named)

    @rule(vp=VPS, session_id=IDS, at=SECONDS, why=st.sampled_from(End))
    def delete(self, vp: str, session_id: str, at: int, why: End) -> None:
        session = self.kept.pop((vp, session_id), None)
        if session is not None:
            self.ended.append((len(self.ended) + 1, store_key(vp, session_id), START + at, why))
        for store in self.stores:
            assert self.wait(store.delete(vp, session_id, why, START + at)) == session

    @rule(times=st.dictionaries(st.tuples(VPS, IDS), SECONDS, max_size=4))
    def seen(self, times: dict[tuple[str, str], int]) -> None:
        for store in self.stores:
            self.wait(store.seen({place: START + at for place, at in times.items()}))
        for place in times.keys() & self.kept.keys():
            self.kept[place] = self.kept[place].seen(START + times[place])

    @rule(vp=VPS, by_qlik=st.booleans(), at=SECONDS)
    def expired(self, vp: str, by_qlik: bool, at: int) -> None:
        over = {one.id for one in self.group(vp, by_qlik) if one.over(LIFETIME, START + at)}
        for store in self.stores:
            found = self.wait(store.expired(vp, by_qlik, LIFETIME, START + at, limit=100))
            assert {session.id for session in found} == over

    @rule(vp=VPS, user=USERS)
    def of_user(self, vp: str, user: User) -> None:
        his = [one for one in self.kept.values() if one.vp == vp and same_user(one.user, user)]
        for store in self.stores:
            assert self.wait(store.of_user(vp, user)) == his

    @rule(vp=VPS, limit=st.integers(0, 3))
    def oldest(self, vp: str, limit: int) -> None:
        for store in self.stores:
            assert self.wait(store.oldest_by_qlik(vp, limit)) == self.group(vp, True)[:limit]

    @rule(vp=VPS | st.none())
    def each(self, vp: str | None) -> None:
        kept = {session.id + session.vp for session in self.kept.values() if vp in (None, session.vp)}
        for store in self.stores:
            assert sorted(self.wait(all_of(store, vp))) == sorted(kept)

    @rule(mark=st.integers(0, 20))
    def ended_since(self, mark: int) -> None:
        for store in self.stores:
            found = self.wait(store.ended_since(mark))
            assert [(left.mark, left.key, left.at, left.why) for left in found] == self.ended[mark:]

    @rule()
    def restart(self) -> None:
        self.wait(self.stores[1].close())
        self.stores[1] = self.sqlite()

    @invariant()
    def all_keep_the_same(self) -> None:
        for store in self.stores:
            for vp, session_id in self.kept:
                assert self.wait(store.get(vp, session_id)) == self.kept[vp, session_id]
            assert self.wait(store.count("sales", by_qlik=True)) == len(self.group("sales", True))

    def group(self, vp: str, by_qlik: bool) -> list[Session]:
        return [session for session in self.kept.values() if (session.vp, session.by_qlik) == (vp, by_qlik)]

    def teardown(self) -> None:
        for store in self.stores:
            self.wait(store.close())
        self.loop.close()
        self.directory.cleanup()


class TestStores(Stores.TestCase):  # type: ignore[misc,valid-type]
    settings = settings(
        max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
