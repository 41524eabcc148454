"""What the lines of the file of users mean, and when the file is read again or refused."""

import logging
import os
from datetime import date
from pathlib import Path

import pytest
from login_site import PASSWORD, quick_hasher, user_file

from qproxy.auth import users
from qproxy.auth.totp import new_key
from qproxy.auth.user_file import Entry, UserFile, UserFileError, name_key, parse, parse_line
from qproxy.auth.user_marks import Marks
from qproxy.model import Attributes

HASH = quick_hasher().hash(PASSWORD)
KEY = new_key()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users"


@pytest.mark.parametrize(
    "entry",
    [
        Entry("ann", HASH),
        Entry("Ann Blythe@example.com", HASH, Attributes((("Group", "Sales"), ("Group", "R&D, EMEA")))),
        Entry("jörg", HASH, Attributes((("Site", "a=b:c"),))),
        Entry("ann", HASH, marks=Marks(changed=date(2026, 11, 23))),
        Entry("ann", HASH, Attributes((("Site", "a:b"),)), Marks(expires=date(2027, 4, 1), must_change=True)),
        Entry("ann", HASH, marks=Marks(locked=True, totp=KEY, recovery=("a" * 22, "-_" * 11))),
    ],
)
def test_a_line_is_read_as_it_was_written(entry: Entry) -> None:
    assert parse_line(entry.line) == entry


def test_spaces_around_attributes_do_not_count() -> None:
    assert parse_line(f"ann:{HASH}: Group = Sales ;; Group=Finance ; ").attributes.pairs == (
        ("Group", "Sales"),
        ("Group", "Finance"),
    )


BROKEN = {
    "ann": "no argon2id hash",
    "ann:": "no argon2id hash",
    "ann:secret": "no argon2id hash",
    f":{HASH}": "user id is empty",
    f"a\\b:{HASH}": "backslash",
    f"a\x1bb:{HASH}": "control character",
    f"ann :{HASH}": "white space",
    f"{'a' * 257}:{HASH}": "longer than 256",
    f"ann:{HASH}:Group": "Name=value",
    f"ann:{HASH}:=Sales": "Name=value",
    f"ann:{HASH}:Group=a\x00b": "control characters",
    f"ann:{HASH} unknown": "behind the hash",
    f"ann:{HASH} unknown=1": "behind the hash",
    f"ann:{HASH} locked locked": "twice",
    f"ann:{HASH} must-change=yes": "behind the hash",
    f"ann:{HASH} expires=1.4.2027": "a day such as",
    f"ann:{HASH} changed=": "a day such as",
    f"ann:{HASH} totp=canary": "a key of at least 16 bytes",
    f"ann:{HASH} totp=!!!!": "a key of at least 16 bytes",
    f"ann:{HASH} recovery=canary": "holds hashes",
    f"bob:{HASH}": "further up",
    f"BOB:{HASH}": "further up",
}


@pytest.mark.parametrize(("line", "reason"), BROKEN.items(), ids=range(len(BROKEN)))
def test_a_broken_line_is_named_lets_nobody_in_and_hinders_nobody(
    line: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    entries = parse(["# people", "", f"bob:{HASH}", line], "/etc/qproxy/users")
    assert list(entries) == ["bob"]
    assert "/etc/qproxy/users:4: this line lets nobody in" in caplog.text
    assert reason in caplog.text


def test_the_log_of_a_broken_line_shows_none_of_it(caplog: pytest.LogCaptureFixture) -> None:
    canaries = [f"eve:{HASH} {mark}" for mark in ("canary", "canary=1", "totp=canary", "recovery=canary")]
    parse(["ann:plain-canary", f"a\\b:{HASH}:canary", *canaries], "users")
    assert "canary" not in caplog.text
    assert HASH not in caplog.text


def test_an_entry_hides_its_hash_and_its_key_when_printed() -> None:
    shown = repr(Entry("ann", HASH, marks=Marks(totp=KEY, recovery=("a" * 22,))))
    assert [secret for secret in (HASH, KEY, "a" * 22) if secret in shown] == []


def test_marks_may_be_written_by_hand() -> None:
    entry = parse_line(f"ann:{HASH}   locked\ttotp={KEY.lower()} : Group = Sales")
    assert (entry.marks, entry.attributes.pairs) == (Marks(locked=True, totp=KEY), (("Group", "Sales"),))


@pytest.mark.parametrize(("left", "right"), [("Straße", "STRASSE"), ("é", "e\u0301"), ("ﬁn", "FIN"), (" ann", "ann ")])
def test_two_spellings_of_a_name_are_one(left: str, right: str) -> None:
    assert name_key(left) == name_key(right)


@pytest.mark.parametrize("mode", [0o644, 0o606, 0o640, 0o666])
def test_a_file_that_others_can_get_at_is_refused_with_the_remedy(path: Path, mode: int) -> None:
    users.add(path, "ann", PASSWORD)
    path.chmod(mode)
    with pytest.raises(UserFileError, match="chmod 600"):
        users.names(path)
    with pytest.raises(UserFileError, match="chmod 600"):
        UserFile(path).entries()


def test_a_file_that_a_windows_editor_saved_is_read(path: Path) -> None:
    path.write_bytes(f"\ufeffann:{HASH}\r\nbob:{HASH}:Group=Sales\r\n".encode())
    path.chmod(0o600)
    assert list(UserFile(path).entries()) == users.names(path) == ["ann", "bob"]
    assert UserFile(path).entries()["bob"].attributes.pairs == (("Group", "Sales"),)


def test_a_file_that_is_not_utf_8_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff")
    path.chmod(0o600)
    with pytest.raises(UserFileError, match="not UTF-8"):
        users.names(path)


def test_a_file_is_parsed_again_only_when_it_changed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text(f"broken\nann:{HASH}\n")
    path.chmod(0o600)
    file = UserFile(path)
    with caplog.at_level(logging.WARNING):
        assert [list(file.entries()) for _ in range(3)] == [["ann"]] * 3
    assert len(caplog.records) == 1


def test_a_file_of_the_same_size_and_time_that_took_its_place_is_read(path: Path) -> None:
    user_file(path.parent, "ann")
    file = UserFile(path)
    file.entries()
    before = path.stat()
    other = path.with_name("other")
    other.write_text(path.read_text().replace("ann", "bob"))
    other.chmod(0o600)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    assert list(file.entries()) == ["bob"]
