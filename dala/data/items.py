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
    """A data set that cannot be used; the message says what is wrong and what to do.

    Attributes:
        hint: options of the command line that help, such as "--format bach"; only the command line shows them.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class LeakageError(DataError):
    """A patient with pictures on both sides of a split."""


@dataclass(frozen=True)
class Item:
    """One labelled picture.

    Attributes:
        path: its file.
        label: index of its class.
        patient, slide: their ids; where the patients are not known, one of its own for each picture.
        magnification: of the microscope, where the data set names it.
        source: title of the set that it comes from; "" for a set that was read alone.
        zoom: factor that resizes it to the scale of the set that is scored; None fits it to the training size, as in
            the app.
        weight: of its set, against the others; see `balanced_weights`.
        shift: name of the acquisition shift of `dala.images.shifts` that it is read with; "" for none.
    """

    path: Path
    label: int
    patient: str
    slide: str
    magnification: str | None = None
    source: str = ""
    zoom: float | None = None
    weight: float = 1.0
    shift: str = ""


def balanced_weights(items: Sequence[Item]) -> np.ndarray:
    """Return sampling weights (n,), sum 1.

    Every set is drawn in proportion to its weight; within a set every class, and within a class every patient, is drawn
    equally often.
    """
    count = Counter((i.source, i.label, i.patient) for i in items)
    patients = Counter((source, label) for source, label, _ in count)
    share = {i.source: i.weight for i in items}
    within = [1 / (patients[i.source, i.label] * count[i.source, i.label, i.patient]) for i in items]
    total = {source: np.sum([w for w, i in zip(within, items, strict=True) if i.source == source]) for source in share}
    every = sum(share.values())
    return np.array([w / total[i.source] * (i.weight / every) for w, i in zip(within, items, strict=True)])


def names(items: Sequence[Item]) -> dict[Path, str]:
    """Name each picture for a report: by its file name, or by its path below the common folder if names repeat."""
    paths = [i.path for i in items]
    if len({p.name for p in paths}) == len(paths):
        return {p: p.name for p in paths}
    common = os.path.commonpath([p.parent for p in paths])
    return {p: p.relative_to(common).as_posix() for p in paths}
