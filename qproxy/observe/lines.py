"""How a value becomes text in a log line: quoted so that no byte of a stranger can end the line or forge another.

Pure formatting, no files. Every quoted string is a JSON string of printable ASCII, in the text format too.
"""

import json
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any


def clean(text: str) -> str:
    """Text without lone surrogates: bytes that were no UTF-8 (surrogateescape) become backslash escapes, `\\xe4`."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def quoted(text: str) -> str:
    """A JSON string in printable ASCII."""
    if text.isprintable():  # neither control characters nor surrogates
        return encode_basestring_ascii(text)
    return encode_basestring_ascii(clean(text)).replace("\x7f", "\\u007f")


def stamp(time: float) -> str:
    """UTC with milliseconds, ISO 8601, for seconds since the epoch."""
    return millisecond(int(time * 1000))


@lru_cache(maxsize=8)
def millisecond(number: int) -> str:
    """The same for milliseconds since the epoch; most of the lines that are written at once share the same few."""
    return f"{_second(number // 1000)}.{number % 1000:03d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=4096)
def tenths(number: int) -> str:
    """Tenths of a millisecond, as seconds: most requests take one of a few thousand times."""
    return f"{number / 10_000:.4f}"


def json_line(fields: dict[str, Any]) -> str:
    """One line of JSON without its newline; every string in it is cleaned first."""
    return json.dumps({name: _cleaned(value) for name, value in fields.items()}, separators=(",", ":"))


def text_line(fields: dict[str, Any]) -> str:
    """The same fields as `name=value`, values that are not plain words as JSON strings."""
    return " ".join(f"{name}={_plain(value)}" for name, value in fields.items())


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    return [_cleaned(one) for one in value] if isinstance(value, list) else value


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value if value.isascii() and value.replace("_", "a").isalnum() else quoted(value)
    return json.dumps(_cleaned(value), separators=(",", ":"))
