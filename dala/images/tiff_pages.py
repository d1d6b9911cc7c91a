"""Choose the page of a TIFF that is the picture, from its tags and descriptions alone."""

import re
from collections.abc import Sequence
from typing import Literal

from dala.images import tiff_tags as tags
from dala.images.preprocessing import ImageError
from dala.images.tiff_tags import Page

__all__ = ["chosen"]

REDUCED, MASK = 1, 4  # bits of NewSubfileType
OLD_REDUCED = 2
GREY, PALETTE = (0, 1), 3
NDPI_LENS = 65421  # -1 for the macro picture, -2 for a map
IMAGEJ_SIZES, IMAGEJ_DATA, MOST_IMAGEJ = 50838, 50839, 1_000_000
METAMORPH_PLANES = 33629  # UIC2Tag, whose number of values is that of the planes
# How scanners name pages that are no tissue: Ventana, Philips; Aperio; PerkinElmer.
ASIDE = re.compile(
    r"\s*(?:label|macro|thumbnail|overview|probability|map)\b(?:[ _]?image)?|\s*(?:label|probability)_image"
    r"|\s*Aperio[^\n]*\n(?:label|macro)\b|\s*Aperio[^|]*->|(?s:.*)<ImageType>\s*(?!FullResolution)",
    re.IGNORECASE,
)
CHANNEL = re.compile(r"<(?:\w+:)?Channel\b[^>]*>")
COLOURS, OTHER = ("red", "green", "blue"), "other"
# OME gives a colour as a signed number of 32 bits, RGBA.
OME_COLOURS = {0xFF0000: "red", 0x00FF00: "green", 0x0000FF: "blue"}
LUTS = {
    bytes(range(256)) + bytes(512): "red",
    bytes(256) + bytes(range(256)) + bytes(256): "green",
    bytes(512) + bytes(range(256)): "blue",
}


def chosen(pages: Sequence[Page]) -> list[Page]:
    """The page that is the picture, or the three that are its red, green and blue.

    Reduced copies, masks, labels, macro pictures and thumbnails are left out; of the others the largest is taken, and
    of several of that size the first.

    Args:
        pages: all pages of the file; at least one.

    Raises:
        ImageError: nothing but labels and the like, or grey pages of which nothing says what they are.
    """
    named = [p for p in pages if not _aside(p)]
    full = [p for p in named if not _reduced(p)] or named
    if not full:
        raise ImageError("This TIFF holds only labels, masks and overviews: save the region of interest as a picture.")
    best = max(full, key=lambda p: p.size[0] * p.size[1])  # the first of the largest
    if best.number(tags.SAMPLES, 1) > 1 or best.number(tags.PHOTOMETRIC) not in (*GREY, PALETTE):
        return [best]
    peers = [p for p in full if p.size == best.size and not p.below]
    text = pages[0].description()
    images = _images(pages[0], text)
    if best.number(tags.PHOTOMETRIC) == PALETTE and images == 1:
        return [best]
    count = max(images, len(peers))
    if count == 1:
        return [best]
    if count == len(peers) == 3 and (order := _colours(pages[0], text)):
        return [peers[order.index(colour)] for colour in COLOURS]
    raise ImageError(
        f"This TIFF holds {count} grey pages of the same size, and nothing says that they are red, green and blue: "
        "save one page, or merge them as RGB."
    )


def _reduced(page: Page) -> bool:
    return bool(page.number(tags.SUBFILE) & REDUCED) or page.number(tags.OLD_SUBFILE) == OLD_REDUCED


def _aside(page: Page) -> bool:
    if page.number(tags.SUBFILE) & MASK or page.number(tags.PHOTOMETRIC) == MASK:
        return True
    lens = page.entry(NDPI_LENS)
    # A float, whose sign bit lies in its last byte.
    if lens and lens.kind == 11 and lens.value[3 if page.order == "<" else 0] & 0x80:
        return True
    return bool(ASIDE.match(page.description(2000)))


def _images(page: Page, text: str) -> int:
    """How many pictures of one channel the file's first page says that there are; 1 where it says nothing."""
    if text.startswith("ImageJ="):
        return int(_first(r"^images=(\d{1,9})", text) or 1)
    if "<OME" in text[:5000]:
        sizes = [int(_first(rf'\bSize{axis}="(\d{{1,9}})"', text) or 1) for axis in "CZT"]
        return sizes[0] * sizes[1] * sizes[2]
    if shape := _first(r'^\{"shape": \[([\d, ]+)\]', text):
        sides = [int(side) for side in shape.split(",") if side.strip()]
        count = 1
        for side in sides:
            count *= side
        width, height = page.size
        return max(1, count // max(1, width * height * page.number(tags.SAMPLES, 1)))
    entry = page.entry(METAMORPH_PLANES)
    return entry.amount if entry else 1


def _colours(page: Page, text: str) -> list[str] | None:
    """The colours of three channels in their order, where ImageJ or OME-XML names them."""
    if text.startswith("ImageJ="):
        if not re.search(r"^mode=composite", text, re.MULTILINE) or not re.search(r"^channels=3", text, re.MULTILINE):
            return None
        found = _imagej_colours(page)
    else:
        found = [_ome_colour(channel) for channel in CHANNEL.findall(text)]
        if _first(r'\b(First[CZT])="[1-9]', text) or len(re.findall(r"<(?:\w+:)?Pixels\b", text)) != 1:
            return None
    return found if found and sorted(found) == sorted(COLOURS) else None


def _ome_colour(channel: str) -> str:
    name = (_first(r'\bName="([^"]*)"', channel) or "").strip().lower()
    name = {"r": "red", "g": "green", "b": "blue"}.get(name, name)
    code = _first(r'\bColor="(-?\d{1,10})"', channel)
    colour = OME_COLOURS.get((int(code) & 0xFFFFFFFF) >> 8) if code else None
    if name in COLOURS:
        return name if colour in (None, name) else OTHER
    return colour or OTHER


def _imagej_colours(page: Page) -> list[str] | None:
    """Red, green and blue, as ImageJ shows a composite without colours of its own; else those of its tables."""
    head, sizes = page.content(IMAGEJ_DATA, MOST_IMAGEJ), page.numbers(IMAGEJ_SIZES)
    if not head or not sizes:
        return list(COLOURS)
    if not head.startswith((b"IJIJ", b"JIJI")):
        return None
    order: Literal["big", "little"] = "big" if head.startswith(b"IJIJ") else "little"
    kinds = [(head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], order)) for at in range(4, sizes[0] - 7, 8)]
    place, number, tables = sizes[0], 1, []
    for kind, count in kinds:
        for size in sizes[number : number + count]:
            if kind in (b"luts", b"stul"):
                tables.append(head[place : place + size])
            place += size
        number += count
    return [LUTS.get(table, OTHER) for table in tables] if tables else list(COLOURS)


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else None
