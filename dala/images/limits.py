"""Pictures made to cost: a few bytes that Pillow would take minutes to decode, or gigabytes to open."""

import io
import struct
from typing import BinaryIO

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

__all__ = ["BombError", "Frugal", "Jpeg", "check_exif", "check_scans", "check_tags"]

# What honest pictures stay far below.
FREE_READS, BYTES_A_READ = 5_000, 512
MOST_NUMBERS, FREE_BYTES = 300_000, 1_000_000
MOST_SCANNED = 500_000_000
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
PLAIN = (1, 2, 7)  # types that stay bytes; of all others Pillow makes an object for each number
RAW_EXIF = "Raw profile type exif"


class BombError(ValueError):
    """A picture that is made to cost more than any other of its size."""


class Frugal(io.BufferedReader):
    """A file from which no decoder reads in crumbs: of millions of empty chunks each would cost a turn in Python."""

    def __init__(self, raw: io.RawIOBase | io.BytesIO) -> None:
        super().__init__(raw)
        self._left = FREE_READS

    def opened(self, size: int) -> None:
        """From here on pixels are read, of a file of so many bytes."""
        self._left += size // BYTES_A_READ

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file.

        Raises:
            BombError: far more reads than a picture of this size takes.
        """
        self._left -= 1
        if self._left < 0:
            raise BombError("read in crumbs")
        return super().read(size)


class Jpeg(JpegImageFile):
    """A JPEG whose Exif tags are not read as it is opened, so that `check_tags` comes first."""

    def _read_dpi_from_exif(self) -> None:
        pass


def check_scans(size: tuple[int, int], stream: Frugal) -> None:
    """Refuse a JPEG that paints all its pixels many times over, each time with a few bytes.

    Args:
        size: (width, height) of the picture.
        stream: of it.

    Raises:
        BombError: it does.
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
    """Refuse what `check_tags` refuses, of the Exif tags that a picture carries.

    Raises:
        BombError: see there.
    """
    exif = image.info.get("exif") or b""
    if not exif and isinstance(raw := image.info.get(RAW_EXIF), str):
        exif = bytes.fromhex("".join(raw.split("\n")[3:]))
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    if exif:
        check_tags(io.BytesIO(exif))


def check_tags(stream: BinaryIO) -> None:
    """Refuse tags, of a TIFF or as Exif, that take more than their file's size to read: each may point at all of it.

    Args:
        stream: at its start, where it is left again.

    Raises:
        BombError: tags of more bytes or more numbers than an honest file has.
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
    except (struct.error, OSError, ValueError, OverflowError):  # whatever is wrong with it, Pillow will say
        table = b""
    stream.seek(0)
    content, numbers = 0, 0
    for _, kind, amount, _ in tag.iter_unpack(table[: len(table) // tag.size * tag.size]):
        wanted = amount * SIZES.get(kind, 0)
        if wanted <= size:  # else nothing is read
            content += wanted
            numbers += 0 if kind in PLAIN else amount
    if content > size + FREE_BYTES or numbers > MOST_NUMBERS:
        raise BombError("too many tags")
