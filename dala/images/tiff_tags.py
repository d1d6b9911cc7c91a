"""Read the tags of a TIFF, classic or BigTIFF, of either byte order: what its pages are, without their pixels."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO, NamedTuple

__all__ = ["HEADS", "ManyPagesError", "Page", "TagError", "first", "pages", "same_start"]

HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
# struct codes of integers by type, and of SHORT and LONG; the rest of the types are read as bytes.
CODES = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l", 13: "L", 16: "Q", 17: "q", 18: "Q"}
MOST_PAGES, MOST_TAGS = 500, 100_000  # of a file
# Tags by name.
SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
FILL_ORDER, DESCRIPTION, STRIPS, ORIENTATION, SAMPLES, STRIP_ROWS, PLANAR = 266, 270, 273, 274, 277, 278, 284
PREDICTOR, COLOUR_MAP, TILE_WIDTH, TILE_HEIGHT, TILES, SUB_PAGES, INK_SET = 317, 320, 322, 323, 324, 330, 332
EXTRA, FORMAT, PROFILE = 338, 339, 34675


class TagError(ValueError):
    """Tags that lead nowhere."""


class ManyPagesError(ValueError):
    """More than `MOST_PAGES` pages or `MOST_TAGS` tags."""


class Entry(NamedTuple):
    """A tag, its type, number of values, and its values or the place of them, as in the file."""

    tag: int
    kind: int
    amount: int
    value: bytes


@dataclass(frozen=True)
class Page:
    """A directory of a TIFF.

    Attributes:
        stream: the file.
        order: byte order, "<" or ">".
        big: whether this is a BigTIFF.
        offset: of the directory in the file.
        entries: its tags.
        below: whether it is a sub-page of another one.
    """

    stream: BinaryIO = field(repr=False)
    order: str
    big: bool
    offset: int
    entries: tuple[Entry, ...] = field(repr=False)
    below: bool = False

    def __contains__(self, tag: int) -> bool:
        return tag in self._by_tag

    def entry(self, tag: int) -> "Entry | None":
        """The entry of a tag; the last one if there are several, as Pillow takes it."""
        return self._by_tag.get(tag)

    @cached_property
    def _by_tag(self) -> dict[int, "Entry"]:
        return {entry.tag: entry for entry in self.entries}

    def numbers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The values of a tag of integers; the default where it is missing or of another type."""
        entry = self.entry(tag)
        if entry is None or entry.kind not in CODES or not entry.amount:
            return default
        return struct.unpack(f"{self.order}{entry.amount}{CODES[entry.kind]}", self.content(tag))

    def number(self, tag: int, default: int = 0) -> int:
        """The first value of a tag of integers."""
        entry = self.entry(tag)
        if entry is None or entry.kind not in CODES or not entry.amount:
            return default
        if entry.amount * SIZES[entry.kind] <= len(entry.value):
            return struct.unpack_from(self.order + CODES[entry.kind], entry.value)[0]
        return self.numbers(tag)[0]

    def content(self, tag: int, most: int = 1 << 62) -> bytes:
        """The bytes of a tag's values, or the first of them; empty where it is missing.

        Raises:
            TagError: they lie outside the file.
        """
        entry = self.entry(tag)
        if entry is None:
            return b""
        size = entry.amount * SIZES.get(entry.kind, 0)
        if size <= len(entry.value):
            return entry.value[:size]
        (place,) = struct.unpack(self.order + ("Q" if self.big else "L"), entry.value)
        return _bytes(self.stream, place, size, most)

    def description(self, most: int = 1 << 62) -> str:
        """ImageDescription, such as OME-XML or what ImageJ and slide scanners write, or its first bytes."""
        return self.content(DESCRIPTION, most).rstrip(b"\0").decode("utf-8", "replace")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored, before the orientation is applied."""
        return self.number(WIDTH), self.number(HEIGHT)


def pages(stream: BinaryIO) -> list[Page]:
    """All pages of a TIFF with their sub-pages, in the order of the file; those behind a broken link are left out.

    Args:
        stream: the file; its position is restored.

    Raises:
        TagError: no first page.
        ManyPagesError: more than `MOST_PAGES` pages or `MOST_TAGS` tags.
    """
    start = stream.tell()
    try:
        return list(_pages(stream))
    except (struct.error, OSError, OverflowError) as error:
        raise TagError(str(error)) from error
    finally:
        stream.seek(start)


def first(stream: BinaryIO) -> Page:
    """The first page of a TIFF, or Exif tags, which are one.

    Raises:
        TagError: there is none.
    """
    try:
        return next(_pages(stream))
    except (struct.error, OSError, OverflowError, StopIteration) as error:
        raise TagError(str(error)) from error


def _pages(stream: BinaryIO) -> Iterator[Page]:
    head = _bytes(stream, 0, 8)
    order, big = (">" if head.startswith(b"MM") else "<"), 43 in head[2:4]
    if big:
        head = _bytes(stream, 0, 16)
    (place,) = struct.unpack_from(order + ("Q" if big else "L"), head, 8 if big else 4)
    seen: dict[int, int] = {}  # numbers of tags by place
    while place and place not in seen:
        try:
            page, place = _page(stream, order, big, place, seen)
            yield page
            for below in page.numbers(SUB_PAGES):
                if below and below not in seen:
                    yield _page(stream, order, big, below, seen, below=True)[0]
        except (TagError, struct.error):
            if not seen:
                raise
            return


def _page(
    stream: BinaryIO, order: str, big: bool, offset: int, seen: dict[int, int], below: bool = False
) -> tuple[Page, int]:
    row, word = struct.Struct(order + ("HHQ8s" if big else "HHL4s")), order + ("Q" if big else "L")
    counter = order + ("Q" if big else "H")
    (count,) = struct.unpack(counter, _bytes(stream, offset, struct.calcsize(counter)))
    seen[offset] = count
    if len(seen) > MOST_PAGES or sum(seen.values()) > MOST_TAGS:
        raise ManyPagesError
    table = stream.read(count * row.size)  # less where the file ends
    rows = row.iter_unpack(table[: len(table) // row.size * row.size])
    entries = tuple(Entry(*values) for values in rows)
    after = stream.read(struct.calcsize(word))  # files may end here
    following = struct.unpack(word, after)[0] if len(after) == struct.calcsize(word) else 0
    return Page(stream, order, big, offset, entries, below), following


def same_start(page: Page) -> bytes:
    """The head of a file whose first page is this one."""
    mark = b"MM" if page.order == ">" else b"II"
    if page.big:
        return mark + struct.pack(page.order + "HHHQ", 43, 8, 0, page.offset)
    return mark + struct.pack(page.order + "HL", 42, page.offset)


def _bytes(stream: BinaryIO, place: int, size: int, most: int = 1 << 62) -> bytes:
    if place + size > stream.seek(0, 2):
        raise TagError("behind the end of the file")
    stream.seek(place)
    return stream.read(min(size, most))
