"""Reads WebSocket frames passively, as they pass: where a frame or message ends, and which close code went by.

Never changes, holds or decodes a byte (RFC 6455 section 5.2). A tunnel needs it for two things: to put Qlik's own
notification in at a place where a frame may begin, and to say in the log who closed and with which code.
"""

from typing import Final

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
CLOSE: Final = 0x8
MESSAGE_ENDS: Final = frozenset(0x80 | reserved << 4 | kind for reserved in range(8) for kind in range(3))
"""First bytes of the frames with which a message ends, compressed or not."""


class FrameReader:
    """One direction of one socket. `boundary` is true between messages, where a new one may begin."""

    __slots__ = ("_close", "_head", "_key", "_left", "_open", "close_code", "messages")

    def __init__(self) -> None:
        self._left = 0
        self._head = b""
        self._open = False
        self._close: bytes | None = None
        self._key = b""
        self.close_code: int | None = None
        self.messages = 0

    @property
    def boundary(self) -> bool:
        return not self._left and not self._head and not self._open

    def feed(self, data: bytes) -> int:
        """Follow `data`; the offset behind the last byte after which a message may begin (0: nowhere in it)."""
        size = len(data)
        if self._left > size:
            self._left -= size
            if self._close is not None:
                self._close += data
            return 0
        if not self._left and not self._head and size > 1 and data[0] in MESSAGE_ENDS and _ends(data, size):
            self._open = False
            self.messages += 1
            return size
        return self._follow(data, size)

    def _follow(self, data: bytes, size: int) -> int:
        position = boundary = 0
        if self._left:
            position = self._left
            self._payload_ends(data[:position])
            if not self._open:
                boundary = position
        while position < size:
            position = self._frame(data, position, size)
            if position > size:
                self._left = position - size
                return boundary
            if self._head:
                return boundary
            if not self._open and not self._left:
                boundary = position
        return boundary

    def _payload_ends(self, tail: bytes) -> None:
        self._left = 0
        if self._close is not None:
            self._close_ends(self._close + tail)

    def _frame(self, data: bytes, position: int, size: int) -> int:
        """Read one frame head at `position`; where the frame ends (may lie behind `size`)."""
        if self._head:
            held = len(self._head)
            head = self._head + data[position : position + 14 - held]
            start = position - held
        else:
            head = data[position : position + 14]
            start = position
        length = head_length(head)
        if length is None:
            self._head = head
            return size
        self._head = b""
        payload = payload_length(head)
        self._note(head[0], head[length - 4 : length] if head[1] & 0x80 else b"")
        end = start + length + payload
        if self._close is not None:
            seen = data[start + length : min(end, size)]
            if end <= size:
                self._close_ends(seen)
            else:
                self._close = seen
        return end

    def _note(self, first: int, key: bytes) -> None:
        opcode = first & 0x0F
        if opcode < CLOSE:
            self._open = not first & 0x80
            if not self._open:
                self.messages += 1
        elif opcode == CLOSE:
            self._close = b""
            self._key = key

    def _close_ends(self, payload: bytes) -> None:
        self._close = None
        if len(payload) < 2:
            self.close_code = 1005
            return
        first, second = payload[0], payload[1]
        if self._key:
            first, second = first ^ self._key[0], second ^ self._key[1]
        self.close_code = first << 8 | second


def _ends(data: bytes, size: int) -> bool:
    """Whether the frame that begins `data` is all of it: nearly every message of Qlik's comes so."""
    second = data[1]
    short = second & 0x7F
    masked = 4 if second & 0x80 else 0
    if short < 126:
        return size == 2 + masked + short
    return short == 126 and size > 4 and size == 4 + masked + (data[2] << 8 | data[3])


def head_length(head: bytes) -> int | None:
    """Bytes of a frame's head, or None while too few are there to tell."""
    if len(head) < 2:
        return None
    length = 2 + (0, 2, 8)[max(0, (head[1] & 0x7F) - 125)] + (4 if head[1] & 0x80 else 0)
    return length if len(head) >= length else None


def payload_length(head: bytes) -> int:
    short = head[1] & 0x7F
    if short < 126:
        return short
    return int.from_bytes(head[2:4] if short == 126 else head[2:10], "big")


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole unmasked frame, as a server sends it."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, size))
    elif size < 65536:
        head = bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big")
    return head + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """The reason is cut, between characters, to what a control frame may hold."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason.encode()[:123].decode(errors="ignore").encode())
