"""What every store promises of the notes beside its sessions: once is once, and what was put comes back."""

import asyncio

import pytest
from some_sessions import Clock

import qproxy.notes
from qproxy.notes import Notes
from qproxy.sessions.memory import MemoryStore
from qproxy.sessions.memory_notes import MemoryNotes
from qproxy.sessions.store import Store


@pytest.fixture
def notes(store: Store, clock: Clock) -> Notes:
    return store.notes(clock)


async def test_once_is_true_for_the_first_alone(notes: Notes, clock: Clock) -> None:
    answers = await asyncio.gather(*(notes.once("jti 7", clock.now + 60) for _ in range(20)))
    assert sorted(answers) == [False] * 19 + [True]
    assert await notes.once("jti 8", clock.now + 60)


async def test_what_was_put_is_looked_at_and_taken_once(notes: Notes, clock: Clock) -> None:
    await notes.put("step", b"\x00value\xff", clock.now + 60)
    assert await notes.look("step") == b"\x00value\xff"
    taken = await asyncio.gather(*(notes.take("step") for _ in range(10)))
    assert [value for value in taken if value is not None] == [b"\x00value\xff"]
    assert await notes.look("step") is None


async def test_what_is_put_again_takes_the_place_of_the_earlier(notes: Notes, clock: Clock) -> None:
    await notes.put("step", b"one", clock.now + 60)
    await notes.put("step", b"two", clock.now + 60)
    assert await notes.take("step") == b"two"


async def test_an_empty_value_is_a_value(notes: Notes, clock: Clock) -> None:
    await notes.put("step", b"", clock.now + 60)
    assert await notes.look("step") == b""


async def test_nothing_is_there_that_was_never_put(notes: Notes) -> None:
    assert await notes.look("nothing") is None
    assert await notes.take("nothing") is None


@pytest.mark.parametrize("key", ["", "a" * 10_000, "\x00", "ä\ud800", "a b\nc"])
async def test_any_text_is_a_key(notes: Notes, clock: Clock, key: str) -> None:
    assert await notes.once(key, clock.now + 60)
    assert not await notes.once(key, clock.now + 60)


# What strangers put: the stores whose numbers are small for the test say so by the fixture.


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MOST", 10), ("MOST_OF_STRANGERS", 20), ("MOST_OF_ONE", 3)):
        monkeypatch.setattr(qproxy.notes, name, most)


@pytest.fixture
def crowded(small: None, store: Store, clock: Clock) -> Notes:
    return MemoryNotes(clock, room=10, strangers=20, one=3) if isinstance(store, MemoryStore) else store.notes(clock)


async def there(notes: Notes, *keys: str) -> list[str]:
    return [key for key in keys if await notes.look(key) is not None]


async def test_a_stranger_pushes_out_his_own(crowded: Notes, clock: Clock) -> None:
    await crowded.put("ours", b"x", clock.now + 60)
    await crowded.put("hers", b"x", clock.now + 60, "198.51.100.1")
    for number in range(200):
        clock.now += 0.01
        await crowded.put(f"his {number}", b"x", clock.now + 60, "192.0.2.1")
    assert await there(crowded, "ours", "hers") == ["ours", "hers"]
    assert await there(crowded, *(f"his {number}" for number in range(200))) == ["his 197", "his 198", "his 199"]


async def test_many_strangers_push_out_nothing_of_ours(crowded: Notes, clock: Clock) -> None:
    await crowded.put("ours", b"x", clock.now + 600)
    for number in range(200):
        clock.now += 0.01
        await crowded.put(f"theirs {number}", b"x", clock.now + 60, f"203.0.113.{number}")
    assert await there(crowded, "ours", "theirs 0", "theirs 199") == ["ours", "theirs 199"]


async def test_what_is_taken_makes_room(crowded: Notes, clock: Clock) -> None:
    """An office behind one address, whose logins come back."""
    await crowded.put("slow", b"x", clock.now + 60, "192.0.2.1")
    for number in range(50):
        clock.now += 0.01
        await crowded.put(f"his {number}", b"value", clock.now + 60, "192.0.2.1")
        assert await crowded.take(f"his {number}") == b"value"
    assert await there(crowded, "slow") == ["slow"]
