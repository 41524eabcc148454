"""The file of users: what its lines mean, and how it is read again when it changed.

    # comment
    ann:$argon2id$v=19$m=65536,t=3,p=4$...$...
    bob:$argon2id$v=19$m=65536,t=3,p=4$...$...:Group=Sales; Group=Finance
    eve:$argon2id$v=19$m=65536,t=3,p=4$...$... changed=2026-11-23 expires=2027-04-01 locked:Group=Sales

One person a line: the name as Qlik shall know it, the argon2id hash of the password with marks behind it (user_marks),
and, after a second colon, session attributes divided by semicolons. Names are compared without regard to case. A line
that cannot be understood lets nobody in and is logged with its number; a file that others than its owner may open lets
nobody in at all. This module must not change the file (users.py does) and never logs a hash.
"""

import logging
import os
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

from qproxy.auth.user_marks import Marks, parse_marks
from qproxy.model import Attributes, User
from qproxy.secret_files import exposure

log = logging.getLogger("qproxy.auth")

HASH_KIND: Final = "$argon2id$"
LONGEST_NAME: Final = 256
"""Characters in a user name; longer input is nobody."""


class UserFileError(Exception):
    """The file or an entry cannot be used: says where, why and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    hash: str = field(repr=False)
    attributes: Attributes = field(default_factory=Attributes)
    marks: Marks = field(default_factory=Marks)

    @property
    def line(self) -> str:
        fields = [self.name, f"{self.hash} {self.marks}".rstrip()]
        if self.attributes.pairs:
            fields.append("; ".join(f"{name}={value}" for name, value in self.attributes.pairs))
        return ":".join(fields)


def name_key(name: str) -> str:
    """What two spellings of one name have in common: case, compatibility forms and outer white space do not count."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def check_entry(entry: Entry) -> Entry:
    """Raises UserFileError for what Qlik would refuse or the file could not hold."""
    try:
        User("-", entry.name)
    except ValueError as error:
        raise UserFileError(str(error)) from None
    if entry.name != entry.name.strip() or ":" in entry.name or entry.name.startswith("#"):
        raise UserFileError("a user name holds no ':', does not begin with '#' and has no white space around it")
    if len(entry.name) > LONGEST_NAME:
        raise UserFileError(f"the user name is longer than {LONGEST_NAME} characters")
    if not entry.hash.startswith(HASH_KIND):
        raise UserFileError("the second field is no argon2id hash; `qproxy users add` makes one")
    for name, value in entry.attributes.pairs:
        if not name.strip() or "=" in name or ";" in name + value or not (name + value).isprintable():
            raise UserFileError("an attribute is Name=value, without ';' and control characters")
    return entry


def parse_line(line: str) -> Entry:
    """Raises UserFileError where the line does not name a person."""
    name, _, rest = line.strip().partition(":")
    secrets, _, attributes = rest.partition(":")
    password_hash, marks = [*secrets.split(maxsplit=1), "", ""][:2]
    pairs: list[tuple[str, str]] = []
    for pair in filter(str.strip, attributes.split(";")):
        left, equals, right = pair.partition("=")
        if not equals:
            raise UserFileError("an attribute is Name=value")
        pairs.append((left.strip(), right.strip()))
    try:
        return check_entry(Entry(name, password_hash, Attributes(tuple(pairs)), parse_marks(marks)))
    except ValueError as error:
        raise UserFileError(str(error)) from None


def parse(lines: Iterable[str], where: str) -> dict[str, Entry]:
    """The entries by name_key; each line that cannot be used is logged as `where:line` and left out."""
    entries: dict[str, Entry] = {}
    for number, line in enumerate(lines, 1):
        if not carries_entry(line):
            continue
        try:
            entry = parse_line(line)
        except UserFileError as error:
            log.warning("%s:%d: this line lets nobody in: %s", where, number, error)
            continue
        if name_key(entry.name) in entries:
            log.warning("%s:%d: this line lets nobody in: the name stands further up already", where, number)
            continue
        entries[name_key(entry.name)] = entry
    return entries


def carries_entry(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


class UserFile:
    """The entries of one file, read again when its time, size or inode changed. Not for two threads at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark: tuple[int, int, int] | None = None
        self._entries: Mapping[str, Entry] = {}

    def entries(self) -> Mapping[str, Entry]:
        """Blocking. Raises UserFileError when the file cannot be read or others can get at it."""
        try:
            with open_users(self.path) as file:
                status = os.fstat(file.fileno())
                mark = (status.st_mtime_ns, status.st_size, status.st_ino)
                if mark != self._mark:
                    self._entries, self._mark = parse(file, str(self.path)), mark
        except (OSError, UnicodeDecodeError) as error:
            raise UserFileError(f"{self.path}: the file of users cannot be read: {_reason(error)}") from None
        return self._entries


def open_users(path: Path) -> TextIO:
    """For reading, also with the byte order mark of Windows editors. Raises OSError, or UserFileError when others than
    the owner can get at the file.
    """
    exposed = exposure(path) if path.exists() else None
    if exposed:
        raise UserFileError(exposed)
    return path.open(encoding="utf-8-sig")


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "unknown") if isinstance(error, OSError) else "it is not UTF-8"
