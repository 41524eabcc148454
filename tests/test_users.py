"""Changing the file of users loses nothing and nobody."""

import multiprocessing
import os
import stat
import sys
from functools import partial
from pathlib import Path

import pytest
from login_site import PASSWORD, quick_hasher, user_file

from qproxy.auth import users
from qproxy.auth.passwords import hash_password
from qproxy.auth.user_file import UserFileError
from qproxy.model import Attributes
from qproxy.rewriting import locked

HASH = quick_hasher().hash(PASSWORD)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What real hashes cost is test_password_file's matter."""
    monkeypatch.setattr(users, "hash_password", partial(hash_password, hasher=quick_hasher()))


# --- adding, removing, listing ---


def test_a_person_who_was_added_is_listed_and_one_who_was_removed_is_not(path: Path) -> None:
    users.add(path, "ann", PASSWORD)
    users.add(path, "bob", PASSWORD)
    assert users.names(path) == ["ann", "bob"]
    users.remove(path, "ANN")
    assert users.names(path) == ["bob"]


def test_a_new_file_belongs_to_its_owner_alone(path: Path) -> None:
    users.add(path, "ann", PASSWORD)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_belongs_to_the_service_stays_so(path: Path) -> None:
    users.add(path, "ann", PASSWORD)
    if sys.platform != "win32" and os.geteuid() == 0:
        os.chown(path, 1, 1)
    before = path.stat()
    users.add(path, "bob", PASSWORD)
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino


def test_comments_order_and_broken_lines_stay_as_they_are(path: Path) -> None:
    text = f"# head\n\nzoe:{HASH}\nbroken\n  # between\nann:{HASH}"
    path.write_text(text)
    path.chmod(0o600)
    users.add(path, "bob", PASSWORD)
    users.remove(path, "zoe")
    lines = path.read_text().splitlines()
    assert lines[:-1] == ["# head", "", "broken", "  # between", f"ann:{HASH}"]
    assert lines[-1].startswith("bob:$argon2id$")


def test_the_password_is_in_no_file_in_clear(path: Path) -> None:
    users.add(path, "ann", "canary-password")
    assert [one for one in path.parent.iterdir() if b"canary" in one.read_bytes()] == []


def test_nobody_is_added_twice_by_mistake(path: Path) -> None:
    users.add(path, "ann", PASSWORD)
    before = path.read_bytes()
    with pytest.raises(UserFileError, match="'ANN' exists already"):
        users.add(path, "ANN", "another password")
    assert path.read_bytes() == before


def test_a_password_is_replaced_where_it_stands_and_other_lines_of_the_name_go(path: Path) -> None:
    path.write_text(f"ann:old\nbob:{HASH}\nAnn:older\n")
    path.chmod(0o600)
    users.add(path, "ann", PASSWORD, replace=True)
    assert users.names(path) == ["ann", "bob"]
    assert len(path.read_text().splitlines()) == 2


def test_who_is_removed_does_not_come_back_by_a_second_line(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text(f"ann:{HASH}\nANN:{HASH}\n")
    path.chmod(0o600)
    users.remove(path, "ann")
    assert users.names(path) == []
    assert caplog.text == ""


@pytest.mark.parametrize("password", ["", "short", "       ", " " * 20, "seven blue otters " * 60])
def test_a_poor_password_is_refused(path: Path, password: str) -> None:
    with pytest.raises(UserFileError, match="a password has at"):
        users.add(path, "ann", password)
    assert not path.exists()


@pytest.mark.parametrize("name", ["", " ", "a\\b", "a:b", "#ann", "a\nb", " ann", "a" * 257])
def test_a_name_that_qlik_or_the_file_could_not_hold_is_refused(path: Path, name: str) -> None:
    with pytest.raises(UserFileError):
        users.add(path, name, PASSWORD)
    assert not path.exists()


@pytest.mark.parametrize("pair", [("", "x"), ("a=b", "x"), ("Group", "a;b"), ("Group", "a\nb")])
def test_an_attribute_that_the_file_could_not_hold_is_refused(path: Path, pair: tuple[str, str]) -> None:
    with pytest.raises(UserFileError, match="an attribute is"):
        users.add(path, "ann", PASSWORD, Attributes((pair,)))


def test_removing_somebody_who_is_not_there_says_so(path: Path) -> None:
    users.add(path, "ann", PASSWORD)
    with pytest.raises(UserFileError, match="there is no 'bob'"):
        users.remove(path, "bob")


@pytest.mark.parametrize("change", [lambda path: users.remove(path, "ann"), users.names])
def test_a_file_that_is_not_there_is_named(path: Path, change: object) -> None:
    assert callable(change)
    with pytest.raises(UserFileError, match=r"users: the file of users cannot be read: No such file"):
        change(path)


def test_a_link_goes_on_pointing_to_the_file(path: Path) -> None:
    users.add(path, "ann", PASSWORD)
    link = path.with_name("link")
    link.symlink_to(path)
    users.add(link, "bob", PASSWORD)
    assert link.is_symlink()
    assert users.names(path) == ["ann", "bob"]


# --- crashes and company ---


def test_a_crash_while_writing_leaves_the_old_file_and_no_litter(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users.add(path, "ann", PASSWORD)
    before = path.read_bytes()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        users.add(path, "bob", PASSWORD)
    assert path.read_bytes() == before
    assert sorted(one.name for one in path.parent.iterdir()) == [".users.lock", "users"]


def test_a_full_disk_is_said_and_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users.add(path, "ann", PASSWORD)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserFileError, match="cannot be changed: No space left on device"):
        users.add(path, "bob", PASSWORD)
    assert users.names(path) == ["ann"]


def test_an_editor_who_does_not_finish_is_not_waited_for_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users.add(path, "ann", PASSWORD)
    monkeypatch.setattr(users, "LOCK_PATIENCE", 0.05)
    with locked(path, 0.05), pytest.raises(UserFileError, match="somebody else"):
        users.add(path, "bob", PASSWORD)


def remove_some(path: Path, names: list[str]) -> None:
    for name in names:
        users.remove(path, name)


def test_administrators_who_edit_at_once_lose_no_edit(path: Path) -> None:
    names = [f"name{number}" for number in range(40)]
    user_file(path.parent, "ann", *names)
    fork = multiprocessing.get_context("spawn")
    editors = [fork.Process(target=remove_some, args=(path, names[start::2])) for start in range(2)]
    for editor in editors:
        editor.start()
    for editor in editors:
        editor.join(60)
    assert [editor.exitcode for editor in editors] == [0, 0]
    assert users.names(path) == ["ann"]
