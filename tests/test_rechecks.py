"""Identity providers are asked again, once for all workers; their no ends a session, and so does a long silence."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from some_sessions import JOHN, START, Clock
from waiting import eventually
from watched_store import WatchedStore, a_worker

from qproxy.auth import Answer, LoginRequest, Method, Unavailable
from qproxy.model import Attributes, End, Session, Tie
from qproxy.rechecks import AT_ONCE, LEAST, PAUSE, RETRY, Around, Rechecks
from qproxy.sessions.front import Sessions
from qproxy.sessions.memory_notes import MemoryNotes

EVERY = 40.0


class Provider(Method):
    """Renews a token each time; `answers` is what it does instead."""

    name = "idp"
    grace = 60.0

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.every = EVERY
        self.asked = 0
        self.free = asyncio.Event()
        self.free.set()
        self.no = False
        self.trouble: Exception | None = None

    async def step(self, request: LoginRequest) -> Answer:
        raise NotImplementedError

    async def recheck(self, session: Session) -> Tie | None:
        self.asked += 1
        await self.free.wait()
        if self.trouble:
            raise self.trouble
        number = int(session.tie.kept["token"]) + 1
        return (
            None if self.no else replace(session.tie, kept={"token": str(number)}, check_at=self.clock() + self.every)
        )


class Worker:
    def __init__(self, clock: Clock, store: WatchedStore, notes: MemoryNotes, provider: Provider | None) -> None:
        self.clock = clock
        self.sessions: Sessions = a_worker(store, clock)
        self.ended: list[tuple[str, End]] = []
        self.counted: list[str] = []
        around = Around("sales", self.sessions, notes, clock, self.end, lambda _, what: self.counted.append(what))
        self.rechecks = Rechecks(around, {"idp": provider} if provider else {})

    async def end(self, session_id: str, why: End) -> None:
        await self.sessions.end("sales", session_id, why)
        self.ended.append((session_id, why))

    async def opened(self) -> Session:
        tie = Tie(("sid 7",), {"token": "0"}, self.clock() + EVERY)
        return await self.sessions.open("sales", JOHN, Attributes(), method="idp", tie=tie)

    async def used(self, session: Session, later: float = 1.0) -> None:
        """Somebody uses the session some time later, and the worker looks what is due, until all is done."""
        self.clock.advance(later)
        self.sessions.touch("sales", session.id)
        await self.looked()

    async def looked(self) -> None:
        self.rechecks.look()
        await eventually(lambda: not self.rechecks.busy)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> WatchedStore:
    return WatchedStore()


@pytest.fixture
def notes(clock: Clock) -> MemoryNotes:
    return MemoryNotes(clock)


@pytest.fixture
def provider(clock: Clock) -> Provider:
    return Provider(clock)


@pytest.fixture
async def worker(clock: Clock, store: WatchedStore, notes: MemoryNotes, provider: Provider) -> AsyncIterator[Worker]:
    made = Worker(clock, store, notes, provider)
    yield made
    provider.free.set()
    await made.rechecks.close()


async def test_of_a_session_in_use_the_new_token_is_kept_at_once(
    worker: Worker, provider: Provider, store: WatchedStore
) -> None:
    session = await worker.opened()
    await worker.used(session, EVERY)
    kept = await store.get("sales", session.id)
    assert kept is not None
    assert kept.tie == Tie(("sid 7",), {"token": "1"}, START + 2 * EVERY)
    assert (provider.asked, worker.counted) == (1, ["kept"])


async def test_before_its_time_and_unless_it_is_used_nobody_asks(worker: Worker, provider: Provider) -> None:
    session = await worker.opened()
    await worker.used(session, EVERY - 1)
    worker.clock.advance(30)
    await worker.looked()
    assert provider.asked == 0


async def test_fifty_requests_at_once_make_one_question(worker: Worker, provider: Provider) -> None:
    session = await worker.opened()
    provider.free.clear()
    worker.clock.advance(EVERY)
    for _ in range(50):
        worker.sessions.touch("sales", session.id)
        worker.rechecks.look()
    await eventually(lambda: provider.asked)
    provider.free.set()
    await worker.looked()
    assert provider.asked == 1


async def test_of_two_workers_one_asks_and_both_know(
    worker: Worker, provider: Provider, store: WatchedStore, notes: MemoryNotes
) -> None:
    other = Worker(worker.clock, store, notes, provider)
    session = await worker.opened()
    await other.sessions.find("sales", session.id)
    provider.free.clear()
    worker.clock.advance(EVERY)
    for one in (worker, other):
        one.sessions.touch("sales", session.id)
        one.rechecks.look()
    await eventually(lambda: provider.asked == 1 and not other.rechecks.busy)
    provider.free.set()
    await worker.looked()
    await other.used(session, PAUSE)
    assert provider.asked == 1
    assert other.sessions.due("sales") == []


async def test_the_providers_no_ends_the_session(worker: Worker, provider: Provider) -> None:
    session = await worker.opened()
    provider.no = True
    await worker.used(session, EVERY)
    assert worker.ended == [(session.id, End.PROVIDER)]
    assert worker.counted == ["ended"]


@pytest.mark.parametrize("trouble", [Unavailable("no route"), ZeroDivisionError()])
async def test_a_provider_that_cannot_be_asked_is_put_up_with_for_the_grace_and_no_longer(
    worker: Worker, provider: Provider, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    session = await worker.opened()
    provider.trouble = trouble
    await worker.used(session, EVERY)
    for _ in range(int(provider.grace / RETRY)):
        await worker.used(session, RETRY)
    assert worker.ended == []
    await worker.used(session, RETRY)
    await worker.used(session, PAUSE)
    assert worker.ended == [(session.id, End.PROVIDER)]
    assert [record.levelname for record in caplog.records if record.name == "qproxy.rechecks"] == ["WARNING", "ERROR"]
    assert "sales: idp cannot be asked whether logins still stand" in caplog.text


async def test_while_a_provider_cannot_be_asked_it_is_tried_with_one_session_at_a_time(
    worker: Worker, provider: Provider
) -> None:
    several = [await worker.opened() for _ in range(5)]
    provider.trouble = Unavailable("no route")
    for session in several:
        worker.sessions.touch("sales", session.id)
    await worker.used(several[0], EVERY)
    asked = provider.asked
    for session in several:
        await worker.used(session, RETRY / 10)
    assert provider.asked == asked
    await worker.used(several[0], RETRY)
    assert provider.asked == asked + 1


async def test_a_provider_that_does_not_answer_in_time_cannot_be_asked(
    worker: Worker, provider: Provider, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qproxy.rechecks.PATIENCE", 0.01)
    session = await worker.opened()
    provider.free.clear()
    await worker.used(session, EVERY)
    assert (worker.counted, worker.ended) == (["unavailable"], [])
    assert "no answer within" in caplog.text


async def test_only_some_are_asked_about_at_once(worker: Worker, provider: Provider) -> None:
    several = [await worker.opened() for _ in range(AT_ONCE + 3)]
    provider.free.clear()
    worker.clock.advance(EVERY)
    for session in several:
        worker.sessions.touch("sales", session.id)
    worker.rechecks.look()
    await eventually(lambda: provider.asked == AT_ONCE)
    worker.rechecks.look()
    provider.free.set()
    await worker.looked()
    await worker.looked()
    assert provider.asked == AT_ONCE + 3


async def test_a_provider_that_comes_back_within_the_grace_costs_nobody_a_session(
    worker: Worker, provider: Provider
) -> None:
    session = await worker.opened()
    provider.trouble = Unavailable("no route")
    await worker.used(session, EVERY)
    await worker.used(session, RETRY)
    provider.trouble = None
    await worker.used(session, RETRY)
    await worker.used(session, EVERY)
    provider.trouble = Unavailable("again")
    await worker.used(session, EVERY)
    await worker.used(session, RETRY)
    assert worker.ended == []


async def test_a_session_whose_way_is_no_longer_configured_ends(
    clock: Clock, store: WatchedStore, notes: MemoryNotes
) -> None:
    worker = Worker(clock, store, notes, None)
    session = await worker.opened()
    await worker.used(session, EVERY)
    assert worker.ended == [(session.id, End.PROVIDER)]


async def test_a_new_token_that_the_store_did_not_take_is_kept_later_without_asking_again(
    worker: Worker, provider: Provider, store: WatchedStore, caplog: pytest.LogCaptureFixture
) -> None:
    session = await worker.opened()
    store.not_retied = 1
    await worker.used(session, EVERY)
    await worker.used(session, PAUSE)
    kept = await store.get("sales", session.id)
    assert kept is not None
    assert (kept.tie.kept["token"], provider.asked) == ("1", 1)
    assert "the disk is full" in caplog.text


async def test_no_session_is_asked_about_more_often_than_twice_a_minute(worker: Worker, provider: Provider) -> None:
    provider.every = 1.0
    session = await worker.opened()
    await worker.used(session, EVERY)
    for _ in range(int(LEAST) - 1):
        await worker.used(session)
    assert provider.asked == 1


async def test_what_is_under_way_at_the_end_is_waited_for(worker: Worker, provider: Provider) -> None:
    session = await worker.opened()
    provider.free.clear()
    worker.clock.advance(EVERY)
    worker.sessions.touch("sales", session.id)
    worker.rechecks.look()
    await eventually(lambda: provider.asked)
    asyncio.get_running_loop().call_soon(provider.free.set)
    await worker.rechecks.close()
    assert worker.counted == ["kept"]
