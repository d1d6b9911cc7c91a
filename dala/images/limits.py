"""Decompression bombs beyond Pillow's own check: files of a few bytes that take minutes or gigabytes to decode."""

import io
import struct
from typing import BinaryIO

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

__all__ = ["BombError", "BoundedReader", "Jpeg", "check_exif", "check_scans", "check_tags"]

# Limits far above what ordinary pictures need.
FREE_READS, BYTES_A_READ = 5_000, 512
MOST_NUMBERS, FREE_BYTES = 300_000, 1_000_000
MOST_SCANNED = 500_000_000
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
PLAIN = (1, 2, 7)  # types that stay bytes; for all others Pillow makes one object per number
RAW_EXIF = "Raw profile type exif"


class BombError(ValueError):
    """A picture that takes far more time or memory to decode than its size explains."""


class BoundedReader(io.BufferedReader):
    """A file that limits the number of reads: millions of empty chunks would each take a turn in Python."""

    def __init__(self, raw: io.RawIOBase | io.BytesIO) -> None:
        super().__init__(raw)
        self._left = FREE_READS

    def opened(self, size: int) -> None:
        """Allow the reads that decoding a file of `size` bytes needs."""
        self._left += size // BYTES_A_READ

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as from any file.

        Raises:
            BombError: far more reads than a picture of this size needs.
        """
        self._left -= 1
        if self._left < 0:
            raise BombError("too many reads")
        return super().read(size)


class Jpeg(JpegImageFile):
    """A JPEG whose Exif tags are not read on opening, so that `check_tags` can run first.

    Overrides a private method of Pillow's `JpegImageFile`; `tests/images/test_reading.py` fails if it is gone.
    """

    def _read_dpi_from_exif(self) -> None:
        pass


def check_scans(size: tuple[int, int], stream: BoundedReader) -> None:
    """Refuse a JPEG with many scans, each of which repaints all pixels for a few bytes.

    Args:
        size: (width, height) of the picture.
        stream: the file; its position is restored.

    Raises:
        BombError: more than `MOST_SCANNED` pixels in all scans.
    """
    place = stream.tell()
    stream.seek(0)
    scans, last = 0, b""
    while block := stream.read(1 << 20):
        scans += (last + block).count(b"\xff\xda")
        last = block[-1:]
    stream.seek(place)
    if scans > 4 and scans * size[0] * size[1] > MOST_SCANNED:
        raise BombError("too many scans")


def check_exif(image: Image.Image) -> None:
    """Apply `check_tags` to the Exif tags of a picture.

    Raises:
        BombError: tags that are too large or too many.
    """
    exif = image.info.get("exif") or b""
    if not exif and isinstance(raw := image.info.get(RAW_EXIF), str):
        exif = bytes.fromhex("".join(raw.split("\n")[3:]))
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    if exif:
        check_tags(io.BytesIO(exif))


def check_tags(stream: BinaryIO) -> None:
    """Refuse TIFF or Exif tags whose contents exceed the file: each tag may point at all of it.

    Args:
        stream: at its start; its position is restored.

    Raises:
        BombError: tags with more bytes or more numbers than an ordinary file has.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    head = stream.read(16)
    big, order = head[2:3] == b"+", ">" if head.startswith(b"MM") else "<"
    tag, word = struct.Struct(order + ("HHQQ" if big else "HHLL")), order + ("Q" if big else "L")
    try:
        (start,) = struct.unpack_from(word, head, 8 if big else 4)
        stream.seek(start)
        (count,) = struct.unpack(order + ("Q" if big else "H"), stream.read(8 if big else 2))
        table = stream.read(min(count * tag.size, size))
    except (struct.error, OSError, ValueError, OverflowError):  # Pillow reports what is wrong
        table = b""
    stream.seek(0)
    content, numbers = 0, 0
    for _, kind, amount, _ in tag.iter_unpack(table[: len(table) // tag.size * tag.size]):
        wanted = amount * SIZES.get(kind, 0)
        if wanted <= size:  # larger ones are not read
            content += wanted
            numbers += 0 if kind in PLAIN else amount
    if content > size + FREE_BYTES or numbers > MOST_NUMBERS:
        raise BombError("too many tags")
