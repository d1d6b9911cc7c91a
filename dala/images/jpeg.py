"""The segments of a JPEG: its kind, by the marker of its frame, and the file without its metadata."""

from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["bare", "kind"]

FRAMES = {0xC3: "lossless", 0xC5: "hierarchical", 0xC6: "hierarchical", 0xC7: "lossless", 0xC9: "arithmetic-coded",
          0xCA: "arithmetic-coded", 0xCB: "lossless", 0xF7: "JPEG-LS"}  # fmt: skip
OTHERS = {0xC0, 0xC1, 0xC2}
MOST_SEGMENTS = 5_000
# Segments that pixels do not depend on: those of applications, but for JFIF and Adobe, and comments.
METADATA = {*range(0xE1, 0xEE), 0xEF, 0xFE}
SCAN = 0xDA


def kind(stream: BinaryIO) -> str | None:
    """The name of a kind that Pillow may not read, such as "lossless" or "12-bit"; None for ordinary ones."""
    for code, content in _segments(stream):
        if code in FRAMES:
            return FRAMES[code]
        if code in OTHERS and len(content) > 5:
            bits, channels = content[0], content[5]
            return f"{bits}-bit" if bits != 8 else f"{channels}-channel" if channels not in (1, 3, 4) else None
    return None


def bare(stream: BinaryIO) -> bytes:
    """The file without its metadata."""
    parts = [b"\xff\xd8"]
    for code, content in _segments(stream):
        if code not in METADATA:
            parts.append(bytes((0xFF, code)) + (len(content) + 2).to_bytes(2, "big") + content)
    return b"".join(parts) + stream.read()


def _segments(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment up to the first scan, behind whose header the stream is left."""
    stream.seek(2)
    for _ in range(MOST_SEGMENTS):
        head = stream.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return
        yield head[1], stream.read(max(int.from_bytes(head[2:], "big") - 2, 0))
        if head[1] == SCAN:
            return
