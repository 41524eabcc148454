"""A file of session keys: one that seals, and others that still open what they sealed.

A line is a key (base64 or hex), since when there is one (`made=`) and since when it seals (`used=`). A key without
`used=` is staged: it opens, and does not seal yet. So a new key can be known everywhere before the first record is
sealed with it, and no worker and no machine meets a record that it cannot open. A line with nothing but a key, as
openssl makes it, has always been in use. No function here repeats a key in an error.
"""

import base64
import os
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from qproxy.rewriting import Locked, locked, put_in_place
from qproxy.secret_files import KEY_BYTES, SecretError, parse_key, read_secret

ALWAYS: Final = 0.0
"""Since when a key is used that does not say it."""
MARGIN: Final = 3600.0
"""Seconds for which an old key is kept beyond need: clocks differ, and a qproxy looks at its keys now and then only."""
PATIENCE: Final = 5.0
HEADING: Final = (
    "# Session keys of qproxy, newest first; changed by `qproxy keys`. Whoever has one can read all sessions.\n"
)
_STAMP: Final = "%Y-%m-%dT%H:%M:%SZ"
_FIELD: Final = re.compile(r"(made|used)=(\S+)")


@dataclass(frozen=True, slots=True)
class Key:
    """Times in seconds since the epoch; `used` is None for one that is staged, and may be to come."""

    secret: bytes
    made: float = ALWAYS
    used: float | None = ALWAYS

    def __repr__(self) -> str:
        return f"Key(made={self.made}, used={self.used})"


def parse_keys(text: str) -> list[Key]:
    """In the file's order; at least one, of which one is not staged. Raises SecretError, naming the line."""
    keys: list[Key] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            try:
                keys.append(_key(words))
            except SecretError as error:
                raise SecretError(f"line {number}: {error}" if number > 1 else str(error)) from None
    if not keys:
        parse_key("")
    if all(key.used is None for key in keys):
        raise SecretError("has staged keys only, and none to seal with: `qproxy keys rotate --activate`")
    return keys


def _key(words: Sequence[str]) -> Key:
    secret = parse_key(words[0])
    times: dict[str, float] = {}
    for word in words[1:]:
        field = _FIELD.fullmatch(word)
        if field is None or field[1] in times:
            raise SecretError("beside the key there may only be made=TIME and used=TIME")
        times[field[1]] = _time(field[2])
    if not times:
        return Key(secret)
    return Key(secret, times.get("made", ALWAYS), times.get("used"))


def _time(text: str) -> float:
    try:
        return datetime.strptime(text, _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise SecretError("a time is written as 2026-01-31T23:59:59Z") from None


def as_line(key: Key) -> str:
    """What `parse_keys` reads as the same key: one that says no time has always been used."""
    plain = key == Key(key.secret)
    made = "" if plain else f" made={stamp(key.made)}"
    used = "" if plain or key.used is None else f" used={stamp(key.used)}"
    return f"{base64.b64encode(key.secret).decode()}{made}{used}\n"


def stamp(time: float) -> str:
    """To the second, in UTC."""
    return datetime.fromtimestamp(time, UTC).strftime(_STAMP)


def in_order(keys: Sequence[Key], now: float) -> list[Key]:
    """The one that seals at `now`, then all others; each secret once."""
    used = [key for key in keys if key.used is not None]
    begun = [key for key in used if key.used is not None and key.used <= now]
    first = max(begun, key=_use) if begun else min(used, key=_use)
    ordered: dict[bytes, Key] = {}
    for key in (first, *keys):
        ordered.setdefault(key.secret, key)
    return list(ordered.values())


def _use(key: Key) -> float:
    return ALWAYS if key.used is None else key.used


def read_keys(path: Path) -> list[Key]:
    """Of a file that only its owner can read. Raises SecretError, which names the file."""
    try:
        return parse_keys(read_secret(path))
    except SecretError as error:
        text = str(error)
        raise SecretError(text if str(path) in text else f"{path} {text}") from None


# How keys come and go


def new_key(now: float, used: float | None) -> Key:
    """Times are written to the second."""
    return Key(secrets.token_bytes(KEY_BYTES), float(int(now)), used if used is None else float(int(used)))


def staged(keys: Sequence[Key], now: float) -> list[Key]:
    """With one more, that opens and does not seal yet. Raises SecretError while another is on its way."""
    _require_settled(keys, now)
    return [new_key(now, None), *keys]


def activated(keys: Sequence[Key], at: float) -> list[Key]:
    """With the staged key sealing from `at` on. Raises SecretError when there is none."""
    waiting = [key for key in keys if key.used is None]
    if not waiting:
        raise SecretError("has no staged key: `qproxy keys rotate --stage` makes one")
    return [replace(key, used=float(int(at))) if key is waiting[0] else key for key in keys]


def rotated(keys: Sequence[Key], now: float, at: float) -> list[Key]:
    """With a new key that opens at once and seals from `at` on. Raises SecretError while another is on its way."""
    _require_settled(keys, now)
    return [new_key(now, at), *keys]


def _require_settled(keys: Sequence[Key], now: float) -> None:
    for key in keys:
        if key.used is None:
            raise SecretError("has a staged key already: `qproxy keys rotate --activate` takes it into use")
        if key.used > now:
            raise SecretError(f"has a new key already, which seals from {stamp(key.used)} on")


def needed_until(keys: Sequence[Key], key: Key, longest: float, now: float) -> float | None:
    """When the last session is over that an old key can have sealed, none living longer than `longest` seconds.

    None while it seals or will, and for one of which nobody knows since when another seals in its place.
    """
    if not _is_old(keys, key, now):
        return None
    since = [other.used for other in keys if other.used is not None and _use(key) < other.used <= now]
    return min(since) + longest + MARGIN if since else None


def _is_old(keys: Sequence[Key], key: Key, now: float) -> bool:
    return key.used is not None and key.used <= now and key.secret != in_order(keys, now)[0].secret


def without_old(keys: Sequence[Key], longest: float | None, most: int | None, now: float) -> list[Key]:
    """Without those that no session needs, and with at most `most` old ones, the newest; None: no bound."""

    def is_needed(key: Key) -> bool:
        end = None if longest is None else needed_until(keys, key, longest, now)
        return end is None or end > now

    kept = [key for key in keys if is_needed(key)]
    old = sorted((key for key in kept if _is_old(keys, key, now)), key=_use, reverse=True)
    dropped = [] if most is None else old[most:]
    return [key for key in kept if key not in dropped]


# Files


def make_key_file(path: Path, now: float) -> Key:
    """A new file with one key, mode 0600. Raises SecretError when there is one already."""
    key = new_key(now, now)
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise SecretError(f"{path} exists already: `qproxy keys rotate` changes it") from None
    except OSError as error:
        raise SecretError(f"{path} cannot be made: {error.strerror}") from None
    with os.fdopen(handle, "w", encoding="ascii", newline="\n") as file:
        file.write(HEADING + as_line(key))
    return key


def change_key_file(path: Path, change: Callable[[list[Key]], list[Key]]) -> list[Key]:
    """What it holds afterwards. Readers see the old file or the new one. Raises SecretError, which names the file."""
    path = Path(os.path.realpath(path))
    try:
        with locked(path, PATIENCE):
            keys = change(read_keys(path))
            put_in_place(path, HEADING + "".join(map(as_line, keys)))
    except Locked as error:
        raise SecretError(str(error)) from None
    except SecretError as error:
        text = str(error)
        raise SecretError(text if str(path) in text else f"{path} {text}") from None
    except OSError as error:
        raise SecretError(f"{path} cannot be changed: {error.strerror}") from None
    return keys
