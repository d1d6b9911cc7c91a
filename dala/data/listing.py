"""The pictures of a folder, without what lies beside them: masks, overlays, thumbnails, hidden files."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dala.images.formats import SUFFIXES, UNREAD, pictures

__all__ = ["Listing", "listing"]

MASK = "A mask or another drawing of a picture, by its name."
MASK_FOLDER = "In a folder of masks or other drawings."
THUMBNAIL = "A thumbnail that the file system made."
# x_mask.png, x_mask_1.png, x-Overlay.png; the words of the second kind only beside the picture that they belong to.
_WORD = r"masks?|[a-z]*segmentations?|overlays?|heat[ _-]?maps?"
_WEAK = r"[a-z]*mask|segm?|rois?|gt|ground[ _-]?truths?|annot(?:ation|ated)?s?|labels?|contours?|bound(?:ary|aries)"
_END = re.compile(rf"(?P<base>.+?)[ _.-]+(?:(?P<word>{_WORD})|{_WEAK})(?:[ _.-]?(?:\d+|\(\d+\)))?", re.IGNORECASE)
_START = re.compile(rf"(?:{_WORD}|{_WEAK})[ _.-]+(?P<base>.+)", re.IGNORECASE)
_FOLDER = re.compile(rf"(?:image[ _-]?|img[ _-]?)?(?:{_WORD})(?:[ _-]?(?:images?|imgs?|png|\d+))?", re.IGNORECASE)
_WEAK_FOLDER = re.compile(rf"(?:{_WEAK})", re.IGNORECASE)
_THUMBNAILS = ("@eaDir", "#recycle", ".thumbnails")
# Files that lie beside pictures everywhere and are no news.
_USUAL = {
    "", ".csv", ".db", ".html", ".ini", ".ipynb", ".json", ".md", ".pdf", ".py", ".tsv", ".txt", ".xlsx", ".xml",
    ".yaml",
}  # fmt: skip


@dataclass(frozen=True)
class Listing:
    """What lies in and below a folder.

    Attributes:
        files: the pictures, sorted by path.
        left_out: other files with a picture's suffix, each with a sentence that says why.
        notes: sentences on what else was found.
    """

    files: list[Path]
    left_out: dict[Path, str]
    notes: list[str]


def listing(root: Path) -> Listing:
    """List the pictures in and below a folder; folders behind symbolic links are followed once."""
    others, empty, linked = _walk(root)
    files = sorted({p for place in (root, *linked) for p in pictures(place) if p.suffix.lower() not in UNREAD})
    left_out = {p: THUMBNAIL for p in files if any(part in _THUMBNAILS for part in p.relative_to(root).parts[:-1])}
    files = [p for p in files if p not in left_out]
    left_out |= _drawings(root, files)
    files = [p for p in files if p not in left_out]
    notes = []
    if empty:
        notes.append(f"Folders without any picture: {_few([p.relative_to(root).as_posix() for p in empty])}.")
    if others:
        notes.append("Files that are no pictures or of a kind that is not read: " + _few(others) + ".")
    return Listing(files, left_out, notes)


def _drawings(root: Path, files: Sequence[Path]) -> dict[Path, str]:
    """Return the masks, overlays and annotations among pictures."""
    beside = {(p.parent, p.stem.lower()) for p in files}
    stems = Counter(p.stem.lower() for p in files)
    result: dict[Path, str] = {}
    for p in files:
        folders = p.relative_to(root).parts[:-1]
        end, start = _END.fullmatch(p.stem), _START.fullmatch(p.stem)
        if any(_FOLDER.fullmatch(f) or (_WEAK_FOLDER.fullmatch(f) and stems[p.stem.lower()] > 1) for f in folders):
            result[p] = MASK_FOLDER
        elif (end and end["word"]) or any(m and (p.parent, m["base"].lower()) in beside for m in (end, start)):
            result[p] = MASK
    return result


def _walk(root: Path) -> tuple[list[str], list[Path], list[Path]]:
    """Return other files by suffix with their number, folders without pictures, and folders behind links."""
    suffixes: Counter[str] = Counter()
    full: set[Path] = set()
    folders: list[Path] = []
    linked: list[Path] = []
    seen = {os.path.realpath(root)}
    for place, inside, found in _visible(root, seen, linked):
        folders += [place / name for name in inside]
        for name in found:
            suffix = Path(name).suffix.lower()
            if suffix in SUFFIXES - UNREAD:
                full |= {place, *place.parents}
            elif suffix not in _USUAL:
                suffixes[suffix] += 1
    empty = [f for f in folders if f not in full and (f.parent == root or f.parent in full)]
    return [f"{suffix} {n}" for suffix, n in sorted(suffixes.items())], sorted(empty), linked


def _visible(root: Path, seen: set[str], linked: list[Path]) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Walk over folders that are not hidden; those behind links are followed once and added to `linked`."""
    for text, inside, found in os.walk(root):
        place = Path(text)
        inside[:] = [n for n in inside if not n.startswith(".") and n not in ("__MACOSX", *_THUMBNAILS)]
        yield place, inside, [n for n in found if not n.startswith(".")]
        for name in inside:
            real = os.path.realpath(place / name)
            if (place / name).is_symlink() and not any(real == s or s.startswith(real + os.sep) for s in seen):
                seen.add(real)
                linked.append(place / name)
                yield from _visible(place / name, seen, linked)


def _few(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
