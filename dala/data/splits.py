"""Cross-validation splits: partitions into folds, by patient or by picture, stored in a JSON file."""

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dala.data.items import DataError, Item, LeakageError
from dala.files import read_json

__all__ = ["PROTOCOLS", "Split", "folds", "make", "read"]

PROTOCOLS = ("patient", "holdout", "image")


@dataclass(frozen=True)
class Split:
    """Repeated partitions of labelled pictures into folds.

    Attributes:
        protocol: "patient" (each partition holds every patient out once), "holdout" (one fold of some patients), or
            "image" (pictures are split regardless of patient, so that patients leak and metrics are too high).
        partitions: [partition][fold] -> held-out patients, or held-out pictures for "image", sorted.
    """

    protocol: str
    partitions: tuple[tuple[tuple[str, ...], ...], ...]

    def sides(self, items: Sequence[Item], partition: int, fold: int) -> tuple[list[Item], list[Item]]:
        """Return the pictures to train on and the held-out ones, in the order of `items`.

        Raises:
            LeakageError: a patient on both sides, unless the protocol is "image".
        """
        held = set(self.partitions[partition][fold])
        sides = [i for i in items if self.key(i) not in held], [i for i in items if self.key(i) in held]
        shared = {i.patient for i in sides[0]} & {i.patient for i in sides[1]}
        if shared and self.protocol != "image":
            raise LeakageError(f"Patients on more than one side of the split: {', '.join(sorted(shared))}.")
        return sides

    def key(self, item: Item) -> str:
        """Return the unit of the split that an item belongs to: its patient, or its file name."""
        return item.path.name if self.protocol == "image" else item.patient

    def to_json(self) -> str:
        """Convert to the text of a split file; the inverse of `read`."""
        return json.dumps({"protocol": self.protocol, "partitions": self.partitions}, indent=1) + "\n"


def make(
    items: Sequence[Item],
    protocol: str = "patient",
    k: int = 5,
    partitions: int = 1,
    share: float = 0.25,
    seed: int = 0,
) -> Split:
    """Split pictures; partition number p uses the seed `seed` + p.

    Uses scikit-learn's `StratifiedGroupKFold` for "patient", so that every fold has its share of the pictures of each
    class, and `StratifiedKFold` over patients for "holdout", over pictures for "image".

    Args:
        items: all labelled pictures.
        protocol: see `Split`.
        k: number of folds; "holdout" keeps one fold, with about `share` of the patients.
        partitions: number of repetitions.
        share: share of the patients held out by "holdout".
        seed: seed of the first partition.

    Raises:
        DataError: too few patients (or pictures) of a class, or file names that are not unique.
    """
    kept = max(2, round(1 / share)) if protocol == "holdout" else k
    keys = Split(protocol, ())
    if protocol == "image" and len({keys.key(i) for i in items}) < len(items):
        raise DataError("A split by picture needs file names that differ; rename the pictures.")
    every = [_folds(items, keys, kept, seed + p) for p in range(partitions)]
    split = Split(protocol, tuple(tuple(f[:1] if protocol == "holdout" else f) for f in every))
    _check(split, items)
    return split


def folds(items: Sequence[Item], k: int = 5, seed: int = 0) -> list[list[Item]]:
    """Return the held-out pictures of each of k patient-wise folds; see `make`."""
    split = make(items, "patient", k, seed=seed)
    return [split.sides(items, 0, f)[1] for f in range(k)]


def read(file: Path, items: Sequence[Item]) -> Split:
    """Read a split file and check it against the pictures.

    Raises:
        DataError: not a split file, or one of other patients or pictures.
        LeakageError: a patient in two folds of a partition.
    """
    try:
        value = read_json(file)
        split = Split(value["protocol"], tuple(tuple(tuple(f) for f in p) for p in value["partitions"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: not a split as training writes it.") from error
    if not all(isinstance(key, str) for partition in split.partitions for fold in partition for key in fold):
        raise DataError(f"{file}: not a split as training writes it: patients and pictures have to be text.")
    if split.protocol not in PROTOCOLS:
        raise DataError(f"{file}: its protocol is {split.protocol!r}, not one of {', '.join(PROTOCOLS)}.")
    _check(split, items)
    return split


def _check(split: Split, items: Sequence[Item]) -> None:
    every = {split.key(i) for i in items}
    for partition in split.partitions:
        count = Counter(key for fold in partition for key in fold)
        twice = sorted(k for k, n in count.items() if n > 1)
        if twice:
            raise LeakageError(f"The split holds {twice[0]} out in two folds of one partition.")
        unknown = sorted(count.keys() - every)
        if unknown:
            raise DataError(f"The split names {unknown[0]}, which is not among the pictures ({len(unknown)} such).")
        missing = sorted(every - count.keys())
        if missing and split.protocol != "holdout":
            raise DataError(f"The split does not name {missing[0]}, which is among the pictures ({len(missing)} such).")


def _folds(items: Sequence[Item], keys: Split, k: int, seed: int) -> list[tuple[str, ...]]:
    """Return the held-out keys of each of k folds, sorted."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    names = np.array([keys.key(i) for i in items])
    labels = np.array([i.label for i in items])
    units = "pictures" if keys.protocol == "image" else "patients"
    count = Counter(label for label, _ in {(i.label, keys.key(i)) for i in items})
    if min(count.values()) < 2 or max(count.values()) < k:
        raise DataError(f"Every class needs at least 2 {units}, and one of them {k}, to be split into {k} folds.")
    groups = None if keys.protocol == "image" else names
    if keys.protocol == "holdout":
        # Balancing pictures instead of patients could fill the only fold with one patient of many pictures.
        ids, first = np.unique(names, return_index=True)
        names, labels, groups = ids, labels[first], None
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    with warnings.catch_warnings():
        # A class with fewer patients than folds is missing in some of them; the metrics allow for that.
        warnings.simplefilter("ignore", UserWarning)
        result = list(kind(k, shuffle=True, random_state=seed).split(labels, labels, groups))
    return [tuple(sorted(set(names[held].tolist()))) for _, held in result]
