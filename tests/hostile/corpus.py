r"""Reads the corpora of this folder: what hostile (and odd but good) browsers send, and what must come of it.

heads/*.txt holds cases of this form:

    === the case's name
    = 400 bad_framing
    POST /sales/x HTTP/1.1
    Host: {host}

    ---

* Second line: what must come of it. `400|501 bad_framing|bad_request`: one of these statuses with one of these failure
  words, and nothing reaches Qlik. `body 400 bad_framing`: the head is right, the body is what is refused. `live 421
  misdirected`: only the listener and the road can tell (size, public names). `forward`: it passes, and the head that
  Qlik gets (without what the gate adds) stands behind `--- upstream`.
* Each line ends with CR LF, but for one with a backslash at its end, which goes on without.
* Escapes are Python's (`\0`, `\x7f`, `\r`, `\n`, `\\`); `{host}` and `{HOST}` stand for the public host, `{ab*3}` for
  ababab.

cookies.txt and paths.txt hold one case a line: words, white space, payload, with the same escapes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
_REPEATED = re.compile(rb"\{([^{}]+)\*([0-9]+)\}")


@dataclass(frozen=True)
class Case:
    """`kind` is head, body or live by where it is refused, or forward; `upstream` then is the head that Qlik gets."""

    name: str
    kind: str
    statuses: tuple[int, ...]
    words: tuple[str, ...]
    _request: bytes
    _upstream: bytes

    def request(self, host: str) -> bytes:
        return _filled(self._request, host)

    def upstream(self, host: str) -> bytes:
        return _filled(self._upstream, host)


def _filled(text: bytes, host: str) -> bytes:
    return text.replace(b"{host}", host.encode()).replace(b"{HOST}", host.upper().encode())


def cases() -> list[Case]:
    files = sorted((FOLDER / "heads").glob("*.txt"))
    return [case for file in files for case in _cases(file.read_text(encoding="ascii"))]


def _cases(text: str) -> Iterator[Case]:
    for part in text.split("\n=== ")[1:]:
        body, closed, _ = part.partition("\n---\n")
        assert closed, f"the case {part.splitlines()[0]!r} has no end"
        told, _, upstream = body.partition("\n--- upstream\n")
        name, expected, request = told.split("\n", 2)
        yield _case(name, expected.removeprefix("= ").split(), request, upstream)


def _case(name: str, expected: list[str], request: str, upstream: str) -> Case:
    kind = "head" if len(expected) == 2 else expected[0]
    statuses, words = ([], []) if kind == "forward" else (expected[-2].split("|"), expected[-1].split("|"))
    return Case(name, kind, tuple(map(int, statuses)), tuple(words), _lines(request), _lines(upstream))


def _lines(text: str) -> bytes:
    if not text:
        return b""
    return b"".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> bytes:
    unended = (len(line) - len(line.rstrip("\\"))) % 2 == 1
    return unescaped(line[:-1]) if unended else unescaped(line) + b"\r\n"


def unescaped(text: str) -> bytes:
    raw = text.encode("ascii").decode("unicode_escape").encode("latin-1")
    return _REPEATED.sub(lambda match: match[1] * int(match[2]), raw)


def rows(name: str) -> list[tuple[str, bytes]]:
    """The (word, payload) rows of a file."""
    lines = (FOLDER / name).read_text(encoding="ascii").splitlines()
    split = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    return [(parts[0], unescaped(parts[1]) if len(parts) > 1 else b"") for parts in split]
