"""Session keys while qproxy runs: files change, times come, and whoever uses keys is told."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from some_sessions import JOHN, START, Clock, a_key, a_session, key_file

from qproxy.config import SessionsConfig
from qproxy.key_files import Key, change_key_file, rotated
from qproxy.secret_files import SecretError
from qproxy.session_keys import SessionKeys, configured_keys
from qproxy.sessions.sqlite import SqliteStore

OLD = Key(a_key())


class Told:
    """Every list of keys that was told of."""

    def __init__(self, keys: SessionKeys) -> None:
        self.lists: list[Sequence[bytes]] = []
        keys.tell(self.lists.append)


def followed(path: Path, clock: Clock) -> tuple[SessionKeys, Told]:
    keys = SessionKeys(SessionsConfig(key_file=(path,)), clock)
    return keys, Told(keys)


def test_the_keys_of_several_files_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    other = Key(a_key())
    config = SessionsConfig(key_file=(key_file(tmp_path, OLD), key_file(tmp_path / "a", other, OLD)))
    assert configured_keys(config, START) == [OLD.secret, other.secret]


def test_a_new_key_is_known_at_the_next_look_and_seals_when_its_time_has_come(tmp_path: Path) -> None:
    path, clock = key_file(tmp_path, OLD), Clock()
    keys, told = followed(path, clock)
    new = change_key_file(path, lambda held: rotated(held, START, START + 60))[0]
    keys.look()
    clock.advance(60)
    keys.look()
    assert told.lists == [[OLD.secret, new.secret], [new.secret, OLD.secret]]
    assert keys.current == [new.secret, OLD.secret]


def test_nobody_is_told_of_what_has_not_changed(tmp_path: Path) -> None:
    path, clock = key_file(tmp_path, OLD), Clock()
    keys, told = followed(path, clock)
    path.touch()
    keys.look()
    assert told.lists == []


def test_keys_stay_as_they_were_while_their_file_cannot_be_read_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, clock = key_file(tmp_path, OLD), Clock()
    keys, told = followed(path, clock)
    path.unlink()
    keys.look()
    keys.look()
    assert (keys.current, told.lists) == ([OLD.secret], [])
    assert caplog.text.count("session keys stay as they were") == 1


def test_at_the_start_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="cannot be read"):
        followed(tmp_path / "none", Clock())


def test_without_a_configured_key_one_is_made_for_this_run(tmp_path: Path) -> None:
    keys = SessionKeys(SessionsConfig(store="memory"), Clock())
    keys.look()
    assert (keys.configured, len(keys.current), keys.current) == ([], 1, keys.current)


async def test_the_store_seals_with_the_new_key_and_finds_what_the_old_one_sealed(tmp_path: Path) -> None:
    new = a_key()
    store = SqliteStore(tmp_path / "sessions.db", [OLD.secret])
    await store.put(a_session("one"))
    store.use_keys([new, OLD.secret])
    await store.put(a_session("two"))
    assert await store.of_user("sales", JOHN) == [a_session("one"), a_session("two")]
    await store.close()
    after = SqliteStore(tmp_path / "sessions.db", [new])
    assert [session.id async for session in after.each()] == ["two"]
    await after.close()
