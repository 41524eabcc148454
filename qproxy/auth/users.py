"""Changing the file of users: what `qproxy users` calls, and what a person changes while logging in.

Blocking. Each change is made under a lock on a copy that then takes the file's place, so that a reader never sees half
a file, two administrators lose no edit, and a crash leaves the old file. Comments, order and unusable lines stay.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace as but
from pathlib import Path
from typing import Final

from qproxy.auth.local_rules import day_of
from qproxy.auth.password_rules import PasswordRules
from qproxy.auth.passwords import hash_password
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
from qproxy.auth.user_marks import Marks
from qproxy.model import Attributes
from qproxy.rewriting import Locked, locked, put_in_place

LOCK_PATIENCE: Final = 10.0
"""Seconds to wait for another administrator's edit."""
SHORT_PATIENCE: Final = 1.0
"""The same, while a person waits for the login to go on."""
RULES: Final = PasswordRules()


def add(
    path: Path,
    name: str,
    password: str,
    attributes: Attributes | None = None,
    *,
    replace: bool = False,
    rules: PasswordRules = RULES,
) -> None:
    """Makes the file when it is missing (mode 0600). Raises UserFileError; a name that exists needs `replace` and keeps
    its marks, and its attributes where none are given."""
    _check_password(password, name, rules)
    given = attributes or Attributes()
    check_entry(Entry(name, HASH_KIND, given))
    new = Entry(name, hash_password(password), given, Marks(changed=day_of(time.time())))

    def edit(lines: list[str]) -> list[str]:
        places = _places(lines, name)
        if not places:
            return [*lines, new.line]
        if not replace:
            raise UserFileError(f"{path}: {name!r} exists already")
        line = _in_place_of(_entry(lines[places[0]]), new).line
        return [line if at == places[0] else before for at, before in enumerate(lines) if at not in places[1:]]

    _rewrite(path, edit, LOCK_PATIENCE, missing_is_empty=True)


def remove(path: Path, name: str) -> None:
    """Raises UserFileError when nobody is called so."""

    def edit(lines: list[str]) -> list[str]:
        places = _found(path, lines, name)
        return [line for at, line in enumerate(lines) if at not in places]

    _rewrite(path, edit, LOCK_PATIENCE)


def people(path: Path) -> list[Entry]:
    """In the file's order. Raises UserFileError."""
    return list(parse(_read(path), str(path)).values())


def names(path: Path) -> list[str]:
    return [entry.name for entry in people(path)]


def set_password(
    path: Path, name: str, password: str, *, rules: PasswordRules = RULES, must_change: bool = False
) -> None:
    """`must_change`: the person has to choose another one at the next login. Raises UserFileError."""
    _check_password(password, name, rules)
    password_hash = hash_password(password)
    change(path, name, lambda entry: renewed(entry, password_hash, time.time(), must_change=must_change))


def renewed(entry: Entry, password_hash: str, now: float, *, must_change: bool = False) -> Entry:
    """The entry with a new password, set at `now` (seconds since the epoch)."""
    return but(entry, hash=password_hash, marks=but(entry.marks, changed=day_of(now), must_change=must_change))


def mark(path: Path, name: str, edit: Callable[[Marks], Marks], patience: float = LOCK_PATIENCE) -> None:
    """Raises UserFileError."""
    change(path, name, lambda entry: but(entry, marks=edit(entry.marks)), patience)


def change(path: Path, name: str, edit: Callable[[Entry], Entry], patience: float = LOCK_PATIENCE) -> None:
    """Puts another entry in the place of a person's. Raises UserFileError."""

    def edit_lines(lines: list[str]) -> list[str]:
        place = _found(path, lines, name)[0]
        entry = _entry(lines[place])
        if entry is None:
            raise UserFileError(f"{path}: the line of {name!r} cannot be understood: `qproxy users add --replace`")
        return [*lines[:place], edit(entry).line, *lines[place + 1 :]]

    _rewrite(path, edit_lines, patience)


def swap(path: Path, before: Entry, after: Entry) -> bool:
    """Puts `after` in the place of `before`; False, and nothing is changed, when somebody changed that meanwhile."""
    found = False

    def edit(lines: list[str]) -> list[str]:
        nonlocal found
        places = [at for at in _places(lines, before.name)[:1] if _entry(lines[at]) == before]
        found = bool(places)
        return [after.line if at in places else line for at, line in enumerate(lines)]

    _rewrite(path, edit, SHORT_PATIENCE)
    return found


def _in_place_of(before: Entry | None, new: Entry) -> Entry:
    if before is None:
        return new
    attributes = new.attributes if new.attributes.pairs else before.attributes
    return but(new, attributes=attributes, marks=but(before.marks, changed=new.marks.changed, must_change=False))


def _check_password(password: str, name: str, rules: PasswordRules) -> None:
    problem = rules.problem(password, name)
    if problem:
        raise UserFileError(rules.sentence(problem))


def _found(path: Path, lines: list[str], name: str) -> list[int]:
    places = _places(lines, name)
    if not places:
        raise UserFileError(f"{path}: there is no {name!r}")
    return places


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
