"""TIFFs of every layout, written by tifffile or tag by tag, and what tifffile reads in them."""

import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tifffile

from dala.phantoms import phantom

WIDTH, HEIGHT = 48, 40
RGB = np.asarray(phantom.make(0, size=(WIDTH, HEIGHT)).picture)
GREY = RGB[..., 1].copy()
CODES = {1: "B", 3: "H", 4: "L", 16: "Q"}
STRIPS = 273
FILES = (("<", False, None), (">", False, (32, 32)), ("<", True, (32, 32)), (">", True, None))
COMPRESSIONS = (None, "lzw", "jpeg", "adobe_deflate", "packbits", "zstd", "lzma")
# Kinds of pixels: tifffile's options, channels, and the channel of opacity.
KINDS: dict[str, tuple[dict[str, Any], int, int | None]] = {
    "grey": ({"photometric": "minisblack"}, 1, None),
    "grey, white is zero": ({"photometric": "miniswhite"}, 1, None),
    "grey and alpha": ({"photometric": "minisblack", "extrasamples": [2]}, 2, 1),
    "grey and premultiplied alpha": ({"photometric": "minisblack", "extrasamples": [1]}, 2, 1),
    "grey and something": ({"photometric": "minisblack", "extrasamples": [0]}, 2, None),
    "RGB": ({"photometric": "rgb"}, 3, None),
    "RGB and alpha": ({"photometric": "rgb", "extrasamples": [2]}, 4, 3),
    "RGB and premultiplied alpha": ({"photometric": "rgb", "extrasamples": [1]}, 4, 3),
    "RGB and something": ({"photometric": "rgb", "extrasamples": [0]}, 4, None),
    "RGB and two things": ({"photometric": "rgb", "extrasamples": [0, 0]}, 5, None),
    "RGB, alpha and something": ({"photometric": "rgb", "extrasamples": [2, 0]}, 5, 3),
    "CMYK": ({"photometric": "separated"}, 4, None),
    "CMYK and something": ({"photometric": "separated", "extrasamples": [0]}, 5, None),
}  # fmt: skip


def written(array: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **({"metadata": None} | options))
    return stream.getvalue()


def pages(*rows: tuple[np.ndarray, dict[str, Any]], **options: Any) -> bytes:
    """A TIFF of several pages, each with tifffile's options."""
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, **options) as writer:
        for array, more in rows:
            writer.write(array, **({"metadata": None} | more))
    return stream.getvalue()


def samples(kind: str, dtype: str) -> np.ndarray:
    """A phantom as (height, width, channels) over the whole range of a type, or (height, width)."""
    _, channels, alpha = KINDS[kind]
    values = np.concatenate([RGB, RGB[:, ::-1]], -1)[..., :channels] / 255
    if alpha is not None:
        values[..., alpha] = np.linspace(0, 1, WIDTH)
        if "premultiplied" in kind:
            values[..., :alpha] *= values[..., alpha, None]
    if dtype[0] != "f":
        limits = np.iinfo(dtype)
        values = np.rint(values * (float(limits.max) - limits.min) + limits.min).clip(limits.min, limits.max)
    values = values.astype(dtype)
    return values[..., 0] if channels == 1 else values


def cells(kind: str, dtype: str) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Options of tifffile, and the file, for each way to store these pixels that tifffile writes."""
    array = samples(kind, dtype)
    plain = kind in ("grey", "RGB", "CMYK") and dtype in ("u1", "u2")
    for compression in COMPRESSIONS if plain else COMPRESSIONS[:3]:
        for predictor in (False, True) if compression == "lzw" else (False,):
            for order, big, tile in FILES:
                for planar in ("contig", "separate") if array.ndim == 3 else ("contig",):
                    options = {"compression": compression, "predictor": predictor, "byteorder": order, "bigtiff": big}
                    options |= {"tile": tile, "planarconfig": planar} if array.ndim == 3 else {"tile": tile}
                    stored = np.moveaxis(array, -1, 0) if planar == "separate" else array
                    try:
                        content = written(stored, **KINDS[kind][0], **options)
                    except (ValueError, RuntimeError):  # such as JPEG of 16 bits
                        continue
                    yield options, content


def read_by_tifffile(content: bytes) -> np.ndarray:
    """The first page as RGB (height, width, 3) float in [0, 255] over white, by the TIFF specification."""
    page = tifffile.TiffFile(io.BytesIO(content)).pages[0]
    array, extra = page.asarray(), [int(e) for e in page.extrasamples]
    if page.planarconfig == 2 and page.samplesperpixel > 1:
        array = np.moveaxis(array, 0, -1)
    array = array.reshape(*array.shape[:2], -1)
    own = array.shape[2] - len(extra)
    unit = 257 if array.dtype == np.uint16 else 1
    name = page.photometric.name
    if name.startswith("MINIS"):
        values = scaled(array[..., 0]) if own == 1 and not extra else array[..., 0] / unit
        colours = np.repeat((255 - values if name == "MINISWHITE" else values)[..., None], 3, 2)
    elif name == "SEPARATED":
        ink = 255 - array[..., :4] / unit
        colours = ink[..., :3] * ink[..., 3:] / 255
    else:
        colours = array[..., :3] / unit
    for place, what in enumerate(extra, own):
        if what in (1, 2):
            alpha = array[..., place, None] / unit / 255
            return (colours if what == 1 else colours * alpha) + 255 * (1 - alpha)
    return colours


def scaled(values: np.ndarray) -> np.ndarray:
    """Grey of any type to [0, 255], as `dala.images.reading.read` documents."""
    exact, low, high = values.astype(np.float64), float(values.min()), float(values.max())
    tops = (1, 255, 65535) if values.dtype.kind == "f" else (255, 1023, 4095, 16383, 65535)
    low, high = next(((0.0, float(t)) for t in tops if low >= 0 and high <= t), (low, high))
    return (exact - low) * 255 / (high - low)


def directory(
    rows: Mapping[int, tuple[int, Sequence[int]]], pixels: bytes, big_endian: bool = False, big: bool = False
) -> bytes:
    """A TIFF of these tags, each with its type and values, and one strip; its offset is filled in."""
    order, word = ">" if big_endian else "<", "Q" if big else "L"
    room, start = (8, 16) if big else (4, 8)
    beyond = start + room + (8 if big else 2) + len(rows) * (20 if big else 12)
    contents = {tag: struct.pack(f"{order}{len(v)}{CODES[kind]}", *v) for tag, (kind, v) in rows.items()}
    tail = b"".join(c + bytes(len(c) % 2) for _, c in sorted(contents.items()) if len(c) > room)
    table, place = b"", beyond
    for tag, (kind, values) in sorted(rows.items()):
        content = contents[tag]
        if tag == STRIPS:
            content = struct.pack(f"{order}{CODES[kind]}", beyond + len(tail))
        if len(content) > room:
            content, place = struct.pack(order + word, place), place + len(content) + len(content) % 2
        table += struct.pack(f"{order}HH{word}", tag, kind, len(values)) + content.ljust(room, b"\0")
    numbers: tuple = ("HHHQQ", 43, 8, 0, start, len(rows)) if big else ("HLH", 42, start, len(rows))
    head = struct.pack(order + numbers[0], *numbers[1:])
    return (b"MM" if big_endian else b"II") + head + table + bytes(room) + tail + pixels


def strip(
    bits: int, channels: int, photometric: int, pixels: bytes, more: Mapping[int, Any] = {}, **order: bool
) -> bytes:
    """A TIFF of one strip that is not compressed, with more tags."""
    rows = {
        256: (3, [WIDTH]), 257: (3, [HEIGHT]), 258: (3, [bits] * channels), 259: (3, [1]), 262: (3, [photometric]),
        STRIPS: (4, [0]), 277: (3, [channels]), 278: (3, [HEIGHT]), 279: (4, [len(pixels)]),
    }  # fmt: skip
    return directory(rows | dict(more), pixels, **order)
