"""The words of Qlik's session module interface: which call an address means, what bodies say, how answers look.

Pure. Qlik's proxy service joins its configured base address and `session/...` in ways that are not documented, so the
address is read tolerantly: doubled and trailing slashes, any case of the two words, one round of percent-decoding. It
works on the raw path, because a decoded one no longer tells `%2F` from `/`. Names are written as Qlik writes them
(PascalCase) and read in any case.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from qproxy.model import Attributes, Session, User

MOUNT = "session-module"
METHODS = {"sessions": ("POST",), "session": ("GET", "DELETE"), "user": ("GET", "DELETE")}
"""What may be done with: all sessions of a virtual proxy, one session, the sessions of one user."""
LONGEST_ID = 4096


class BadCall(Exception):
    """An address or a body that cannot be understood; the text may be told to the caller."""


@dataclass(frozen=True, slots=True)
class Call:
    """What an address names: `kind` is a key of METHODS, `parts` the id, or directory and id of the user."""

    vp: str
    kind: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Posted:
    """A session that Qlik's proxy service tells us of."""

    id: str
    user: User
    attributes: Attributes


def read_call(raw_path: str) -> Call | None:
    """The call that a raw path (query and all) names, or None. BadCall for characters that no name may hold."""
    path = raw_path.partition("?")[0]
    if not path.startswith("/"):
        return None
    segments = [_decoded(segment) for segment in path.split("/") if segment]
    if len(segments) < 3 or segments[0].lower() != MOUNT:
        return None
    _, vp, word, *parts = segments
    word = word.lower()
    if word == "session" and len(parts) <= 1:
        return Call(vp, "session" if parts else "sessions", tuple(parts))
    if word == "user" and len(parts) == 2:
        return Call(vp, "user", tuple(parts))
    return None


def _decoded(segment: str) -> str:
    try:
        text = unquote(segment, errors="strict") if "%" in segment else segment
        text.encode()
    except UnicodeError:
        raise BadCall("the address is not UTF-8") from None
    if not text.isprintable() and has_control(text):
        raise BadCall("the address holds a control character")
    return text


def has_control(text: str) -> bool:
    return any(character < " " or "\x7f" <= character < "\xa0" for character in text)


def read_posted(body: bytes) -> Posted:
    """The session object of a body. BadCall says what is wrong, without repeating a value."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise BadCall("the body is not JSON" if body.strip() else "there is no body") from None
    if not isinstance(value, dict):
        raise BadCall("the body is not a session object")
    fields = {str(name).lower(): one for name, one in value.items()}
    try:
        user = User(_text(fields, "UserDirectory").strip(), _text(fields, "UserId").strip())
    except ValueError as error:
        raise BadCall(str(error)) from None
    session_id = _text(fields, "SessionId")
    if not session_id or len(session_id) > LONGEST_ID or has_control(session_id):
        raise BadCall("SessionId is empty, too long or holds a control character")
    return Posted(session_id, user, Attributes(tuple(_attributes(fields.get("attributes")))))


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name.lower())
    if not isinstance(value, str):
        raise BadCall(f"{name} is missing or is not text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadCall(f"{name} is not valid Unicode") from None
    return value


def _attributes(value: Any) -> Iterator[tuple[str, str]]:
    """Pairs of a list of objects (one object of several names counts as several); null and a missing field as none."""
    if value is not None and not isinstance(value, list | dict):
        raise BadCall("Attributes is not a list of objects")
    for one in [value] if isinstance(value, dict) else value or []:
        if not isinstance(one, dict):
            raise BadCall("Attributes is not a list of objects")
        for name, inner in one.items():
            for text in inner if isinstance(inner, list) else [inner]:
                yield _harmless(name), _harmless(_scalar(text))


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        raise BadCall("an attribute is not text")
    return "" if value is None else json.dumps(value)


def _harmless(text: str) -> str:
    """Qlik passes attributes on in a header: control characters become spaces there."""
    text = text.encode("utf-8", "replace").decode()
    return "".join(" " if has_control(character) else character for character in text) if has_control(text) else text


def session_object(session: Session) -> dict[str, Any]:
    """Exactly the four documented fields."""
    return {
        "UserDirectory": session.user.directory,
        "UserId": session.user.id,
        "Attributes": [{name: value} for name, value in session.attributes.pairs],
        "SessionId": session.id,
    }
