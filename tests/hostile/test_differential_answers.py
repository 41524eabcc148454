"""What the data plane accepts of a Qlik node is a subset of what aiohttp's own parsers accept, with the same framing.

More than 30,000 answers a run, always the same ones. aiohttp reads answers leniently, so the one question is whether
what the browser gets is what aiohttp reads; and that nothing is left on a connection that is used again.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hostile.answers import ASKED, Answer, answer
from hostile.comparison import DROPPED
from hostile.lane import Lane
from hostile.readings import FASTEST, RESPONSES, Message, Reader

from qproxy.errors import Failure
from qproxy.forwarding import body, response, upstream
from qproxy.headers import RESPONSE_RULES, ResponseHead, Rule

ANSWERS = 30_000
BLOCKS = 10
EACH = 3_200
COMPILED = not response.__file__.endswith(".py")
BROKEN = (Failure.UPSTREAM_GONE, Failure.UPSTREAM_BAD_ANSWER)
CANARY = b"HTTP/1.1 200 OK\r\nX-Canary: 1\r\nContent-Length: 0\r\n\r\n"
CANARY_PAIRS = ((b"X-Canary", b"1"), (b"Content-Length", b"0"))
_REWRITTEN = (b"set-cookie", b"location", b"content-location")


class Difference(AssertionError):
    """What differs, and how."""


@dataclass(frozen=True, slots=True)
class Relayed:
    """What became of an answer. `got`: what the browser read; `reused`: the node's connection rests for the next one;
    `broken_off`: the browser's connection ended. `failure` UPSTREAM_TIMEOUT: qproxy still waits."""

    failure: Failure | None
    got: Message | None
    error: str
    reused: bool
    broken_off: bool


def relayed(made: Answer) -> Relayed:
    lane = Lane(answering=False)
    lane.send(ASKED[made.asked])
    record = lane.road.asked[0]
    for data in made.reads():
        lane.answer(data)
    reused = lane.road.pool.resting == 1
    if made.ends:
        lane.node_goes()
    failure = record.failure if lane.road.over else Failure.UPSTREAM_TIMEOUT
    assert failure in (None, *BROKEN, Failure.UPSTREAM_TIMEOUT), record.detail
    reader = reader_of(FASTEST, made)
    reader.feed(b"".join(lane.browser.written))
    broken_off = lane.browser.closing
    if broken_off and not reader.error:
        reader.end()
    lane.close()
    return Relayed(failure, final(reader), reader.error, reused, broken_off)


def reader_of(parser: str, made: Answer) -> Reader:
    return Reader(RESPONSES[parser], response_with_body=made.asked != "head", read_until_eof=True)


def final(reader: Reader) -> Message | None:
    return next((message for message in reader.messages() if message.start[0] >= 200), None)


def read_by(parser: str, made: Answer) -> tuple[Message | None, str]:
    """The final answer as a parser of aiohttp reads it; why there is none.

    Bytes behind the answer are kept from a parser that forgets the answer over them."""
    data = b"".join(made.pieces)
    reader = reader_of(parser, made)
    reader.feed(data)
    if reader.error:
        reader = reader_of(parser, made)
        for place in range(len(data)):
            reader.feed(data[place : place + 1])
            if reader.error or reader.final_whole:
                break
    elif made.ends:
        reader.end()
    return final(reader), reader.error


def follows(parser: str, made: Answer) -> bool:
    """Whether a parser of aiohttp would read the next answer on the connection from its first byte."""
    reader = reader_of(parser, made)
    for data in (*made.pieces, CANARY):
        reader.feed(data)
    messages = [message for message in reader.messages() if message.start[0] >= 200]
    return not reader.error and len(messages) == 2 and messages[1].pairs == CANARY_PAIRS


def difference(made: Answer, one: Relayed, parser: str) -> str:
    """ "" where there is none."""
    if one.failure in BROKEN:
        sent = one.got is not None and one.got.start[0] != Failure.UPSTREAM_BAD_ANSWER.status
        return "a broken answer may pass for a whole one" if sent and not one.broken_off else ""
    read_as, error = read_by(parser, made)
    if one.failure is Failure.UPSTREAM_TIMEOUT:
        return "qproxy waits, aiohttp has seen the end" if read_as is not None and read_as.whole else ""
    if read_as is None or not read_as.whole:
        return f"aiohttp reads no whole answer: {error or read_as}"
    if one.got is None:
        return f"the browser reads nothing: {one.error}"
    if one.reused and not follows(parser, made):
        return "the connection is used again, aiohttp would read something else on it"
    if one.reused and read_as.close:
        return "the connection is used again, aiohttp would close it"
    return what_differs(one.got, read_as)


def what_differs(got: Message, read_as: Message) -> str:
    wanted = {
        "status line": (trimmed(got), trimmed(read_as)),
        "fields": (crossing(got), crossing(read_as)),
        "body": (got.body, read_as.body),
        "whole": (got.whole, True),
        **{name.decode(): (got.values(name), read_as.values(name)) for name in _REWRITTEN},
    }
    return "; ".join(
        f"{what}: {ours!r}, aiohttp {theirs!r}" for what, (ours, theirs) in wanted.items() if ours != theirs
    )


def trimmed(message: Message) -> tuple[int, bytes]:
    """White space around the reason crosses as it came; aiohttp takes it away."""
    return message.start[0], message.start[1].strip(b" \t")


def crossing(message: Message) -> list[tuple[bytes, bytes]]:
    rules = ((name, value, RESPONSE_RULES.get(name.lower(), Rule.PASS)) for name, value in message.pairs)
    return [(name, value) for name, value, rule in rules if rule in (Rule.PASS, Rule.READ)]


# --- what aiohttp reads differently, and why that is right ---


def _bodyless(made: Answer, found: str) -> bool:
    """The answer to a HEAD ends with its head, whatever it says (RFC 9112 section 6.3): the connection stays good.
    aiohttp reckons from the fields alone and closes; what it reads next is the same."""
    return made.asked == "head" and "aiohttp would close it" in found


def _first_draft(made: Answer, found: str) -> bool:
    """aiohttp refuses the field of a WebSocket draft of 2010 in answers as well, where it never meant anything."""
    return "Sec-WebSocket-Key1" in found


def _closing_interim(made: Answer, found: str) -> bool:
    """An interim answer with `Connection: close`: aiohttp reads nothing behind it, qproxy the final answer, which is
    the one whose end the connection has (RFC 9110 section 15.2)."""
    return re.match(rb"(?is)HTTP/1\.1 1[0-9]{2}.*\r\nconnection:[^\r]*close", made.pieces[0]) is not None


def _proxy_connection(made: Answer, found: str) -> bool:
    """llhttp takes Proxy-Connection for Connection; no standard does (RFC 9112 appendix C.2.2)."""
    return b"proxy-connection: close" in b"".join(made.pieces).lower() and "connection is used again" in found


EXCEPTIONS: dict[str, tuple[Callable[[Answer, str], bool], float]] = {
    "a HEAD without a length": (_bodyless, 0.05),
    "a field of a WebSocket draft": (_first_draft, 0.01),
    "an interim answer that closes": (_closing_interim, 0.002),
    "a Proxy-Connection field": (_proxy_connection, 0.002),
}
"""With the part of all answers that may be of each kind."""


def excused(made: Answer, one: Relayed, parser: str, found: str) -> str:
    """Raises Difference."""
    for name, (fits, _) in EXCEPTIONS.items():
        if fits(made, found):
            return name
    for name, (pattern, instead) in DROPPED.items():
        plain = replace(made, pieces=[pattern.sub(instead, piece) for piece in made.pieces])
        if plain != made:
            return excused(plain, one, parser, left) if (left := difference(plain, one, parser)) else name
    raise Difference(found)


def compared(seeds: Iterable[int]) -> Counter[str]:
    """Raises Difference with the seed."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        made = answer(seed)
        one = relayed(made)
        found = {parser: what for parser in RESPONSES if (what := difference(made, one, parser))}
        try:
            names = {excused(made, one, parser, what) for parser, what in found.items()}
            counts.update(names or [one.failure.word if one.failure else "same"])
        except Difference as what:
            raise Difference(f"seed {seed}: {what}\n{made}\n{one}") from None
    return counts


@pytest.mark.parametrize("number", range(BLOCKS))
async def test_what_browsers_get_is_what_aiohttp_would_read(number: int) -> None:
    counts = compared(range(number * EACH, (number + 1) * EACH))
    assert EACH * BLOCKS >= ANSWERS
    assert counts["same"] >= 0.35 * EACH, "too few answers get through for the comparison to say much"
    assert counts["upstream_bad_answer"] >= 0.2 * EACH, "too few answers are refused"
    shares = {name: share for name, (_, share) in EXCEPTIONS.items()} | dict.fromkeys(DROPPED, 0.02)
    assert {name: counts[name] for name, share in shares.items() if counts[name] > share * EACH} == {}


# --- it notices ---


def always(value: bool) -> Callable[..., bool]:
    return lambda *_: value


def half(made: ResponseHead, method: bytes) -> int:
    length = _length(made, method)
    return length // 2 if length > 1 else length


def forgetful(self: Any, *, clean: bool, now: float) -> None:
    self._buffer = b""
    _release(self, clean=clean, now=now)


_release = upstream.Upstream.release
_length = response._response_length
cut = response._without_varying
WEAKENED: dict[str, tuple[object, str, object]] = {
    "llhttp is not asked": (response, "judge", lambda parser, raw: None),
    "a connection is always kept": (response, "_persists", always(True)),
    "half of a body is enough": (response, "_response_length", half),
    "an answer without a length has no body": (
        response,
        "_response_length",
        lambda made, method: max(0, _length(made, method)),
    ),
    "a HEAD is taken for a GET": (response, "_response_length", lambda made, method: _length(made, b"GET")),
    "what varies is cut off and not put back": (response, "_without_varying", lambda raw: (cut(raw)[0], b"", b"9")),
    "a chunk's size may be anything": (body, "_SIZE_LINE", re.compile(rb"[^0-9A-Fa-f]*([0-9A-Fa-f]+)[^\r\n]*")),
    "what is left over is forgotten": (upstream.Upstream, "release", forgetful),
}


@pytest.mark.skipif(
    COMPILED, reason="compiled modules cannot be changed from outside; the Python ones are the same source"
)
@pytest.mark.parametrize("what", WEAKENED)
async def test_a_weaker_rule_is_noticed(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, name, instead = WEAKENED[what]
    monkeypatch.setattr(target, name, instead)
    with pytest.raises(Difference):
        compared(range(1500))
