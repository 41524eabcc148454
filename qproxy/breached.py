"""Passwords that were found in breaches: a file of their SHA-1 hashes in order, as Have I Been Pwned offers it.

A line is 40 hexadecimal digits, perhaps with a colon and how often behind them. The file is searched where it lies,
some forty reads for all of a billion lines, and never read whole. It must not keep or log a password.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final

_LINE: Final = re.compile(rb"[0-9A-Fa-f]{40}(:[0-9]+)?\r?\n?")
_LONGEST: Final = 64
"""Bytes in a line."""
_PROBES: Final = 64


class BreachedError(ValueError):
    """The file cannot be used: which, why and what to do."""


def sha1_of(password: str) -> str:
    """40 hexadecimal digits, in capitals."""
    return hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper()


def is_breached(path: Path, password: str) -> bool:
    """Blocking. Raises BreachedError."""
    try:
        with path.open("rb") as file:
            return _holds(file, sha1_of(password).encode())
    except OSError as error:
        raise BreachedError(f"{path}: the list of breached passwords cannot be read: {error.strerror}") from None


def check_list(path: Path) -> None:
    """Looks at some lines everywhere in the file. Raises BreachedError."""
    try:
        with path.open("rb") as file:
            found = list(_some(file))
    except OSError as error:
        raise BreachedError(f"{path} cannot be read: {error.strerror}") from None
    if not found or not all(map(_LINE.fullmatch, found)):
        raise BreachedError(f"{path} is no list of SHA-1 hashes, 40 hexadecimal digits a line")
    if any(before[:40].upper() > after[:40].upper() for before, after in pairwise(found)):
        raise BreachedError(f"{path} is not in the order of its hashes: get it so, or sort it (LC_ALL=C sort)")


def _holds(file: BinaryIO, wanted: bytes) -> bool:
    """The line would begin somewhere in [low, high)."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while low < high:
        middle = (low + high) // 2
        start, line = _line_after(file, middle)
        if start >= high:
            high = middle
        elif line[:40].upper() == wanted:
            return True
        elif line[:40].upper() < wanted:
            low = start + len(line)
        else:
            high = middle
    return False


def _line_after(file: BinaryIO, place: int) -> tuple[int, bytes]:
    """The first line that begins there or later, and where. Raises BreachedError where none ends."""
    start = file.seek(max(0, place - 1))
    if place:
        skipped = file.readline(_LONGEST)
        start += len(skipped)
        if len(skipped) == _LONGEST:
            raise BreachedError(f"{file.name} is no list of SHA-1 hashes, 40 hexadecimal digits a line")
    return start, file.readline(_LONGEST)


def _some(file: BinaryIO) -> Iterator[bytes]:
    size = file.seek(0, os.SEEK_END)
    for probe in range(_PROBES):
        line = _line_after(file, probe * size // _PROBES)[1]
        if line:
            yield line
