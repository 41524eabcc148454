"""What must never stand in a log: which names carry secrets, and how they are taken out of addresses and of free text.

A target (path and query of a request) keeps its shape, only the values of secret parameters become `***`. Free text
loses the values of cookie and authorization headers, of secret parameters, whatever looks like one of our session ids,
and the secrets that the caller has handed in. Nothing here writes a log, and nothing may be un-redacted again.
"""

import re
from collections import OrderedDict
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

from qproxy.model import short_hash
from qproxy.observe.lines import clean

HIDDEN = "***"
LONGEST_NAME = 64
"""Characters of a parameter's name that is remembered, so that the memo stays small."""

_ALWAYS: tuple[str, ...] = (
    "qlik-ticket",
    "ticket",
    "qlik-csrf-token",
    "csrf-token",
    "csrf",
    "cookie",
    "authorization",
    "api-key",
)
_ALWAYS += ("token", "access-token", "refresh-token", "logout-token", "id-token", "id-token-hint", "jwt", "assertion")
_ALWAYS += ("client-assertion", "client-secret", "secret", "password", "passwd", "pwd", "passphrase", "code-verifier")
_ALWAYS += ("SAML-Response", "SAML-Request")
_IN_ADDRESSES: tuple[str, ...] = (
    "xrfkey",
    "target-id",
    "state",
    "code",
    "nonce",
    "relay-state",
    "sid",
    "session",
    "session-id",
)
_IN_ADDRESSES += ("session-state",)
SECRET_NAMES = frozenset(name.replace("-", "").lower() for name in (*_ALWAYS, *_IN_ADDRESSES))
"""Names of parameters, without punctuation and in lower case."""

_NOISE = re.compile(r"[^a-z0-9]")
_SEPARATORS = re.compile(r"([?&;#])")


def _names(words: tuple[str, ...]) -> str:
    return "|".join(word.replace("-", "[-_]?") for word in words)


_SCHEMES = re.compile(r"(?i)\b(bearer|basic|negotiate|ntlm)\s+[A-Za-z0-9+/=._~-]{16,}")
_FRESH = r"(?:(?<![\w-])|(?<=\\[nrt]))"
"""Where a name may begin; behind a backslash escape too, as in the repr of bytes."""
_HEADERS = re.compile(
    rf"(?i){_FRESH}((?:set-)?cookie|(?:proxy-)?authorization|x-qlik-session[\w-]*|x-qlik-proxysession|x-qlik-xrfkey)"
    r"(['\"]?\s*[:=,]\s*)[^\r\n]*"
)
_WORDS = re.compile(rf"(?i){_FRESH}({_names(_ALWAYS)})(['\"]?\s*[=:]\s*['\"]?)[^\s&;,'\"<>)]+")
_PARAMETERS = re.compile(rf"(?i)([?&;]|%3F|%26)({_names(_ALWAYS + _IN_ADDRESSES)})(=|%3D)[^\s&;'\"<>)]*")
_MODULE = re.compile(r"(?i)(/+session-module/+[^/\s]+/+session/+)[^\s?'\"]+")
_OUR_ID = re.compile(
    r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]*[a-z])(?=[A-Za-z0-9_-]*[A-Z])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"
)


def names_secret(name: str) -> bool:
    """Whether a parameter or field of this name (percent-encoded up to twice, any case) carries a secret."""
    return _NOISE.sub("", unquote_plus(unquote_plus(name)).lower()) in SECRET_NAMES


_known_name = lru_cache(maxsize=1024)(names_secret)
"""The names of parameters are few, whatever their values."""


def redact_target(target: str) -> str:
    """The target with the values of secret parameters hidden; a target without parameters comes back as it is."""
    if "=" not in target and "%" not in target:
        return target
    pieces = _SEPARATORS.split(target)
    return "".join([_redacted_piece(piece) if "=" in piece or "%" in piece else piece for piece in pieces])


def _redacted_piece(piece: str) -> str:
    name, equals, _ = piece.partition("=")
    if equals and (_known_name(name) if len(name) <= LONGEST_NAME else names_secret(name)):
        return f"{name}={HIDDEN}"
    if "%" not in piece and "+" not in piece:
        return piece
    if not _hides_parameters(piece):
        return piece
    if equals and not _hides_parameters(name):
        return f"{name}={HIDDEN}"
    return piece[: piece.index("%")] + HIDDEN


def _hides_parameters(text: str) -> bool:
    """Whether a secret parameter stands inside percent-encoded text (an address within an address)."""
    for _ in range(3):
        decoded = unquote_plus(text)
        if decoded == text:
            return False
        text = decoded
        if any("=" in piece and names_secret(piece.partition("=")[0]) for piece in _SEPARATORS.split(text)):
            return True
    return False


class Secrets:
    """Takes secrets out of free text; `learn` adds values that no pattern could know (bounded: the oldest go)."""

    SHORTEST = 6
    """Shorter values are not learned: they would punch holes into ordinary words."""

    def __init__(self, cap: int = 1000) -> None:
        self._cap = cap
        self._known: OrderedDict[str, None] = OrderedDict()

    def learn(self, value: str) -> None:
        if len(value) < self.SHORTEST:
            return
        self._known[value] = None
        self._known.move_to_end(value)
        if len(self._known) > self._cap:
            self._known.popitem(last=False)

    def scrub(self, text: str) -> str:
        for value in self._known:
            if value in text:
                text = text.replace(value, HIDDEN)
        text = _SCHEMES.sub(rf"\1 {HIDDEN}", text)
        text = _HEADERS.sub(rf"\1\2{HIDDEN}", text)
        text = _MODULE.sub(rf"\1{HIDDEN}", text)
        text = _PARAMETERS.sub(rf"\1\2\3{HIDDEN}", text)
        text = _WORDS.sub(rf"\1\2{HIDDEN}", text)
        return _OUR_ID.sub(lambda match: f"#{short_hash(match[0])}", text)

    def scrub_field(self, name: str, value: Any) -> Any:
        """The value of a named field: session ids as short hashes, secret names hidden, text scrubbed."""
        if name in {"session", "session_id"}:
            return short_session(str(value))
        if names_secret(name):
            return HIDDEN
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, list | tuple | set | frozenset):
            return [self.scrub_field("", one) for one in value]
        return self.scrub(str(value))


def short_session(session: str) -> str:
    """A session as logs may show it: short hashes stay, anything longer is hashed first."""
    return session if len(session) <= 8 else short_hash(clean(session))
