"""What a JPEG 2000 file holds, from its headers: Pillow reads some kinds wrongly without a word."""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from dala.images.boxes import boxes
from dala.images.preprocessing import ImageError

__all__ = ["Components", "check", "components"]

SIZ = b"\xff\x4f\xff\x51"
SRGB, GREY, SYCC = 16, 17, 18
SAVE = "save it as PNG or TIFF"


@dataclass(frozen=True)
class Components:
    """The header of a codestream and of the file around it.

    Attributes:
        size: width and height.
        bits: of each component.
        signed: whether any component is.
        steps: horizontal and vertical subsampling of each component.
        colours: number of the colour space in a JP2 file, None where it names none.
        palette: whether a palette follows.
        opacity: whether a component is named as opacity.
        profile: an ICC profile, which Pillow passes over.
    """

    size: tuple[int, int]
    bits: tuple[int, ...]
    signed: bool
    steps: tuple[tuple[int, int], ...]
    colours: int | None = None
    palette: bool = False
    opacity: bool = False
    profile: bytes = b""


def check(found: Components) -> None:
    """Refuse what Pillow does not read as it is.

    Raises:
        ImageError: the kind by name.
    """
    channels, bits = len(found.bits), max(found.bits)
    reason = None
    if found.signed:
        reason = "signed numbers"
    elif len(set(found.bits)) > 1:
        reason = "channels of different bits"
    elif bits != 8 and not (channels == 1 and 8 < bits <= 16):
        reason = f"{bits}-bit {'colour' if channels > 2 else 'grey'}"
    elif any(step != (1, 1) for step in found.steps) and found.colours != SYCC:
        reason = "subsampled channels"
    elif found.palette:
        reason = "a palette"
    elif found.colours not in (None, SRGB, GREY, SYCC):
        reason = f"the colour space number {found.colours}"
    elif channels > 4 or (channels in (2, 4) and not found.opacity):
        reason = f"{channels} channels and does not say what they are"
    if reason:
        raise ImageError(f"This JPEG 2000 has {reason}, which is not read: {SAVE}.")


def components(stream: BinaryIO) -> Components:
    """Read the headers; the stream's position is restored.

    Raises:
        ValueError: no codestream.
    """
    start = stream.tell()
    try:
        stream.seek(0)
        if stream.read(4) == SIZ:
            return _codestream(stream)
        return _file(stream)
    except struct.error as error:
        raise ValueError("damaged headers") from error
    finally:
        stream.seek(start)


def _codestream(stream: BinaryIO, **known: object) -> Components:
    """Behind the first four bytes of a codestream."""
    _, _, right, down, left, top = struct.unpack(">HHLLLL", stream.read(20))
    stream.read(16)
    (count,) = struct.unpack(">H", stream.read(2))
    if not 0 < count <= 16_384:
        raise ValueError("no components")
    rows = list(struct.iter_unpack("BBB", stream.read(3 * count)))
    if len(rows) < count:
        raise ValueError("damaged headers")
    bits = tuple((kind & 127) + 1 for kind, _, _ in rows)
    steps = tuple((x, y) for _, x, y in rows)
    return Components((right - left, down - top), bits, any(kind & 128 for kind, _, _ in rows), steps, **known)  # type: ignore[arg-type]


def _file(stream: BinaryIO) -> Components:
    known: dict[str, object] = {}
    for kind, start, end in boxes(stream, 0, stream.seek(0, 2)):
        if kind == b"jp2h":
            for inner, place, until in list(boxes(stream, start, end)):
                _note(known, stream, inner, place, until)
        if kind == b"jp2c":
            stream.seek(start)
            if stream.read(4) == SIZ:
                return _codestream(stream, **known)
    raise ValueError("no codestream")


def _note(known: dict[str, object], stream: BinaryIO, kind: bytes, place: int, end: int) -> None:
    stream.seek(place)
    if kind == b"colr" and not known.keys() & {"colours", "profile"}:  # the first one counts
        (method,) = struct.unpack("Bxx", stream.read(3))
        if method == 1:
            known["colours"] = struct.unpack(">L", stream.read(4))[0]
        elif method == 2:
            known["profile"] = stream.read(max(end - place - 3, 0))
    if kind == b"pclr":
        known["palette"] = True
    if kind == b"cdef":
        (count,) = struct.unpack(">H", stream.read(2))
        rows = struct.iter_unpack(">HHH", stream.read(6 * min(count, 64)))
        known["opacity"] = any(what == 1 for _, what, _ in rows)
