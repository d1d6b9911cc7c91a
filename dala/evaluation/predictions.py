"""Held-out predictions of a cross-validated run: logits of every picture, by a network not trained on it."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
from scipy.special import softmax

from dala.errors import DalaError
from dala.files import atomic

__all__ = ["Predictions", "PredictionsError"]

COLUMNS = ("partition", "fold", "picture", "label", "patient", "slide", "magnification")
NUMBERS = ("partition", "fold", "label")
LOGIT = "logit:"
# Keeps file names that are not valid UTF-8.
BYTES = "surrogateescape"


class PredictionsError(DalaError):
    """Predictions that cannot be used; the message says what is wrong."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Held-out predictions, one row for each picture in each partition of the data into folds; m rows in all.

    Attributes:
        class_names: at least two.
        partition: (m,) int, repetition of the cross-validation.
        fold: (m,) int, fold of the partition in which the picture was held out.
        picture: (m,) str, name of the picture, equal in every partition and run.
        label: (m,) int, class index.
        patient: (m,) str.
        slide: (m,) str.
        magnification: (m,) str, '' if unknown.
        logits: (m, classes) float32, finite.

    Raises:
        PredictionsError: unequal lengths, labels outside the classes, logits that are not finite, or a picture that
            occurs twice in a partition.
    """

    class_names: tuple[str, ...]
    partition: np.ndarray
    fold: np.ndarray
    picture: np.ndarray
    label: np.ndarray
    patient: np.ndarray
    slide: np.ndarray
    magnification: np.ndarray
    logits: np.ndarray

    def __post_init__(self) -> None:
        if len(self.class_names) < 2:
            raise PredictionsError("Predictions need the logits of two classes or more.")
        if not len(self.picture):
            raise PredictionsError("There are no predictions.")
        if {len(getattr(self, name)) for name in COLUMNS} != {len(self.logits)}:
            raise PredictionsError("Every picture needs one value in each column.")
        if self.logits.shape != (len(self.picture), len(self.class_names)):
            raise PredictionsError(f"Every picture needs {len(self.class_names)} logits, one for each class.")
        if not np.isfinite(self.logits).all():
            raise PredictionsError("A logit is not finite.")
        outside = (self.label < 0) | (self.label >= len(self.class_names))
        if outside.any():
            raise PredictionsError(f"Label {self.label[outside][0]} is outside 0 to {len(self.class_names) - 1}.")
        seen = sorted(zip(self.partition.tolist(), self.picture.tolist(), strict=True))
        for one, other in pairwise(seen):
            if one == other:
                raise PredictionsError(f"Partition {one[0]} has picture {one[1]} twice.")

    def probabilities(self) -> np.ndarray:
        """Softmax of the logits: (m, classes) float64, rows sum to 1."""
        values: np.ndarray = softmax(self.logits.astype(np.float64), axis=1)
        return values

    def partitions(self) -> list[Self]:
        """Split by partition, in order; each part is sorted by picture, so that equal rows are the same picture."""
        rows = [np.flatnonzero(self.partition == k) for k in np.unique(self.partition)]
        return [self.take(r[np.argsort(self.picture[r])]) for r in rows]

    def take(self, rows: np.ndarray) -> Self:
        """Select rows, by index or by a boolean mask."""
        return replace(self, **{name: getattr(self, name)[rows] for name in (*COLUMNS, "logits")})

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Join rows of several predictions.

        Raises:
            PredictionsError: no parts, or classes that differ.
        """
        if len({p.class_names for p in parts}) != 1:
            raise PredictionsError("Only predictions of the same classes can be joined.")
        names = [f.name for f in fields(cls) if f.name != "class_names"]
        return cls(parts[0].class_names, **{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})

    def write(self, file: Path) -> None:
        """Write a UTF-8 CSV; logits have as many digits as restore their float32.

        Raises:
            DiskError: no room, or no permission; an existing file is kept.
        """
        logits = self.logits.astype(np.float32)
        with atomic(file) as part, part.open("w", encoding="utf-8", errors=BYTES, newline="") as stream:
            rows = csv.writer(stream, lineterminator="\n")
            rows.writerow([*COLUMNS, *(LOGIT + name for name in self.class_names)])
            for k, row in enumerate(zip(*(getattr(self, name) for name in COLUMNS), strict=True)):
                rows.writerow([*row, *map(str, logits[k])])

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a file written by `write`.

        Raises:
            PredictionsError: no such file, missing columns, or values that cannot be read or that the class
                rejects.
        """
        try:
            with file.open(encoding="utf-8", errors=BYTES, newline="") as stream:
                rows = csv.DictReader(stream, restval="")
                header, table = list(rows.fieldnames or ()), list(rows)
        except OSError as error:
            raise PredictionsError(f"{file}: {error.strerror}.") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise PredictionsError(f"{file} is not a CSV of predictions.") from error
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise PredictionsError(f"{file} has no column {', '.join(missing)}.")
        logits = [name for name in header if name.startswith(LOGIT)]
        try:
            return cls(
                tuple(name.removeprefix(LOGIT) for name in logits),
                **{name: _numbers(table, [name], np.int64)[:, 0] for name in NUMBERS},
                **{name: np.array([r[name] for r in table], str) for name in COLUMNS if name not in NUMBERS},
                logits=_numbers(table, logits, np.float32),
            )
        except PredictionsError as error:
            raise PredictionsError(f"{file}: {error}") from error


def _numbers(table: list[dict[str, str]], names: list[str], kind: type[np.number]) -> np.ndarray:
    values = np.zeros((len(table), len(names)), kind)
    for k, row in enumerate(table):
        for c, name in enumerate(names):
            try:
                values[k, c] = kind(row[name])
            except (ValueError, OverflowError) as error:
                raise PredictionsError(f"{row[name]!r} in column {name} of row {k + 1} is not a number.") from error
    return values
