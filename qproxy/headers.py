"""Which header lines cross qproxy, in each direction, and which are taken out, read or made anew.

Pure: lines of bytes in, lines of bytes out. A line that crosses does so byte for byte, as it came. Framing
(Content-Length, Transfer-Encoding, Connection) is never copied: the data plane writes its own.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from enum import IntEnum
from typing import Final

from qproxy.errors import Failure, Refused


class Rule(IntEnum):
    """What happens to a header line: PASS it on, also READ its value, or TAKE it out (with its value), or DROP it."""

    PASS = 0
    READ = 1
    TAKE = 2
    DROP = 3


PASS, READ, TAKE, DROP = Rule

_HOP_BY_HOP = "keep-alive proxy-connection proxy-authorization proxy-authenticate te trailer http2-settings"

_IDENTITY = """x-qlik-user x-qlik-security x-qlik-proxysession x-qlik-proxyid x-qlik-app x-qlik-trace
    x-qlik-capabilities x-real-ip x-client-ip x-cluster-client-ip true-client-ip cf-connecting-ip client-ip
    x-original-url x-rewrite-url x-original-host x-http-method-override x-http-method x-method-override
    x-url-scheme front-end-https forwarded via x-remote-user remote-user x-authenticated-user"""
"""Names by which a request could claim to be somebody, or to come from somewhere, that QPS might believe."""

_IDENTITY_FAMILIES = (b"x-forwarded-", b"x-qproxy-", b"x-qlik-proxy")
"""Beginnings of such names: what stands behind them differs from one proxy to the next."""

REQUEST_RULES: Final[dict[bytes, Rule]] = {
    **dict.fromkeys(_HOP_BY_HOP.encode().split(), Rule.DROP),
    **dict.fromkeys(_IDENTITY.encode().split(), Rule.DROP),
    **dict.fromkeys(
        b"accept sec-fetch-mode sec-fetch-dest origin user-agent referer host authorization x-requested-with"
        b" sec-websocket-key sec-websocket-version access-control-request-method".split(),
        Rule.READ,
    ),
    **dict.fromkeys(
        b"cookie content-length transfer-encoding connection upgrade expect x-forwarded-for".split(), Rule.TAKE
    ),
}
RESPONSE_RULES: Final[dict[bytes, Rule]] = {
    **dict.fromkeys(_HOP_BY_HOP.encode().split(), Rule.DROP),
    b"proxy-authenticate": Rule.PASS,
    **dict.fromkeys(b"alt-svc clear-site-data service-worker-allowed".split(), Rule.DROP),
    **dict.fromkeys(b"sec-websocket-accept qlik-csrf-token".split(), Rule.READ),
    **dict.fromkeys(
        b"set-cookie location content-location content-length transfer-encoding connection upgrade".split(), Rule.TAKE
    ),
}
_ONCE = frozenset(
    b"host content-length origin sec-websocket-key sec-websocket-version location content-location authorization"
    b" upgrade".split()
)
_SECRET = frozenset(b"cookie authorization set-cookie sec-websocket-key sec-websocket-accept qlik-csrf-token".split())
_PROTECTED = frozenset(
    b"host cookie content-length transfer-encoding authorization origin expect connection"
    b" x-forwarded-for x-qlik-xrfkey qlik-csrf-token x-qlik-session sec-websocket-key sec-websocket-version".split()
)
"""Names that Connection may not nominate for removal: that would take away what QPS's or our checks rest on."""

_NAME = re.compile(rb"[A-Za-z0-9-]+")
_LANGUAGES = re.compile(rb"^accept-language:(.*)\r$", re.IGNORECASE | re.MULTILINE)
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

Field = tuple[Rule, bytes, bytes]
"""(rule, lower-case name, value without white space around it)."""


class FieldMemo:
    """Remembers what common header lines mean, so that each distinct line is read once; never a secret one.

    Bounded: forgets everything when full, which an attacker's unique lines can bring about at the cost of nothing
    but speed.
    """

    __slots__ = ("_dropped", "_lines", "_name", "_rules", "known")
    CAPACITY = 4096
    LONGEST = 400

    def __init__(self, rules: dict[bytes, Rule], name: re.Pattern[bytes], dropped: tuple[bytes, ...] = ()) -> None:
        self._lines: dict[bytes, Field] = {}
        self.known = self._lines.get
        """What a line means if it was read before: the hot path asks this first, without a call of ours."""
        self._rules = rules
        self._name = name
        self._dropped = dropped

    def read(self, line: bytes) -> Field:
        """For a line that is not `known`. Raises Refused(BAD_REQUEST) for one that is no header field or has a name
        that may not pass."""
        name, colon, value = line.partition(b":")
        if not colon or self._name.fullmatch(name) is None:
            raise Refused(Failure.BAD_REQUEST, f"header name {name[:40]!r}")
        name = name.lower()
        blank = b" " if name == b"transfer-encoding" else b" \t"  # llhttp takes "chunked" with a tab for another coding
        found = (self._rules.get(name) or self._by_family(name), name, value.strip(blank))
        if len(line) <= self.LONGEST and name not in _SECRET:
            if len(self._lines) >= self.CAPACITY:
                self._lines.clear()
            self._lines[line] = found
        return found

    def _by_family(self, name: bytes) -> Rule:
        return Rule.DROP if name.startswith(self._dropped) else Rule.PASS


class FieldBlock:
    """The header fields of a request but its cookies, and what follows from them alone.

    `crossing`: the lines that cross as they came, each with its CRLF; `dropped`: those that Qlik never gets, but
    the login pages perhaps, where a proxy in front says in them who somebody is; `named`: the values of READ and TAKE
    fields by lower-case name (repeated ones joined as their grammar says), without Cookie; `length` of the body: 0
    none, n bytes, or CHUNKED; `framing`: the lines that tell QPS of it. Shared by all requests with the same bytes, so
    nothing here may be changed in place.
    """

    __slots__ = ("crossing", "dropped", "framing", "host", "keep_alive", "length", "minor", "named")

    def __init__(self, minor: int, crossing: bytes, named: Mapping[bytes, bytes], dropped: bytes = b"") -> None:
        self.minor = minor
        self.crossing = crossing
        self.dropped = dropped
        self.named = named
        self.host = named.get(b"host", b"").lower()
        self.length = 0
        self.framing = b""
        self.keep_alive = minor == 1


class RequestHead:
    """A request's head after both judges (llhttp and our own rules) let it pass.

    `target` and its `path` are raw, `cookie` is the value of its Cookie field (b"" for none), `host` is in lower case;
    the rest is its FieldBlock's, and not to be changed in place.
    """

    __slots__ = (
        "cookie", "crossing", "dropped", "framing", "host", "keep_alive", "length", "method", "minor", "named", "path",
        "target", "websocket",
    )  # fmt: skip

    def __init__(self, method: bytes, target: bytes, block: FieldBlock, cookie: bytes = b"") -> None:
        self.method = method
        self.target = target
        self.path = target.partition(b"?")[0]
        self.cookie = cookie
        self.minor = block.minor
        self.crossing = block.crossing
        self.dropped = block.dropped
        self.named = block.named
        self.host = block.host
        self.length = block.length
        self.framing = block.framing
        self.keep_alive = block.keep_alive
        self.websocket = False

    @property
    def lines(self) -> list[bytes]:
        return self.crossing.split(b"\r\n")[:-1]


class StatusLine:
    """Status, reason and minor version of an answer, and `line`: as qproxy writes it (without CRLF)."""

    __slots__ = ("line", "minor", "reason", "status")

    def __init__(self, status: int, reason: bytes = b"", minor: int = 1) -> None:
        self.status = status
        self.reason = reason
        self.minor = minor
        self.line = b"HTTP/1.1 %d %b" % (status, reason)


class ResponseHead:
    """A response's head from Qlik. `written`: its status line and the lines that cross, as the browser gets them,
    without the last CRLF; `cookies`: the values of its Set-Cookie lines, in order; `declared`: the Content-Length that
    the browser is told, b"" for none; `length` of the body: n bytes, CHUNKED or UNTIL_CLOSE.

    `plain`: it names no place and sets no cookie. `ready`: instead of `written`, the head to its end, as a browser gets
    it whose connection goes on.
    """

    __slots__ = (
        "cookies", "declared", "keep_alive", "length", "named", "plain", "ready", "start", "status", "written",
    )  # fmt: skip

    def __init__(
        self, start: StatusLine, written: bytes, named: dict[bytes, bytes], cookies: list[bytes] | None = None
    ) -> None:
        self.start = start
        self.status = start.status
        self.written = written
        self.named = named
        self.cookies = [] if cookies is None else cookies
        self.declared = b""
        self.length = 0
        self.keep_alive = True
        self.plain = False
        self.ready = b""


CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2

_request_fields = FieldMemo(REQUEST_RULES, _NAME, _IDENTITY_FAMILIES)
_response_fields = FieldMemo(RESPONSE_RULES, _TOKEN)


def sort_request(lines: Iterable[bytes], dropped: list[bytes] | None = None) -> tuple[list[bytes], dict[bytes, bytes]]:
    """Header lines -> (lines that cross as they came, values of the fields that qproxy reads); those that nobody may
    send to Qlik are added to `dropped`.

    Raises Refused(BAD_REQUEST) for a name outside [A-Za-z0-9-] (the `_` and `.` spellings under which back ends
    read another header's name) and for a repeated field that may stand only once.
    """
    passed: list[bytes] = []
    named: dict[bytes, bytes] = {}
    known, read = _request_fields.known, _request_fields.read
    for line in lines:
        rule, name, value = known(line) or read(line)
        if rule is PASS:
            passed.append(line)
        elif rule is not DROP:
            named[name] = _joined(name, named[name], value) if name in named else value
            if rule is READ:
                passed.append(line)
        elif dropped is not None:
            dropped.append(line)
    return passed, named


def fields_of_response(lines: Iterable[bytes]) -> list[Field | None]:
    """What an answer's header lines mean, as far as they were read before."""
    return list(map(_response_fields.known, lines))


def sort_response(
    lines: list[bytes], fields: list[Field | None] | None = None
) -> tuple[list[bytes], dict[bytes, bytes], list[bytes]]:
    """Header lines of an answer -> (lines that cross, values read, Set-Cookie values in order). Raises Refused.

    `fields` is what `fields_of_response` said of the lines, from which those that do not cross are taken out.
    """
    named: dict[bytes, bytes] = {}
    cookies: list[bytes] = []
    taken: list[int] = []
    for place, field in enumerate(fields_of_response(lines) if fields is None else fields):
        rule, name, value = field or _response_fields.read(lines[place])
        if rule is PASS:
            continue
        if rule is not READ:
            taken.append(place)
        if name == b"set-cookie":
            cookies.append(value)
        elif rule is not DROP:
            named[name] = _joined(name, named[name], value) if name in named else value
    for place in reversed(taken):
        del lines[place]
    return lines, named, cookies


def _joined(name: bytes, first: bytes, second: bytes) -> bytes:
    if name in _ONCE:
        raise Refused(Failure.BAD_REQUEST, f"{name.decode()} stands twice")
    return first + (b"; " if name == b"cookie" else b", ") + second


def tokens(value: bytes) -> list[bytes]:
    """A comma-separated list's members in lower case (RFC 9110 section 5.6.1)."""
    return [token for part in value.lower().split(b",") if (token := part.strip(b" \t"))]


def nominated(connection: bytes) -> frozenset[bytes]:
    """The names that a Connection field wants taken out (RFC 9110 section 7.6.1). Raises Refused for a protected
    one."""
    names = frozenset(tokens(connection)) - {b"keep-alive", b"close", b"upgrade"}
    if names & _PROTECTED or any(name.startswith((b"x-qlik-", b"x-forwarded-")) for name in names):
        raise Refused(Failure.BAD_REQUEST, "Connection names a protected header")
    return names


def without_named(lines: list[bytes], names: Collection[bytes]) -> list[bytes]:
    """The lines whose (lower-case) name is not among `names`."""
    return [line for line in lines if line.partition(b":")[0].lower() not in names]


def lines_named(block: bytes, names: Collection[bytes]) -> list[bytes]:
    """Of lines, each with its CRLF, those whose (lower-case) name is among `names`, without it."""
    return [line for line in block.split(b"\r\n")[:-1] if line.partition(b":")[0].lower() in names]


def whole(lines: Iterable[bytes]) -> bytes:
    """Header lines, each with its CRLF."""
    return b"".join([line + b"\r\n" for line in lines])


def accepted_languages(crossing: bytes) -> str:
    """The value of Accept-Language among such lines, "" without one. For what goes wrong: no other request pays."""
    return ", ".join(value.decode("latin-1").strip() for value in _LANGUAGES.findall(crossing))


def to_upstream(
    head: RequestHead, cookie: bytes | None, forwarded: bytes, strip: Collection[bytes] = frozenset()
) -> bytes:
    """The header fields that QPS gets, without framing.

    `cookie` is the Cookie value as it may cross; `forwarded` our own X-Forwarded-* lines; `strip` further names
    (lower case) that no browser may send on this virtual proxy. On an upgrade Authorization stays here: QPS
    refuses sockets that carry it.
    """
    if head.websocket and b"authorization" in head.named:
        strip = {b"authorization", *strip}
    crossing = whole(without_named(head.lines, strip)) if strip else head.crossing
    return b"".join((crossing, forwarded, b"Cookie: ", cookie, b"\r\n")) if cookie else crossing + forwarded


def forwarded_lines(client: str, scheme: str, host: str, trusted_chain: bytes = b"") -> bytes:
    """X-Forwarded-* as qproxy adds them, once; `trusted_chain` is what a trusted proxy in front sent."""
    chain = trusted_chain + b", " + client.encode() if trusted_chain else client.encode()
    return whole(
        [
            b"X-Forwarded-For: " + chain,
            b"X-Forwarded-Proto: " + scheme.encode(),
            b"X-Forwarded-Host: " + host.encode(),
        ]
    )
