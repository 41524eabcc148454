"""A web font made on the spot: browsers fetch fonts without cookies when they come from another host.

One glyph (letter A, a bar chart), in a TrueType file (OpenType 1.9, tables in the order of their tags). It is
made here so that no binary file has to be kept in the repository.
"""

import struct
from functools import cache

EM = 1000
BARS = ((100, 0, 300, 400), (400, 0, 600, 800), (700, 0, 900, 600))
TABLES_HEAD = ">IHHHH"


def _glyph() -> bytes:
    """Three rectangles, as contours of on-curve points with 16-bit deltas."""
    points = [p for left, low, right, high in BARS for p in ((left, low), (left, high), (right, high), (right, low))]
    ends = struct.pack(f">{len(BARS)}H", *(4 * at + 3 for at in range(len(BARS))))
    box = struct.pack(">hhhhh", len(BARS), 100, 0, 900, 800)
    xs = [now[0] - before[0] for before, now in zip([(0, 0), *points], points, strict=False)]
    ys = [now[1] - before[1] for before, now in zip([(0, 0), *points], points, strict=False)]
    deltas = struct.pack(f">{len(points) * 2}h", *xs, *ys)
    return box + ends + struct.pack(">H", 0) + b"\x01" * len(points) + deltas


def _cmap() -> bytes:
    """Format 4: the letter A is glyph 1."""
    segments = struct.pack(">HHHHHHH", 4, 32, 0, 4, 4, 1, 0) + struct.pack(">HHH", 65, 0xFFFF, 0)
    segments += struct.pack(">HHhhHH", 65, 0xFFFF, 1 - 65, 1, 0, 0)
    return struct.pack(">HHHHI", 0, 1, 3, 1, 12) + segments


def _name() -> bytes:
    text = "Stand-in Icons".encode("utf-16-be")
    records = b"".join(struct.pack(">HHHHHH", 3, 1, 0x409, each, len(text), 0) for each in (1, 4, 6))
    return struct.pack(">HHH", 0, 3, 6 + len(records)) + records + text


def _os2() -> bytes:
    start = struct.pack(">HhHHH", 4, EM, 400, 5, 0) + struct.pack(">10h", *[0] * 10) + struct.pack(">h", 0)
    middle = bytes(10) + struct.pack(">IIII", 1, 0, 0, 0) + b"NONE" + struct.pack(">HHH", 0x40, 65, 65)
    return (
        start + middle + struct.pack(">hhhHH", 800, -200, 0, 800, 200) + struct.pack(">IIhhHHH", 1, 0, 0, 0, 0, 32, 1)
    )


def _tables() -> dict[bytes, bytes]:
    glyph = _glyph()
    padded = glyph + bytes(-len(glyph) % 4)
    return {
        b"OS/2": _os2(),
        b"cmap": _cmap(),
        b"glyf": padded,
        b"head": struct.pack(
            ">IIIIHHQQhhhhHHhhh", 0x10000, 0x10000, 0, 0x5F0F3CF5, 11, EM, 0, 0, 100, 0, 900, 800, 0, 8, 2, 1, 0
        ),
        b"hhea": struct.pack(">IhhhHhhhhhhhhhhhH", 0x10000, 800, -200, 0, EM, 100, 100, 900, 1, *[0] * 7, 2),
        b"hmtx": struct.pack(">HhHh", EM, 0, EM, 100),
        b"loca": struct.pack(">III", 0, 0, len(padded)),
        b"maxp": struct.pack(">IHHHHHHHHHHHHHH", 0x10000, 2, 12, 3, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0),
        b"name": _name(),
        b"post": struct.pack(">IIhhIIIII", 0x30000, 0, 0, 0, 0, 0, 0, 0, 0),
    }


def _checksum(data: bytes) -> int:
    padded = data + bytes(-len(data) % 4)
    words: tuple[int, ...] = struct.unpack(f">{len(padded) // 4}I", padded)
    return sum(words) & 0xFFFFFFFF


@cache
def icon_font() -> bytes:
    """The font file."""
    tables = _tables()
    power = 1 << (len(tables).bit_length() - 1)
    head = struct.pack(
        TABLES_HEAD, 0x10000, len(tables), power * 16, power.bit_length() - 1, (len(tables) - power) * 16
    )
    records, content, offset = b"", b"", 12 + 16 * len(tables)
    for tag, data in tables.items():
        records += tag + struct.pack(">III", _checksum(data), offset + len(content), len(data))
        content += data + bytes(-len(data) % 4)
    font = head + records + content
    at = offset + content.index(tables[b"head"]) + 8
    adjusted = (0xB1B0AFBA - _checksum(font)) & 0xFFFFFFFF
    return font[:at] + struct.pack(">I", adjusted) + font[at + 4 :]
