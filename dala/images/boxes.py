"""Walk through the boxes of a JPEG 2000 or an AVIF."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["boxes"]

MOST_BOXES = 1000


def boxes(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and start and end of the content, of each box between two places of a file.

    Raises:
        ValueError: a box shorter than its own head, or cut off.
    """
    for _ in range(MOST_BOXES):
        if start + 8 > end:
            return
        stream.seek(start)
        length, kind = struct.unpack(">L4s", stream.read(8))
        head = 8
        if length == 1:
            length, head = int.from_bytes(stream.read(8), "big"), 16
        length = length or end - start
        if length < head:
            raise ValueError("damaged headers")
        yield kind, start + head, min(start + length, end)
        start += length
