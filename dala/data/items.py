"""Labelled pictures on disk, with their patients."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dala.errors import DalaError

__all__ = ["DataError", "Item", "LeakageError", "balanced_weights", "names"]

# SOB_B_A-14-22549AB-100-001.png: biopsy, class, tumour type, year, slide id, magnification, sequence number
BREAKHIS_NAME = re.compile(
    r"SOB_(?P<label>[BM])_(?P<type>[A-Z]+)-\d+-(?P<slide>(?P<patient>\d+)[A-Z]*)-(?P<zoom>\d+)-\d+"
)


class DataError(DalaError):
    """A data set that cannot be used; the message says what is wrong and what to do."""


class LeakageError(DataError):
    """A patient with pictures on both sides of a split."""


@dataclass(frozen=True)
class Item:
    """One labelled picture: its file, class index, patient, slide, and magnification where the data set names one."""

    path: Path
    label: int
    patient: str
    slide: str
    magnification: str | None = None


def balanced_weights(items: Sequence[Item]) -> np.ndarray:
    """Return sampling weights (n,), sum 1: every class, and within a class every patient, is drawn equally often."""
    count = Counter((i.label, i.patient) for i in items)
    patients = Counter(label for label, _ in count)
    weights = np.array([1 / (patients[i.label] * count[i.label, i.patient]) for i in items])
    return weights / weights.sum()


def names(items: Sequence[Item]) -> dict[Path, str]:
    """Name each picture for a report: by its file name, or by its path below the common folder if names repeat."""
    paths = [i.path for i in items]
    if len({p.name for p in paths}) == len(paths):
        return {p: p.name for p in paths}
    common = os.path.commonpath([p.parent for p in paths])
    return {p: p.relative_to(common).as_posix() for p in paths}
