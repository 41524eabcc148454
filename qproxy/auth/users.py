"""Changing the file of users: what `qproxy users add|remove|list` calls.

Blocking. Each change is made under a lock on a copy that then takes the file's place, so that a reader never sees half
a file, two administrators lose no edit, and a crash leaves the old file. Comments, order and unusable lines stay.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from qproxy.auth.passwords import LONGEST_PASSWORD, hash_password
from qproxy.auth.user_file import (
    HASH_KIND,
    Entry,
    UserFileError,
    carries_entry,
    check_entry,
    name_key,
    open_users,
    parse,
    parse_line,
)
from qproxy.model import Attributes
from qproxy.rewriting import Locked, locked, put_in_place

SHORTEST_PASSWORD: Final = 8
"""Characters."""
LOCK_PATIENCE: Final = 10.0
"""Seconds to wait for another administrator's edit."""
SHORT_PATIENCE: Final = 1.0
"""The same, while a person waits for the login to go on."""


def add(path: Path, name: str, password: str, attributes: Attributes | None = None, *, replace: bool = False) -> None:
    """Makes the file when it is missing (mode 0600). Raises UserFileError; a name that exists needs `replace`."""
    _check_password(password)
    kept = attributes or Attributes()
    check_entry(Entry(name, HASH_KIND, kept))
    entry = Entry(name, hash_password(password), kept)

    def edit(lines: list[str]) -> list[str]:
        places = _places(lines, name)
        if not places:
            return [*lines, entry.line]
        if not replace:
            raise UserFileError(f"{path}: {name!r} exists already")
        return [entry.line if at == places[0] else line for at, line in enumerate(lines) if at not in places[1:]]

    _rewrite(path, edit, LOCK_PATIENCE, missing_is_empty=True)


def remove(path: Path, name: str) -> None:
    """Raises UserFileError when nobody is called so."""

    def edit(lines: list[str]) -> list[str]:
        places = _places(lines, name)
        if not places:
            raise UserFileError(f"{path}: there is no {name!r}")
        return [line for at, line in enumerate(lines) if at not in places]

    _rewrite(path, edit, LOCK_PATIENCE)


def names(path: Path) -> list[str]:
    """The people who can log in, in the file's order. Raises UserFileError."""
    return [entry.name for entry in parse(_read(path), str(path)).values()]


def keep_hash(path: Path, before: Entry, password_hash: str) -> None:
    """Puts a new hash of the same password into the entry, unless somebody changed the entry meanwhile."""
    after = Entry(before.name, password_hash, before.attributes)

    def edit(lines: list[str]) -> list[str]:
        return [after.line if _entry(line) == before else line for line in lines]

    _rewrite(path, edit, SHORT_PATIENCE)


def _check_password(password: str) -> None:
    if len(password) < SHORTEST_PASSWORD or not password.strip():
        raise UserFileError(f"a password has at least {SHORTEST_PASSWORD} characters")
    if len(password.encode(errors="replace")) > LONGEST_PASSWORD:
        raise UserFileError(f"a password has at most {LONGEST_PASSWORD} bytes")


def _places(lines: list[str], name: str) -> list[int]:
    """Every line of that name, usable or not: a removed person shall not come back by a second line."""
    key = name_key(name)
    return [
        at for at, line in enumerate(lines) if carries_entry(line) and name_key(line.strip().partition(":")[0]) == key
    ]


def _entry(line: str) -> Entry | None:
    if carries_entry(line):
        with suppress(UserFileError):
            return parse_line(line)
    return None


def _read(path: Path) -> list[str]:
    try:
        with open_users(path) as file:
            return file.read().splitlines()
    except UnicodeDecodeError:
        raise UserFileError(f"{path}: the file of users is not UTF-8") from None
    except OSError as error:
        raise UserFileError(f"{path}: the file of users cannot be read: {error.strerror}") from error


def _rewrite(
    path: Path, edit: Callable[[list[str]], list[str]], patience: float, *, missing_is_empty: bool = False
) -> None:
    path = Path(os.path.realpath(path))
    try:
        with locked(path, patience):
            lines = [] if missing_is_empty and not path.exists() else _read(path)
            changed = edit(lines)
            if changed != lines:
                put_in_place(path, "".join(f"{line}\n" for line in changed))
    except Locked as error:
        raise UserFileError(f"{path}: somebody else is editing the file of users; try again") from error
    except OSError as error:
        raise UserFileError(f"{path}: the file of users cannot be changed: {error.strerror}") from error
