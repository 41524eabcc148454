"""Notes: when they are over, what may push them out, and what of them can be read on the disk."""

from pathlib import Path

import pytest
from some_sessions import a_key

from qproxy import notes as notes_seam
from qproxy.sessions import memory_notes, sqlite_notes
from qproxy.sessions.memory_notes import MemoryNotes
from qproxy.sessions.sqlite import SqliteStore
from qproxy.sessions.store import StoreUnavailable


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_time_ends_them_in_memory_and_on_disk(tmp_path: Path, clock: Clock) -> None:
    store = SqliteStore(tmp_path / "s.db", [a_key()])
    for notes in (MemoryNotes(clock), store.notes(clock)):
        clock.now = 1000.0
        await notes.once("a", 1010.0)
        await notes.put("b", b"x", 1010.0)
        clock.now = 1010.0
        assert await notes.once("a", 1020.0)
        assert await notes.look("b") is None
    await store.close()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MOST", 5), ("MOST_OF_STRANGERS", 20), ("MOST_OF_ONE", 3)):
        monkeypatch.setattr(notes_seam, name, most)


@pytest.mark.usefixtures("small")
async def test_a_flood_of_what_is_put_does_not_push_out_what_was_used_once(tmp_path: Path, clock: Clock) -> None:
    store = SqliteStore(tmp_path / "s.db", [a_key()])
    for notes in (MemoryNotes(clock, room=5), store.notes(clock)):
        assert await notes.once("used", 9000.0)
        for number in range(3 * sqlite_notes.SWEEP_EVERY):
            await notes.put(f"p{number}", b"x", 9000.0)
        assert not await notes.once("used", 9000.0)
        assert await notes.look("p0") is None
        assert await notes.look(f"p{number}") == b"x"
    await store.close()


@pytest.mark.usefixtures("small")
async def test_what_was_used_once_pushes_out_nothing_that_was_put(tmp_path: Path, clock: Clock) -> None:
    store = SqliteStore(tmp_path / "s.db", [a_key()])
    notes = store.notes(clock)
    await notes.put("kept", b"x", 9000.0)
    for number in range(3 * sqlite_notes.SWEEP_EVERY):
        await notes.once(f"used {number}", 9000.0)
    assert await notes.look("kept") == b"x"
    await store.close()


async def test_memory_without_room_lets_nothing_be_used(clock: Clock) -> None:
    notes = MemoryNotes(clock, once=2)
    assert [await notes.once(key, 1010.0) for key in "ab"] == [True, True]
    with pytest.raises(StoreUnavailable):
        await notes.once("c", 1010.0)
    clock.now = 1010.0
    assert await notes.once("c", 1020.0)
    assert memory_notes.MOST_ONCE > notes_seam.MOST + notes_seam.MOST_OF_STRANGERS


def all_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_on_the_disk_neither_keys_nor_values_can_be_read(tmp_path: Path, clock: Clock) -> None:
    store = SqliteStore(tmp_path / "s.db", [a_key()])
    notes = store.notes(clock)
    await notes.put("canary-key", b"canary-value", 9000.0)
    assert await notes.look("canary-key") == b"canary-value"
    written = all_of(tmp_path)
    await store.close()
    assert b"canary" not in written


async def test_a_new_key_reads_what_the_old_one_sealed_while_both_are_there(tmp_path: Path, clock: Clock) -> None:
    old, new = a_key(), a_key()
    store = SqliteStore(tmp_path / "s.db", [old])
    notes = store.notes(clock)
    await notes.once("used", 9000.0)
    await notes.put("kept", b"x", 9000.0)
    store.use_keys([new, old])
    assert not await notes.once("used", 9000.0)
    assert await notes.take("kept") == b"x"
    await store.close()


async def test_two_workers_see_the_same(tmp_path: Path, clock: Clock) -> None:
    key = a_key()
    stores = [SqliteStore(tmp_path / "s.db", [key]) for _ in range(2)]
    one, other = (store.notes(clock) for store in stores)
    assert await one.once("jti", 9000.0)
    assert not await other.once("jti", 9000.0)
    await one.put("step", b"x", 9000.0)
    assert await other.take("step") == b"x"
    assert await one.take("step") is None
    for store in stores:
        await store.close()
