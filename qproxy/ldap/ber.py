"""The Basic Encoding Rules as far as LDAP allows them (RFC 4511 section 5.1): definite lengths, tags of one byte.

Pure. It must not know which message it reads; whatever a peer sent, reading ends with a value or with BadBer.
"""

from collections.abc import Iterator
from typing import Final

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
OCTETS: Final = 0x04
ENUMERATED: Final = 0x0A
SEQUENCE: Final = 0x30
SET: Final = 0x31
LONGEST_LENGTH: Final = 4
"""Bytes of a length: messages are far below 4 GB."""
LONGEST_INTEGER: Final = 8


class BadBer(ValueError):
    """The bytes are not what the grammar wants there."""


def tlv(tag: int, *parts: bytes) -> bytes:
    value = b"".join(parts)
    size = len(value)
    if size < 0x80:
        return bytes((tag, size)) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + value


def integer(value: int, tag: int = INTEGER) -> bytes:
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def octets(value: str | bytes, tag: int = OCTETS) -> bytes:
    return tlv(tag, value.encode() if isinstance(value, str) else value)


def boolean(value: bool, tag: int = BOOLEAN) -> bytes:
    return tlv(tag, b"\xff" if value else b"\x00")


def head(data: bytes | bytearray, start: int = 0) -> tuple[int, int, int] | None:
    """Tag, where the value begins and where it ends; None while the head itself is not whole yet. Raises BadBer."""
    if len(data) < start + 2:
        return None
    tag, first = data[start], data[start + 1]
    if tag & 0x1F == 0x1F:
        raise BadBer("a tag of several bytes")
    if first < 0x80:
        return tag, start + 2, start + 2 + first
    count = first & 0x7F
    if not 0 < count <= LONGEST_LENGTH:
        raise BadBer("a length that is indefinite or longer than four bytes")
    begin = start + 2 + count
    if len(data) < begin:
        return None
    return tag, begin, begin + int.from_bytes(data[start + 2 : begin], "big")


class Reader:
    """Reads one value after the other from whole bytes. Every method raises BadBer for anything else."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._data)

    def next_is(self, tag: int) -> bool:
        return self.more and self._data[self._at] == tag

    def any(self) -> tuple[int, bytes]:
        found = head(self._data, self._at)
        if found is None or found[2] > len(self._data):
            raise BadBer("a value is cut off")
        tag, begin, self._at = found
        return tag, self._data[begin : self._at]

    def value(self, tag: int) -> bytes:
        if not self.next_is(tag):
            raise BadBer(f"no value with the tag {tag:#04x} where one belongs")
        return self.any()[1]

    def inside(self, tag: int) -> "Reader":
        return Reader(self.value(tag))

    def integer(self, tag: int = INTEGER) -> int:
        value = self.value(tag)
        if not 0 < len(value) <= LONGEST_INTEGER:
            raise BadBer("a number of no bytes or of too many")
        return int.from_bytes(value, "big", signed=True)

    def text(self, tag: int = OCTETS) -> str:
        """What is not UTF-8 in it is replaced: it is for people or for comparison, never taken as a name."""
        return self.value(tag).decode(errors="replace")

    def each(self, tag: int) -> Iterator[bytes]:
        while self.more:
            yield self.value(tag)
