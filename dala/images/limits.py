"""Decompression bombs beyond Pillow's own check: files of a few bytes that take minutes or gigabytes to decode."""

import io
from contextlib import suppress

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from dala.images import tiff_tags
from dala.images.preprocessing import MIN_SIDE, ImageError

__all__ = ["BombError", "BoundedReader", "Jpeg", "check_entries", "check_exif", "check_scans", "check_size"]

MAX_PIXELS = 50_000_000
MAX_ASPECT = 8.0
# Formats whose decoders hold many bytes per pixel, or take long for one.
FEWER_PIXELS = {"WebP": 30_000_000, "JPEG 2000": 12_000_000, "AVIF": 20_000_000}
TOO_LARGE = f"The picture has more than {MAX_PIXELS // 1_000_000} megapixels: crop the region of interest first."

# Limits far above what ordinary pictures need.
FREE_READS, BYTES_A_READ = 5_000, 512
MOST_NUMBERS, FREE_BYTES = 300_000, 1_000_000
MOST_SCANNED = 500_000_000
PLAIN = (1, 2, 7)  # types that stay bytes; for all others Pillow makes one object per number
RAW_EXIF = "Raw profile type exif"


class BombError(ValueError):
    """A picture that takes far more time or memory to decode than its size explains."""


class BoundedReader(io.BufferedReader):
    """A file that limits the number of reads: millions of empty chunks would each take a turn in Python."""

    def __init__(self, raw: io.RawIOBase | io.BytesIO) -> None:
        super().__init__(raw)
        self._left = FREE_READS
        self._start = b""

    def start_as(self, head: bytes) -> None:
        """Put other bytes in the place of the first ones, so that the first page of a TIFF is another one."""
        self._start = head
        self.seek(0)

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
        place = self.tell() if self._start else 0
        found = super().read(size)
        if place < len(self._start):
            head = self._start[place : place + len(found)]
            found = head + found[len(head) :]
        return found


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
    """Apply `check_entries` to the Exif tags of a picture, unless they are broken.

    Raises:
        BombError: tags that are too large or too many.
    """
    exif = image.info.get("exif") or b""
    if not exif and isinstance(raw := image.info.get(RAW_EXIF), str):
        with suppress(ValueError):
            exif = bytes.fromhex("".join(raw.split("\n")[3:]))
    while isinstance(exif, bytes) and exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    if exif:
        with suppress(tiff_tags.TagError):
            check_entries(tiff_tags.first(io.BytesIO(exif)))


def check_entries(page: tiff_tags.Page) -> None:
    """Refuse TIFF or Exif tags whose contents exceed the file: each tag may point at all of it.

    Raises:
        BombError: tags with more bytes or more numbers than an ordinary file has.
    """
    size = page.stream.seek(0, io.SEEK_END)
    content, numbers = 0, 0
    for _, kind, amount, _ in page.entries:
        wanted = amount * tiff_tags.SIZES.get(kind, 0)
        if wanted <= size:  # larger ones are not read
            content += wanted
            numbers += 0 if kind in PLAIN else amount
    if content > size + FREE_BYTES or numbers > MOST_NUMBERS:
        raise BombError("too many tags")


def check_size(width: int, height: int, name: str | None = None) -> None:
    """Refuse a picture that is too large, too small, or too long and thin.

    Args:
        name: of the format, which may have a limit of its own.

    Raises:
        ImageError: the sentence.
    """
    if width * height > MAX_PIXELS:
        raise ImageError(TOO_LARGE)
    if name in FEWER_PIXELS and width * height > FEWER_PIXELS[name]:
        most = FEWER_PIXELS[name] // 1_000_000
        raise ImageError(f"A picture in {name} may have {most} megapixels: save it as PNG or TIFF and retry.")
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"The picture is {width}x{height} px, too small: it needs at least {MIN_SIDE} px a side.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(f"The picture is {width}x{height} px, too long and thin: crop it to at most {MAX_ASPECT:g}:1.")
