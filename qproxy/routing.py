"""Which area of the one host a request is for: qproxy's own pages, or a virtual proxy.

Pure, and the only place that decides it, on the raw bytes of the target. A target that QPS could read differently from
us (dot segments, backslashes, an encoded or differently cased prefix) is refused, so that the login check and QPS
always speak of the same virtual proxy.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from qproxy.errors import Failure, Refused

OWN: Final = "qproxy"
"""The one path segment that qproxy keeps for its own pages."""

_SUSPECT = re.compile(rb"[%\\#;]|/\.|^//|[^\x21-\x7e]")
_OVERLONG = re.compile(rb"%(?:25)?(?:c[01]%|e0%(?:25)?[89]|f0%(?:25)?8|u[0-9a-f]{4})", re.IGNORECASE)
"""UTF-8 that says with more bytes what fewer say, and %uXXXX: some decoders see a dot or a slash in them."""

_RAW = re.compile(rb"[^\x21-\x7e]|#")
LONGEST_REMEMBERED: Final = 256
MOST_REMEMBERED: Final = 4096
"""Bytes of a path, and how many paths: bounds what remembering them can take."""
_DOTS = frozenset({b".", b".."})


def check_target(target: bytes, path: bytes) -> None:
    """Raises Refused(BAD_TARGET) for a target, or its path, that qproxy and QPS might understand differently."""
    if len(path) <= LONGEST_REMEMBERED:
        check_short_path(path)
    else:
        check_path(path)
    if b"#" in target:
        raise Refused(Failure.BAD_TARGET, "the target holds a fragment")


def check_path(path: bytes) -> None:
    if not path.startswith(b"/"):
        raise Refused(Failure.BAD_TARGET, "the target is not a path")
    if _SUSPECT.search(path) is not None:
        _check_suspect(path)


check_short_path = lru_cache(maxsize=MOST_REMEMBERED)(check_path)
"""For one of at most LONGEST_REMEMBERED bytes: what was good is good again; what is refused is not remembered."""


def _check_suspect(path: bytes) -> None:
    once = unquote_to_bytes(path)
    for text in (path, once, unquote_to_bytes(once)):
        if any(segment.partition(b";")[0] in _DOTS for segment in text.split(b"/")):
            raise Refused(Failure.BAD_TARGET, "the path holds a dot segment")
        if text.startswith((b"//", b"/;")) or b"\\" in text or b"\0" in text:
            raise Refused(Failure.BAD_TARGET, "the path holds a backslash or NUL, or begins with an empty segment")
    if _OVERLONG.search(path) is not None or _RAW.search(path) is not None:
        raise Refused(Failure.BAD_TARGET, "the path holds a raw control byte or an overlong encoding")


def _readings(segment: bytes) -> Iterator[bytes]:
    """What others may take for the first segment: decoded once or twice, cut at a slash or a parameter, lower case."""
    for _ in range(2):
        segment = unquote_to_bytes(segment)
        yield segment.partition(b";")[0].partition(b"/")[0].lower()


class Routes:
    """The areas of the public host: `match` gives OWN, the key of a virtual proxy, or raises Refused(UNKNOWN_PATH)."""

    __slots__ = ("_by_prefix", "_default", "_reserved", "known")

    def __init__(self, names_by_prefix: Mapping[str, str]) -> None:
        self._default = names_by_prefix.get("")
        self._by_prefix = {prefix.encode(): name for prefix, name in names_by_prefix.items() if prefix}
        self._by_prefix[OWN.encode()] = OWN
        self._reserved = frozenset(self._by_prefix)
        self.known: dict[bytes, str] = {}
        """The areas of paths that were asked for before."""

    def match(self, path: bytes) -> str:
        """`path` is raw, begins with "/", has no query and has passed check_target."""
        area = self.known.get(path)
        if area is None:
            area = self._match(path)
            if len(path) <= LONGEST_REMEMBERED:
                if len(self.known) >= MOST_REMEMBERED:
                    self.known.clear()
                self.known[path] = area
        return area

    def _match(self, path: bytes) -> str:
        slash = path.find(b"/", 1)
        first = path[1:] if slash < 0 else path[1:slash]
        name = self._by_prefix.get(first)
        if name is not None:
            return name
        if any(reading in self._reserved for reading in _readings(first)):
            raise Refused(Failure.BAD_TARGET, "the prefix is written in an unusual way")
        if self._default is None:
            raise Refused(Failure.UNKNOWN_PATH, "no virtual proxy has this prefix")
        return self._default
