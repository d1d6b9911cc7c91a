"""Labelled pictures on disk, and who they are of."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dala.errors import DalaError

__all__ = [
    "DataError",
    "Item",
    "LeakageError",
    "assert_disjoint",
    "balanced_weights",
    "breakhis",
    "folder",
    "pictures",
]

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}
# SOB_B_A-14-22549AB-100-001.png: biopsy, class, tumour type, year, slide id, magnification, sequence number
BREAKHIS_NAME = re.compile(
    r"SOB_(?P<label>[BM])_(?P<type>[A-Z]+)-\d+-(?P<slide>(?P<patient>\d+)[A-Z]*)-(?P<zoom>\d+)-\d+"
)


class DataError(DalaError):
    """A data set that cannot be used; the message says what is wrong and what to do."""


class LeakageError(DataError):
    """A patient who stands on both sides of a split."""


@dataclass(frozen=True)
class Item:
    """One labelled picture: its file, class index, patient, slide, and magnification where the data set names one."""

    path: Path
    label: int
    patient: str
    slide: str
    magnification: str | None = None


def breakhis(root: Path, magnification: str = "100X") -> tuple[list[Item], list[str]]:
    """BreakHis (Spanhol et al. 2016) in its own folder layout, benign against malignant.

    A patient is the numeric root of the slide id: 22549AB and 22549CD are one patient. That is stricter than the slide
    ids that published patient scores use.

    Args:
        root: any folder above the pictures; `.png` as published, or `.jpg`.
        magnification: "40X", "100X", "200X" or "400X".

    Returns:
        the pictures in a fixed order, and the class names.
    """
    items = []
    for path in pictures(root):
        name = BREAKHIS_NAME.fullmatch(path.stem)
        if name and f"{name['zoom']}X" == magnification:
            items.append(Item(path, int(name["label"] == "M"), name["patient"], name["slide"], magnification))
    if not items:
        raise DataError(f"{root}: no BreakHis pictures at {magnification} (SOB_B_A-14-22549AB-100-001.png and so on).")
    return items, ["benign", "malignant"]


def folder(root: Path) -> tuple[list[Item], list[str]]:
    """A plain folder with one sub-folder per class.

    Each picture counts as a patient of its own: pictures of one patient may land on both sides of a split.

    Returns:
        the pictures in a fixed order, and the sub-folders' names as class names.
    """
    names = sorted(p.name for p in root.iterdir() if p.is_dir() and pictures(p)) if root.is_dir() else []
    if len(names) < 2:
        raise DataError(f"{root}: needs one sub-folder with pictures per class, and has {len(names)}.")
    items = [
        Item(path, label, str(path.relative_to(root)), str(path.relative_to(root)))
        for label, name in enumerate(names)
        for path in pictures(root / name)
    ]
    return items, names


def assert_disjoint(*sides: Sequence[Item]) -> None:
    """Raise LeakageError if a patient has pictures on more than one side."""
    seen: Counter[str] = Counter()
    for side in sides:
        seen.update(set(_patients(side)))
    shared = sorted(p for p, n in seen.items() if n > 1)
    if shared:
        raise LeakageError(f"Patients on more than one side of the split: {', '.join(shared)}.")


def balanced_weights(items: Sequence[Item]) -> np.ndarray:
    """Sampling weights (n,), sum 1, under which every class, and within it every patient, is drawn equally often."""
    count = Counter((i.label, i.patient) for i in items)
    patients = Counter(label for label, _ in count)
    weights = np.array([1 / (patients[i.label] * count[i.label, i.patient]) for i in items])
    return weights / weights.sum()


def pictures(root: Path) -> list[Path]:
    """The pictures in and below a folder, by name of file, in a fixed order; hidden and `__MACOSX` ones left out."""
    return sorted(
        p
        for p in root.rglob("*")
        if p.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") or part == "__MACOSX" for part in p.relative_to(root).parts)
        and p.is_file()
    )


def _patients(items: Sequence[Item]) -> list[str]:
    return sorted({i.patient for i in items})
