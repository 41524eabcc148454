"""Good heads, changed at random; and a reader of the bare grammar, to compare ours with."""

import re

from hostile.corpus import cases

from qproxy.forwarding.head import HEAD_END
from qproxy.headers import CHUNKED

HOST = "bi.example"
SEEDS = sorted(
    {
        case.request(HOST).lstrip(b"\r\n").partition(HEAD_END)[0] + HEAD_END
        for case in cases()
        if case.kind in ("forward", "body")
    }
)
BITES = [
    b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"chunked", b"Transfer-Encoding: chunked\r\n", b"\x0b",
    b"Content-Length: 3\r\n", b"Content-Length: 0\r\n", b"Host: evil\r\n", b"HTTP/1.0", b"+", b"0x", b"\xff", b"_",
    b"\x7f", b"Connection: upgrade\r\nUpgrade: websocket\r\n", b"X: y\r\n z\r\n", b"#", b"\\", b"..", b"%00",
    b"http://bi.example",
]  # fmt: skip


def mutate(seed: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Each edit removes some bytes somewhere and puts others in their place; the head keeps its one end."""
    head = seed[:-4]
    for place, gone, put in edits:
        at = place % (len(head) + 1)
        head = head[:at] + put + head[at + gone :]
    return (head + HEAD_END).partition(HEAD_END)[0] + HEAD_END


_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_LINE = re.compile(rb"(%b) ([\x21-\x7e]+) HTTP/1\.[01]" % _TOKEN)
_FIELD = re.compile(
    rb"(%b):[ \t]*([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?[ \t]*" % _TOKEN
)


def by_the_grammar(raw: bytes) -> tuple[bytes, int] | None:
    """The grammar of RFC 9112 and nothing else, independent of qproxy: method and length, or None."""
    line, *lines = raw.removesuffix(HEAD_END).split(b"\r\n")
    request, fields = _LINE.fullmatch(line), [_FIELD.fullmatch(one) for one in lines]
    if request is None or None in fields:
        return None
    pairs = [(field[1].lower(), field[2] or b"") for field in fields if field is not None]
    lengths = [value for name, value in pairs if name == b"content-length"]
    codings = [value.lower() for name, value in pairs if name == b"transfer-encoding"]
    hosts = [value for name, value in pairs if name == b"host"]
    if len(hosts) != 1 or len(lengths) + len(codings) > 1 or codings not in ([], [b"chunked"]):
        return None
    if lengths and not re.fullmatch(rb"[0-9]+", lengths[0]):
        return None
    return request[1], CHUNKED if codings else int(lengths[0]) if lengths else 0
