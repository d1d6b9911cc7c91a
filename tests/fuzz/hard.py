"""Pictures that are no accident: made to fill memory, to take minutes, or to pass for something else."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import tifffile
from PIL import Image


def encode(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def tiff(array: np.ndarray, **options) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)
    return stream.getvalue()


PLAIN = Image.new("RGB", (64, 64), "plum")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(before: bytes = b"", after: bytes = b"") -> bytes:
    content = encode(PLAIN, "PNG")
    pixels, end = content.index(b"IDAT") - 4, content.index(b"IEND") - 4
    return content[:pixels] + before + content[pixels:end] + after + content[end:]


def vast() -> bytes:
    content = encode(PLAIN, "PNG")
    return content[:8] + chunk(b"IHDR", b"\x7f\xff\xff\xff" * 2 + b"\x08\2\0\0\0") + content[33:]


def jpeg(segments: bytes) -> bytes:
    content = encode(PLAIN, "JPEG")
    return content[:2] + segments + content[20:]  # in the place of JFIF, whose resolution Exif's would not replace


def gif(extension: bytes) -> bytes:
    content = encode(PLAIN.quantize(4), "GIF")
    place = content.index(b",\0\0\0\0")
    return content[:place] + extension + content[place:]


def tags(rows: list[tuple[int, int, int, int]], more: int = 0) -> bytes:
    """A TIFF's first directory, of (tag, type, count, value or offset), and as many bytes besides."""
    table = b"".join(struct.pack("<HHLL", *row) for row in rows)
    return b"II*\0" + struct.pack("<LH", 8, len(rows)) + table + bytes(4) + b"\1" * more


def directory(*rows: tuple[int, int, int, int]) -> bytes:
    """A TIFF of 64x64 gray pixels with more tags."""
    own = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    return tags(sorted([*own, *rows]), 4_000_000)


def same_bytes(count: int = 4000, size: int = 1_000_000) -> list[tuple[int, int, int, int]]:
    return [(2000 + i, 1, size, 8) for i in range(count)]


def exif() -> bytes:
    return tags(same_bytes(), 1_000_000)


def app1(content: bytes) -> bytes:
    parts = [b"Exif\0\0" + content[at : at + 65_000] for at in range(0, len(content), 65_000)]
    return b"".join(b"\xff\xe1" + struct.pack(">H", len(p) + 2) + p for p in parts)


def scans(side: int, times: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    content = encode(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    return content[:-2] + content[content.rindex(b"\xff\xda") : -2] * times + content[-2:]


# By name: what makes the bytes, and a word of the refusal.
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "PNG, empty chunks before its pixels": (lambda: png(chunk(b"prVt", b"") * 400_000), "too long to read"),
    "PNG, empty chunks behind its pixels": (lambda: png(after=chunk(b"prVt", b"") * 400_000), "too long to read"),
    "PNG, pixels in crumbs": (lambda: png(chunk(b"IDAT", b"") * 400_000), "too long to read"),
    "PNG, text of 1 GB": (lambda: png(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000))) * 20), "damaged"),
    "PNG, tags that share their bytes": (lambda: png(chunk(b"eXIf", exif())), "too long to read"),
    "PNG, 400 megapixels": (lambda: encode(Image.new("1", (20_000, 20_000)), "PNG"), "50 megapixels"),
    "PNG, 2^31 pixels a side": (vast, "50 megapixels"),
    "JPEG, tags that share their bytes": (lambda: jpeg(app1(exif())), "too long to read"),
    "JPEG, empty comments": (lambda: jpeg(b"\xff\xfe\0\2" * 1_000_000), "too long to read"),
    "JPEG, a thousand scans": (lambda: scans(2000, 1000), "too long to read"),
    "WebP, tags that share their bytes": (lambda: encode(PLAIN, "WEBP", exif=exif()), "too long to read"),
    "WebP, 36 megapixels": (lambda: encode(Image.new("RGB", (6000, 6000)), "WEBP", method=0), "30 megapixels"),
    "GIF, a comment in crumbs": (lambda: gif(b"!\xfe" + b"\1a" * 1_000_000 + b"\0"), "too long to read"),
    "GIF, a comment of 18 MB": (lambda: gif(b"!\xfe" + (b"\xff" + b"a" * 255) * 70_000 + b"\0"), "too long to read"),
    "GIF, empty extensions": (lambda: gif(b"!\xf9\4\0\0\0\0\0" * 500_000), "too long to read"),
    "TIFF, tags that share their bytes": (lambda: directory(*same_bytes()), "too long to read"),
    "TIFF, a tile for each pixel": (
        lambda: directory((322, 4, 1, 1), (323, 4, 1, 1), (324, 3, 1_900_000, 200)),
        "too long to read",
    ),
    "TIFF, a million strips": (lambda: directory((273, 3, 1_900_000, 200), (278, 4, 1, 1)), "too long to read"),
    "TIFF, a resolution of 400,000 fractions": (
        lambda: directory((273, 4, 1, 8), (282, 5, 400_000, 200)),
        "too long to read",
    ),
    "a strip of 1x100000": (lambda: encode(Image.new("L", (1, 65_535)), "PNG"), "too small"),
    "a strip of 32x50000": (lambda: encode(Image.new("L", (32, 50_000)), "PNG"), "too long and thin"),
    "SVG": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>' * 9, "not a picture"),
    "HTML": (lambda: b"<!doctype html><script>alert(1)</script>", "not a picture"),
    "one byte": (lambda: b"\x89", "not a picture"),
    "zeros": (lambda: bytes(100_000), "not a picture"),
}

# Sound pictures of the most pixels that are taken: what reading costs at all.
LARGEST: dict[str, Callable[[], bytes]] = {
    f"TIFF, 50 megapixels of {mode}": lambda mode=mode: encode(
        Image.new(mode, (8000, 6250)), "TIFF", compression="tiff_lzw"
    )
    for mode in ("RGB", "RGBA", "F")
}
