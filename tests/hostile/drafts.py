"""Makes streams of requests by a grammar: what browsers send, then changed in the ways in which attackers and broken
clients change it.

Everything follows from a seed. A stream is one or two drafts and a canary behind them, so that whoever ends a body at
another byte reads the canary differently.
"""

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hostile import corpus

HOST = b"bi.example"
CANARY = b"GET /sales/canary HTTP/1.1\r\nHost: bi.example\r\n\r\n"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="

_AGENTS = (
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    b"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    b"curl/8.16.0",
)
_PATHS = (b"/", b"/sales/hub/", b"/sales/api/v1/apps", b"/sales/content/a%20b.png", b"/sales/~x/(y)", b"/sales/a;b=c")
_QUERIES = (b"", b"", b"?xrfkey=1234567890123456", b"?a=/../b&c=%2e", b"?", b"?q=http://x/?y")
_COOKIES = (b"X-Qlik-Session-sales=0d1c2b3a", b"a=1; b=2", b'x="y z"; X-Qlik-Session-sales=1', b"=; ;")
_MORE = (
    (b"Accept", b"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
    (b"Accept-Language", b"de-DE,de;q=0.9,en;q=0.8"),
    (b"Sec-Fetch-Mode", b"cors"),
    (b"sec-ch-ua", b'"Chromium";v="142", "Not?A_Brand";v="99"'),
    (b"X-Qlik-Xrfkey", b"1234567890123456"),
    (b"If-None-Match", b'W/"5f3-abc"'),
    (b"If-Modified-Since", b"Sun, 22 Nov 2026 10:00:00 GMT"),
    (b"Referer", b"https://bi.example/sales/hub/"),
    (b"Origin", b"https://bi.example"),
    (b"Cache-Control", b"no-cache"),
    (b"Priority", b"u=1, i"),
    (b"X-Empty", b""),
    (b"Content-Type", b"application/json; charset=utf-8"),
    (b"Authorization", b"Basic YTpi"),
    (b"X-Forwarded-For", b"203.0.113.9"),
    (b"TE", b"trailers"),
)
_USUAL = tuple(
    ((b"Host", HOST), (b"User-Agent", agent), *_MORE[first : first + 4])
    for agent in _AGENTS
    for first in range(0, 12, 4)
)
"""What comes again and again, so that whoever remembers it is asked for it."""
_FRAMING = frozenset((b"Content-Length", b"Transfer-Encoding", b"Upgrade", b"Expect"))
_PAYLOADS = (
    b"x",
    b'{"a":1}',
    b"GET /sales/inner HTTP/1.1\r\nHost: bi.example\r\n\r\n",
    b"0\r\n\r\n",
    b"\r\n",
    b"\n\0\xff",
)


@dataclass
class Draft:
    """A request in parts; a field is [name, what stands between, value, the line's end]."""

    method: bytes
    target: bytes
    version: bytes
    fields: list[list[bytes]]
    body: bytes = b""
    end: bytes = b"\r\n"
    line_end: bytes = b"\r\n"
    space: bytes = b" "

    def raw(self) -> bytes:
        line = self.space.join((self.method, self.target, self.version)) + self.line_end
        return line + b"".join([b"".join(parts) for parts in self.fields]) + self.end + self.body

    def add(self, name: bytes, value: bytes, dice: random.Random) -> None:
        self.fields.insert(dice.randrange(len(self.fields) + 1), [name, b": ", value, b"\r\n"])


@dataclass
class Stream:
    """`pieces` joined are the bytes; each begins where a draft does. `heads`: how many there are, without the canary.
    `cuts`: where the reads end that a connection makes of it."""

    pieces: list[bytes]
    heads: int
    cuts: list[int] = field(default_factory=list)

    def reads(self) -> list[bytes]:
        data = b"".join(self.pieces)
        ends = [*self.cuts, len(data)]
        return [data[start:end] for start, end in zip([0, *self.cuts], ends, strict=True) if start < end]


def stream(seed: int) -> Stream:
    dice = random.Random(seed)
    drafts = [good(dice)]
    if dice.random() < 0.3:
        drafts.append(again(drafts[0], dice) if dice.random() < 0.5 else good(dice))
    pieces = [*[changed(draft, dice, CHANGES) for draft in drafts], CANARY]
    return Stream(pieces, len(drafts), cuts(sum(map(len, pieces)), dice))


def cuts(size: int, dice: random.Random) -> list[int]:
    """Mostly one read, sometimes a few, seldom one for every byte."""
    chance = dice.random()
    if chance < 0.6:
        return []
    if chance < 0.99:
        return sorted(dice.randrange(1, size) for _ in range(dice.randrange(1, 4)))
    return list(range(1, size))


def good(dice: random.Random) -> Draft:
    """What a browser could send."""
    draft = Draft(b"GET", dice.choice(_PATHS) + dice.choice(_QUERIES), b"HTTP/1.1", [])
    pairs = list(dice.choice(_USUAL))
    if dice.random() < 0.5:
        pairs = [(b"Host", HOST), (b"User-Agent", dice.choice(_AGENTS)), *dice.sample(_MORE, dice.randrange(5))]
    if dice.random() < 0.5:
        pairs.insert(dice.randrange(len(pairs) + 1), (b"Cookie", dice.choice(_COOKIES)))
    if dice.random() < 0.3:
        pairs.append((b"Connection", dice.choice((b"keep-alive", b"close", b"Keep-Alive"))))
    draft.fields = [[name, b": ", value, b"\r\n"] for name, value in pairs]
    kind = dice.random()
    if kind < 0.25:
        sized(draft, dice)
    elif kind < 0.5:
        chunked(draft, dice)
    elif kind < 0.58:
        upgrade(draft, dice)
    elif kind < 0.65:
        draft.method = dice.choice((b"HEAD", b"OPTIONS", b"DELETE"))
    return draft


def again(draft: Draft, dice: random.Random) -> Draft:
    """The same browser's next request: its fields are the same to the byte, but for the cookies."""
    fields = [list(parts) for parts in draft.fields if parts[0] not in _FRAMING]
    for parts in fields:
        if parts[0] == b"Cookie":
            parts[2] = dice.choice(_COOKIES)
    return Draft(b"GET", dice.choice(_PATHS) + dice.choice(_QUERIES), draft.version, fields)


def sized(draft: Draft, dice: random.Random) -> None:
    draft.method = dice.choice((b"POST", b"PUT", b"PATCH"))
    draft.body = dice.choice(_PAYLOADS) * dice.randrange(4)
    draft.add(b"Content-Length", b"%d" % len(draft.body), dice)


def chunked(draft: Draft, dice: random.Random) -> None:
    draft.method = b"POST"
    draft.add(b"Transfer-Encoding", b"chunked", dice)
    data = [dice.choice(_PAYLOADS) * dice.randrange(1, 4) for _ in range(dice.randrange(4))]
    size = dice.choice((b"%x", b"%X", b"%04x"))
    trailer = b"X-Sum: 1\r\n" if dice.random() < 0.1 else b""
    draft.body = b"".join([size % len(one) + b"\r\n" + one + b"\r\n" for one in data]) + b"0\r\n" + trailer + b"\r\n"


def upgrade(draft: Draft, dice: random.Random) -> None:
    draft.fields = [parts for parts in draft.fields if parts[0] != b"Connection"]
    draft.add(b"Connection", dice.choice((b"Upgrade", b"keep-alive, Upgrade", b"upgrade")), dice)
    draft.add(b"Upgrade", dice.choice((b"websocket", b"websocket", b"WebSocket")), dice)
    draft.add(b"Sec-WebSocket-Key", KEY, dice)
    draft.add(b"Sec-WebSocket-Version", b"13", dice)
    draft.body = dice.choice((b"", b"\x81\x82abcdef", b"GET / HTTP/1.1\r\n"))


# --- what is changed ---

Change = Callable[[Draft, random.Random], None]
ODD: dict[str, tuple[bytes, ...]] = {
    word: tuple(value for _, value in values)
    for word, values in itertools.groupby(corpus.rows("odd.txt"), key=lambda row: row[0])
}
"""By the part of a message that they stand for."""
BITES = (b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"\x0b", b"\xff", b"_", b"\x7f", b"#", b"\\",
         b"..", b"%00", b"\r\n\r\n", b"0", b"\x85", b"/", b"?", b"=", b"\"", b"\r\n ")  # fmt: skip


def changed(draft: Draft, dice: random.Random, changes: Sequence[Change]) -> bytes:
    """The bytes of a draft after no, one or a few changes."""
    for _ in range(dice.choice((0, 1, 1, 1, 2))):
        dice.choice(changes)(draft, dice)
    raw = draft.raw()
    if dice.random() < 0.08:
        at = dice.randrange(len(raw))
        raw = raw[:at] + dice.choice(BITES) + raw[at + dice.randrange(3) :]
    return b"\r\n" * dice.randrange(3) + raw if dice.random() < 0.05 else raw


def whole(part: str) -> Change:
    def change(draft: Draft, dice: random.Random) -> None:
        setattr(draft, part, dice.choice(ODD[part]))

    return change


def in_a_field(position: int, kind: str) -> Change:
    def change(draft: Draft, dice: random.Random) -> None:
        if draft.fields:
            dice.choice(draft.fields)[position] = dice.choice(ODD[kind])

    return change


def one_more(name: bytes, kind: str) -> Change:
    def change(draft: Draft, dice: random.Random) -> None:
        draft.add(dice.choice((name, name, name.lower(), name.upper())), dice.choice(ODD[kind]), dice)

    return change


def instead(name: bytes, kind: str) -> Change:
    def change(draft: Draft, dice: random.Random) -> None:
        draft.fields = [parts for parts in draft.fields if parts[0] != name]
        draft.add(name, dice.choice(ODD[kind]), dice)

    return change


def twice(draft: Draft, dice: random.Random) -> None:
    if draft.fields:
        draft.fields.insert(dice.randrange(len(draft.fields)), list(dice.choice(draft.fields)))


def away(draft: Draft, dice: random.Random) -> None:
    if draft.fields:
        del draft.fields[dice.randrange(len(draft.fields))]


def _absolute(draft: Draft, dice: random.Random) -> None:
    where = (
        b"http://bi.example",
        b"https://bi.example",
        b"HTTP://BI.example",
        b"http://bi.example:80",
        b"ftp://bi.example",
    )
    draft.target = dice.choice(where) + dice.choice((draft.target, draft.target, b"", b"?a=1", b":80", b"/\\x"))


def line_ended(draft: Draft, dice: random.Random) -> None:
    draft.line_end = dice.choice((b"\n", b"\r", b" \r\n", b"\r\n\r\n", b"\r\n ", b"\r\r\n", b""))


def spaces(draft: Draft, dice: random.Random) -> None:
    draft.space = dice.choice((b"  ", b"\t", b"", b"\x0b", b" \t"))


def body_off(draft: Draft, dice: random.Random) -> None:
    draft.body = dice.choice((draft.body[:-1], draft.body + b"\n", draft.body + b"\r\n", b"", b"x" + draft.body))


def chunk_added(draft: Draft, dice: random.Random) -> None:
    at = draft.body.rfind(b"0\r\n")
    draft.body = draft.body[: max(0, at)] + dice.choice(ODD["size"]) + draft.body[max(0, at) :]


def trailer_added(draft: Draft, dice: random.Random) -> None:
    draft.body = draft.body.removesuffix(b"\r\n") + dice.choice(ODD["trailer"]) + b"\r\n"


CHANGES: tuple[Change, ...] = (
    whole("method"), whole("version"), whole("version"), whole("target"), _absolute, _absolute,
    in_a_field(0, "name"), in_a_field(1, "space"), in_a_field(2, "value"), in_a_field(3, "end"),
    one_more(b"X-More", "value"), one_more(b"Content-Length", "length"), one_more(b"Transfer-Encoding", "coding"),
    instead(b"Content-Length", "length"), instead(b"Transfer-Encoding", "coding"), instead(b"Host", "host"),
    one_more(b"Host", "host"), one_more(b"Connection", "connection"), instead(b"Connection", "connection"),
    instead(b"Upgrade", "upgrade"), one_more(b"Upgrade", "upgrade"), one_more(b"Expect", "expect"), upgrade,
    one_more(b"Cookie", "cookie"), instead(b"Cookie", "cookie"), instead(b"Cookie", "cookie"),
    twice, twice, away, line_ended, spaces, body_off, chunk_added, chunk_added, trailer_added, sized, chunked,
)  # fmt: skip
