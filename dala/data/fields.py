"""Crops of large fields with outlined tumour, as a labelled set: rich in tumour against poor in it."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from dala import files
from dala.data import groups, source_files
from dala.data.items import DataError
from dala.data.source_files import SourceFile
from dala.files import read_json
from dala.images import reading

__all__ = ["KINDS", "MASK", "POOR", "RICH", "SOURCE", "Crop", "crops", "pairs", "write"]

MASK = "_tumourmask.png"
SOURCE = "source.json"
# Share of tumour from which a crop is rich, and up to which it is poor; crops between the two are not used.
RICH, POOR = 0.5, 0.1
KINDS = ("rich", "poor")


@dataclass(frozen=True)
class Crop:
    """A square part of a field: its corner in pixels, and the share of it that is tumour."""

    left: int
    top: int
    share: float

    @property
    def kind(self) -> str | None:
        """ "rich", "poor", or None between the two."""
        return "rich" if self.share >= RICH else "poor" if self.share <= POOR else None


def pairs(folder: Path) -> list[tuple[Path, Path]]:
    """List the fields of a folder, pictures NAME.jpg, with their masks NAME_tumourmask.png.

    Raises:
        DataError: no such folder, or no picture with a mask.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name the one that contains the fields.")
    found = [(p, p.with_name(p.stem + MASK)) for p in reading.pictures(folder)]
    fields = [(picture, mask) for picture, mask in found if mask.is_file()]
    if not fields:
        raise DataError(f"{folder}: no picture NAME.jpg with a mask NAME{MASK} in or below this folder.")
    return fields


def crops(mask: np.ndarray, side: int) -> Iterator[Crop]:
    """Yield squares that overlap by half, in reading order.

    Args:
        mask: (H, W) bool, true where tumour is.
        side: of a square, in pixels of the field.
    """
    for top in range(0, mask.shape[0] - side + 1, side // 2):
        for left in range(0, mask.shape[1] - side + 1, side // 2):
            yield Crop(left, top, float(mask[top : top + side, left : left + side].mean()))


def write(described: Path, root: Path, side: int, out: Path) -> dict[str, dict[str, int]]:
    """Cut the fields of a source file into crops, and write them as a set with a source file of its own.

    Args:
        described: source file of the fields; its classes are of `KINDS`.
        root: folder that its `folder` is relative to.
        side: of a crop, in pixels at the training scale.
        out: new folder: a sub-folder for each of `KINDS`, `groups.csv` with the field of each crop, and `source.json`.

    Returns:
        number of crops of each kind, by field.

    Raises:
        DataError: not such a source file, no fields, a mask that does not fit its field, or a folder that exists.
        DiskError: no room, or no permission.
    """
    source = source_files.read(described, root)
    if not source.folder or not source.zoom or not isinstance(source.classes, dict) or {*source.classes} != {*KINDS}:
        raise DataError(f"{described}: fields need a `folder`, a `zoom` and `classes` of {' and '.join(KINDS)}.")
    if out.exists():
        raise DataError(f"{out}: exists already; remove it, or name another folder.")
    native, rows = round(side / source.zoom), [("picture", "patient")]
    counts: dict[str, dict[str, int]] = {}
    for picture_file, mask_file in pairs(source.folder):
        picture, mask = reading.read(picture_file), np.asarray(reading.read(mask_file).convert("L")) > 127
        if mask.shape != (picture.height, picture.width):
            raise DataError(f"{mask_file}: its size is not that of {picture_file.name}.")
        counts[picture_file.stem] = dict.fromkeys(KINDS, 0)
        for crop in crops(mask, native):
            if crop.kind:
                name = f"{crop.kind}/{picture_file.stem}_x{crop.left}_y{crop.top}.png"
                _save(picture.crop((crop.left, crop.top, crop.left + native, crop.top + native)), out / name)
                rows.append((name, picture_file.stem))
                counts[picture_file.stem][crop.kind] += 1
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    files.write(out / groups.NAME, table.getvalue())
    own: SourceFile = read_json(described) | {"folder": ".", "patients": "named"}
    files.write(out / SOURCE, json.dumps(own, indent=2, ensure_ascii=False) + "\n")
    return counts


def _save(picture: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    files.write(file, stream.getvalue())
