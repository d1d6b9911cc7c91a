"""One file of each picture that lies in a data set several times: in folds, in two encodings, behind links."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageChops, ImageStat

from dala.data.layouts import Labels
from dala.images import preprocessing, reading

__all__ = ["SENTENCE", "find"]

SENTENCE = "Another copy of a picture that is read."
# Side of the thumbnails that are compared, and their largest mean difference in grey levels: JPEG of quality 30 changes
# a thumbnail by less than 1, and two BreakHis pictures of one slide differ by more.
SIDE, ALIKE = 32, 3.0


def find(root: Path, labels: Mapping[Path, Labels], named: bool) -> dict[Path, Path]:
    """Return the files that repeat another one, each with the first one, by path, of the same picture.

    Two files show one picture if they are one file, by links, in one class; if they have the same labels and the same
    name in a layout whose names are unique; or if they lie in one folder under one name with different suffixes, and
    look alike.

    Args:
        root: of the data set.
        labels: of every file.
        named: whether the layout gives every picture a name of its own.
    """
    first: dict[object, Path] = {}
    copies: dict[Path, Path] = {}
    for path in sorted(labels):
        file = path.stat()
        other = first.setdefault((file.st_dev, file.st_ino, labels[path].kind), path)
        if named:
            other = first.setdefault((labels[path], path.stem.lower()), other)
        if other != path:
            copies[path] = other
    return copies if named else copies | _encodings([p for p in sorted(labels) if p not in copies])


def _encodings(files: list[Path]) -> dict[Path, Path]:
    """Return files of one folder and one name whose pictures look alike, each with the first one."""
    groups: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for file in files:
        groups[file.parent, file.stem].append(file)
    copies: dict[Path, Path] = {}
    for first, *others in groups.values():
        copies |= {other: first for other in others if _alike(first, other)}
    return copies


def _alike(one: Path, other: Path) -> bool:
    try:
        pictures = [reading.read(p) for p in (one, other)]
    except preprocessing.ImageError:
        return False  # said later, of the file that cannot be read
    if pictures[0].size != pictures[1].size:
        return False
    small = [p.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX) for p in pictures]
    return ImageStat.Stat(ImageChops.difference(*small)).mean[0] <= ALIKE
