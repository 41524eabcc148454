"""Files of session keys: what a line says, which key seals when, and how keys come and go."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from some_sessions import a_key, key_file

from qproxy.key_files import (
    ALWAYS,
    MARGIN,
    Key,
    activated,
    as_line,
    change_key_file,
    in_order,
    make_key_file,
    needed_until,
    parse_keys,
    read_keys,
    rotated,
    staged,
    without_old,
)
from qproxy.secret_files import SecretError

NOW = 1_800_000_000.0
LONGEST = 36_000.0
OLD = Key(a_key())
SECONDS = st.integers(0, 4_000_000_000).map(float)
KEYS = st.lists(st.builds(Key, st.binary(min_size=32, max_size=32), SECONDS, SECONDS | st.none()), min_size=1)


# --- what a file says ---


@given(KEYS)
def test_what_is_written_is_read(keys: list[Key]) -> None:
    text = "# a comment\n\n" + "".join(map(as_line, keys))
    if all(key.used is None for key in keys):
        with pytest.raises(SecretError, match="none to seal with"):
            parse_keys(text)
    else:
        assert parse_keys(text) == keys


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "   # since March\n"])
def test_a_line_with_nothing_but_a_key_has_always_been_in_use(ending: str) -> None:
    secret = a_key()
    assert parse_keys(secret.hex() + ending) == [Key(secret, ALWAYS, ALWAYS)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("short", "must hold 32 bytes"),
        (f"{OLD.secret.hex()} staged", "there may only be made=TIME and used=TIME"),
        (f"{OLD.secret.hex()} used=yesterday", "a time is written as"),
        (f"{OLD.secret.hex()} used=2026-01-01T00:00:00Z used=2026-01-01T00:00:00Z", "there may only be"),
    ],
    ids=["short", "another word", "no time", "twice"],
)
def test_a_line_that_is_not_understood_is_named_and_its_key_is_not(line: str, said: str) -> None:
    with pytest.raises(SecretError, match=rf"^line 2: .*{said}") as refused:
        parse_keys(f"{as_line(OLD)}{line}")
    assert OLD.secret.hex() not in str(refused.value)


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n"])
def test_a_file_without_a_key_is_refused(text: str) -> None:
    with pytest.raises(SecretError, match="must hold 32 bytes"):
        parse_keys(text)


def test_a_key_is_not_shown() -> None:
    assert repr(OLD) == "Key(made=0.0, used=0.0)"


# --- which key seals ---


@given(KEYS.filter(lambda keys: any(key.used is not None for key in keys)), SECONDS)
def test_the_key_that_was_taken_into_use_last_seals_and_all_open(keys: list[Key], now: float) -> None:
    ordered = in_order(keys, now)
    assert {key.secret for key in ordered} == {key.secret for key in keys}
    assert len(ordered) == len({key.secret for key in keys})
    begun = [key.used for key in keys if key.used is not None and key.used <= now]
    assert ordered[0].used == (max(begun) if begun else min(key.used for key in keys if key.used is not None))


def test_of_two_keys_that_say_nothing_the_first_one_seals() -> None:
    first, second = Key(a_key()), Key(a_key())
    assert in_order([first, second], NOW) == [first, second]


def test_a_staged_key_opens_and_does_not_seal() -> None:
    new, old = staged([OLD], NOW)
    assert in_order([new, old], NOW + 10 * LONGEST) == [OLD, new]


def test_a_staged_key_seals_from_the_moment_for_which_it_is_activated() -> None:
    keys = activated(staged([OLD], NOW), NOW + 100)
    assert [in_order(keys, NOW + seconds)[0] is OLD for seconds in (0, 99, 100)] == [True, True, False]


@given(begins=st.integers(15, 600), at=st.integers(-10, 700), lag=st.integers(0, 5), other_lag=st.integers(0, 5))
def test_while_keys_rotate_no_worker_meets_a_record_that_it_cannot_open(
    begins: int, at: int, lag: int, other_lag: int
) -> None:
    """The file changes at NOW; each worker acts by what it saw at its last look."""
    after = rotated([OLD], NOW, NOW + begins)

    def seen(look: float) -> list[bytes]:
        return [key.secret for key in in_order(after if look >= NOW else [OLD], look)]

    assert seen(NOW + at - lag)[0] in seen(NOW + at - other_lag)


@pytest.mark.parametrize("keys", [staged([OLD], NOW), rotated([OLD], NOW, NOW + 60)])
def test_one_rotation_ends_before_the_next_begins(keys: list[Key]) -> None:
    for begin in (staged, lambda held, now: rotated(held, now, now)):
        with pytest.raises(SecretError, match=r"has a (staged|new) key already"):
            begin(keys, NOW)


def test_without_a_staged_key_nothing_can_be_activated() -> None:
    with pytest.raises(SecretError, match="has no staged key"):
        activated([OLD], NOW)


# --- which keys go ---


def test_an_old_key_goes_when_the_last_session_that_it_sealed_must_be_over() -> None:
    keys = rotated([OLD], NOW, NOW + 60)
    end = NOW + 60 + LONGEST + MARGIN
    assert needed_until(keys, OLD, LONGEST, NOW) is None
    assert needed_until(keys, OLD, LONGEST, NOW + 60) == end
    assert without_old(keys, LONGEST, None, end - 1) == keys
    assert without_old(keys, LONGEST, None, end) == keys[:1]


def test_a_key_of_which_nobody_knows_since_when_it_is_old_stays() -> None:
    keys = [Key(a_key()), OLD]
    assert without_old(keys, LONGEST, None, NOW) == keys


def test_where_the_longest_lifetime_is_not_known_no_key_goes_by_its_age() -> None:
    keys = rotated([OLD], NOW, NOW)
    assert without_old(keys, None, None, NOW + 1000 * LONGEST) == keys


def test_old_keys_beyond_the_wanted_number_go_and_the_newest_stay() -> None:
    keys = [OLD]
    for day in range(5):
        keys = rotated(keys, NOW + 86400 * day, NOW + 86400 * day)
    assert without_old(keys, None, 2, NOW + 86400 * 5) == keys[:3]
    assert without_old(keys, None, 0, NOW + 86400 * 5) == keys[:1]


@given(KEYS.filter(lambda keys: any(key.used is not None for key in keys)), SECONDS, st.none() | st.integers(0, 3))
def test_neither_the_sealing_key_nor_one_to_come_ever_goes(keys: list[Key], now: float, most: int | None) -> None:
    kept = without_old(keys, LONGEST, most, now)
    sealing = in_order(keys, now)[0]
    wanted = [key for key in keys if key is sealing or key.used is None or key.used > now]
    assert [key for key in wanted if key not in kept] == []


# --- files ---


def test_a_new_file_has_one_key_that_seals_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "session.key"
    key = make_key_file(path, NOW + 0.7)
    assert (read_keys(path), key.used) == ([key], NOW)
    assert os.name == "nt" or stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_exists_is_not_made_anew(tmp_path: Path) -> None:
    path = key_file(tmp_path, OLD)
    with pytest.raises(SecretError, match="exists already"):
        make_key_file(path, NOW)
    assert read_keys(path) == [OLD]


def test_a_change_goes_to_the_file_that_a_link_names(tmp_path: Path) -> None:
    path, link = key_file(tmp_path, OLD), tmp_path / "link"
    link.symlink_to(path)
    keys = change_key_file(link, lambda held: rotated(held, NOW, NOW))
    assert link.is_symlink()
    assert read_keys(path) == keys


def test_a_change_that_fails_leaves_the_file_as_it_was_and_names_it(tmp_path: Path) -> None:
    path = key_file(tmp_path, OLD)
    with pytest.raises(SecretError, match=f"^{path} has no staged key"):
        change_key_file(path, lambda held: activated(held, NOW))
    assert read_keys(path) == [OLD]


def test_a_full_disk_is_said_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = key_file(tmp_path, OLD)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SecretError, match="cannot be changed: No space left"):
        change_key_file(path, lambda held: rotated(held, NOW, NOW))
    monkeypatch.undo()
    assert read_keys(path) == [OLD]


def test_a_bad_key_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "session.key"
    path.write_text("short")
    path.chmod(0o600)
    with pytest.raises(SecretError, match=f"^{path} must hold 32 bytes"):
        read_keys(path)
