"""Fit the check of laboratories (`dala.images.laboratory`) to training pictures, and measure how often it errs.

Only pictures that the network was trained on are fitted. A threshold is the distance within which 95 % of the pictures
of a laboratory lie when their patients are left out; how often the check then speaks on its own laboratory is measured
on patients left out of both. How often it speaks on another laboratory is measured by leaving each of the known ones
out, and on pictures of laboratories that were never fitted.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dala.errors import DalaError
from dala.images.laboratory import Laboratories, Laboratory

__all__ = ["LEAST", "MOST", "LaboratoryError", "Pictures", "drawn", "fit", "measured"]

LEAST, MOST = 100, 1000  # pictures of a laboratory: with fewer, 37 statistics have no covariance
SHARE = 0.95
RIDGE = 0.01  # added to the eigenvalues of the correlation matrix
OUTER, INNER, REPEATS = 5, 8, 5  # folds of the rates, folds of the threshold, partitions of both into folds


class LaboratoryError(DalaError):
    """Too few pictures to describe a laboratory."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Statistics of one laboratory's pictures.

    Attributes:
        title: of the laboratory.
        values: (N, S), from `dala.images.laboratory.statistics`.
        sides: (N,), from `dala.images.laboratory.side`.
        patients: (N,); a picture whose patient is not known counts as one.
    """

    title: str
    values: np.ndarray
    sides: np.ndarray
    patients: np.ndarray

    def where(self, chosen: np.ndarray) -> "Pictures":
        """The pictures at which `chosen`, (N,), is true."""
        return Pictures(self.title, self.values[chosen], self.sides[chosen], self.patients[chosen])


def drawn(patients: Sequence[str], most: int = MOST) -> list[int]:
    """Indices of at most `most` pictures, each patient's in turn; the same ones for the same patients."""
    seen: dict[str, int] = {}
    turns = []
    for i, patient in enumerate(patients):
        turns.append((seen.setdefault(patient, 0), zlib.crc32(f"{patient} {i}".encode()), i))
        seen[patient] += 1
    return sorted(i for _, _, i in sorted(turns)[:most])


def fit(names: Sequence[str], laboratories: Sequence[Pictures]) -> Laboratories:
    """Fit each laboratory by itself.

    Raises:
        LaboratoryError: no laboratory, or one with fewer than `LEAST` pictures or than two patients.
    """
    if not laboratories:
        raise LaboratoryError(f"No laboratory has the {LEAST} pictures that describe one.")
    for one in laboratories:
        if len(one.values) < LEAST or len(set(one.patients.tolist())) < 2:
            raise LaboratoryError(f"{one.title}: {len(one.values)} pictures do not describe a laboratory: {LEAST} do.")
    return Laboratories(tuple(names), tuple(_fitted(one) for one in laboratories))


def measured(
    names: Sequence[str], laboratories: Sequence[Pictures], outside: Sequence[Pictures] = ()
) -> dict[str, list[dict[str, Any]]]:
    """How often the check speaks: number of pictures, and of those that it speaks on.

    Args:
        names: of the statistics.
        laboratories: that the check is fitted to.
        outside: pictures of other laboratories, which are not fitted.

    Returns:
        "own": pictures of each laboratory whose patients are left out of fit and threshold, the mean over five
        partitions of the patients; "left_out": of each, if the laboratory is left out and others are left; "outside":
        of the others.
    """
    whole = fit(names, laboratories)
    own = [_row(one, _left_out(whole, one)) for one in laboratories]
    others = [tuple(other for other in whole.sources if other.title != one.title) for one in laboratories]
    rest = [
        (one, replace(whole, sources=sources)) for one, sources in zip(laboratories, others, strict=True) if sources
    ]
    return {
        "own": own,
        "left_out": [_row(one, without.distances(one.values, one.sides.tolist())) for one, without in rest],
        "outside": [_row(one, whole.distances(one.values, one.sides.tolist())) for one in outside],
    }


def _row(pictures: Pictures, distances: np.ndarray) -> dict[str, Any]:
    """From distances of shape (N,), or (partitions, N)."""
    every = distances.reshape(-1, len(pictures.values))
    return {
        "title": pictures.title,
        "pictures": every.shape[1],
        "spoken": round(float((every > 1).sum(1).mean())),
        "median": round(float(np.median(every)), 3),
    }


def _left_out(whole: Laboratories, pictures: Pictures) -> np.ndarray:
    """(REPEATS, N) distances of a laboratory's pictures, its own fit and threshold without their patients."""
    result = np.zeros((REPEATS, len(pictures.values)))
    others = [one for one in whole.sources if one.title != pictures.title]
    for row in range(REPEATS):
        for held in _folds(pictures.patients, OUTER, row):
            sources = replace(whole, sources=(_fitted(pictures.where(~held)), *others))
            result[row, held] = sources.distances(pictures.values[held], pictures.sides[held].tolist())
    return result


def _fitted(pictures: Pictures) -> Laboratory:
    """One laboratory, its threshold from distances of pictures whose patients are left out of the fit."""
    distances = np.zeros((REPEATS, len(pictures.values)))
    for row in range(REPEATS):
        for held in _folds(pictures.patients, INNER, REPEATS + row):
            distances[row, held] = _gaussian(pictures.where(~held)).distances(pictures.values[held])
    return replace(_gaussian(pictures), threshold=float(np.quantile(distances, SHARE)), share=SHARE)


def _gaussian(pictures: Pictures) -> Laboratory:
    """Mean and covariance, every patient with the same weight."""
    _, index, count = np.unique(pictures.patients, return_inverse=True, return_counts=True)
    weight = 1 / count[index]
    weight /= weight.sum()
    mean = weight @ pictures.values
    scale = np.sqrt(weight @ (pictures.values - mean) ** 2) + 1e-6
    off = (pictures.values - mean) / scale
    precision = np.linalg.inv((off * weight[:, None]).T @ off + RIDGE * np.eye(len(mean)))
    return Laboratory(pictures.title, len(off), float(np.median(pictures.sides)), mean, scale, precision)


def _folds(patients: np.ndarray, k: int, seed: int) -> list[np.ndarray]:
    """Masks of held-out pictures, (N,), that hold each patient out once; folds without pictures are left away."""
    names, index = np.unique(patients, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(names)) % k
    return [held for held in (fold[index] == f for f in range(min(k, len(names)))) if held.any()]
