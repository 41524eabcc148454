"""Makes answers of a Qlik node by a grammar: good ones, then changed in the ways in which broken servers change them.

Everything follows from a seed. A request of the browser goes with each answer, for the two together say how long it is.
"""

import random
from dataclasses import dataclass

from hostile import drafts
from hostile.drafts import Change, Draft

ASKED = {
    "get": b"GET /sales/x HTTP/1.1\r\nHost: bi.example\r\n\r\n",
    "head": b"HEAD /sales/x HTTP/1.1\r\nHost: bi.example\r\n\r\n",
    "old": b"GET /sales/x HTTP/1.0\r\nHost: bi.example\r\n\r\n",
    "last": b"GET /sales/x HTTP/1.1\r\nHost: bi.example\r\nConnection: close\r\n\r\n",
}
_STATUS = (
    (b"200", b"OK"),
    (b"200", b"OK"),
    (b"201", b""),
    (b"302", b"Found"),
    (b"404", b"Not Found"),
    (b"500", b"a b"),
)
_BODYLESS = ((b"204", b"No Content"), (b"304", b"Not Modified"))
_INTERIM = (
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    b"HTTP/1.1 102 X\r\n\r\n",
)
_FIELDS = (
    (b"Date", b"Sun, 22 Nov 2026 10:00:00 GMT"), (b"Server", b"Microsoft-HTTPAPI/2.0"), (b"ETag", b'"1"'),
    (b"Content-Type", b"application/json"), (b"Content-Encoding", b"gzip"), (b"Set-Cookie", b"a=1; Path=/; HttpOnly"),
    (b"Set-Cookie", b"X-Qlik-Session-sales=2"), (b"Location", b"/sales/y"), (b"Content-Location", b"/sales/z"),
    (b"Cache-Control", b"no-store"), (b"Vary", b"Origin"), (b"Keep-Alive", b"timeout=5"), (b"Alt-Svc", b"h3"),
    (b"Connection", b"keep-alive"), (b"Connection", b"close"), (b"WWW-Authenticate", b"NTLM"), (b"X_Odd.Name", b"\xe9"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """`pieces` joined are what the node sends: the answer, then what follows it. `ends`: then it closes."""

    asked: str
    pieces: list[bytes]
    ends: bool
    cuts: list[int]

    def reads(self) -> list[bytes]:
        return drafts.Stream(self.pieces, 1, self.cuts).reads()


def answer(seed: int) -> Answer:
    dice = random.Random(seed)
    asked = dice.choice(("get", "get", "get", "head", "old", "last"))
    ends = dice.random() < 0.3
    raw = drafts.changed(good(dice, asked, ends), dice, CHANGES)
    if dice.random() < 0.1:
        raw = dice.choice(_INTERIM) * dice.randrange(1, 3) + raw
    pieces = [raw, dice.choice((b"more", b"HTTP/1.1 200 OK\r\n\r\n", b"\r\n"))] if dice.random() < 0.05 else [raw]
    size = sum(map(len, pieces))
    return Answer(asked, pieces, ends or dice.random() < 0.1, drafts.cuts(size, dice) if size > 1 else [])


def good(dice: random.Random, asked: str, ends: bool) -> Draft:
    """The parts of a status line stand where a request's method, target and version do."""
    status, reason = dice.choice(_STATUS if dice.random() < 0.85 else _BODYLESS)
    version = b"HTTP/1.0" if dice.random() < 0.1 else b"HTTP/1.1"
    fields = [[name, b": ", value, b"\r\n"] for name, value in dice.sample(_FIELDS, dice.randrange(6))]
    draft = Draft(version, status, reason, fields)
    if not ends and version != b"HTTP/1.0" and dice.random() < 0.5:
        drafts.chunked(draft, dice)
    elif not ends or dice.random() < 0.3:
        drafts.sized(draft, dice)
    else:
        draft.body = b"until the end\r\n\r\n"
    draft.method = version
    if asked == "head" or status in (b"204", b"304"):
        draft.body = b""
    return draft


def _odd(part: str, kind: str) -> Change:
    def change(draft: Draft, dice: random.Random) -> None:
        setattr(draft, part, dice.choice(drafts.ODD[kind]))

    return change


def _space(draft: Draft, dice: random.Random) -> None:
    draft.space = dice.choice((b"  ", b"\t", b"", b"\x0b"))


def _no_reason(draft: Draft, dice: random.Random) -> None:
    draft.version = b""
    draft.target += dice.choice((b"", b" "))


CHANGES: tuple[Change, ...] = (
    _odd("method", "answer_version"), _odd("target", "answer_status"), _odd("version", "answer_reason"), _space,
    _no_reason, drafts.line_ended, drafts.in_a_field(0, "name"), drafts.in_a_field(1, "space"),
    drafts.in_a_field(2, "value"), drafts.in_a_field(3, "end"), drafts.one_more(b"X-More", "value"),
    drafts.one_more(b"Content-Length", "length"), drafts.one_more(b"Set-Cookie", "cookie"),
    drafts.one_more(b"Transfer-Encoding", "coding"), drafts.instead(b"Content-Length", "length"),
    drafts.instead(b"Transfer-Encoding", "coding"), drafts.one_more(b"Connection", "connection"),
    drafts.instead(b"Connection", "connection"), drafts.one_more(b"Upgrade", "upgrade"), drafts.twice, drafts.away,
    drafts.instead(b"Date", "value"), drafts.body_off, drafts.chunk_added, drafts.trailer_added,
)  # fmt: skip
