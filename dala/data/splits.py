"""Who is trained on and who is scored: partitions into folds, by patient or by picture, kept in a JSON file."""

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
        protocol: "patient" (every patient is held out once a partition), "holdout" (some patients are, once), or
            "image" (pictures are dealt out singly, so that a patient stands on both sides: the figures flatter).
        partitions: [partition][fold] -> the held-out patients, or for "image" the held-out pictures, sorted.
    """

    protocol: str
    partitions: tuple[tuple[tuple[str, ...], ...], ...]

    def sides(self, items: Sequence[Item], partition: int, fold: int) -> tuple[list[Item], list[Item]]:
        """The pictures to train on and those to score, in the order of `items`.

        Raises:
            LeakageError: a patient on both sides, unless the protocol is "image".
        """
        out = set(self.partitions[partition][fold])
        sides = [i for i in items if self.key(i) not in out], [i for i in items if self.key(i) in out]
        shared = {i.patient for i in sides[0]} & {i.patient for i in sides[1]}
        if shared and self.protocol != "image":
            raise LeakageError(f"Patients on more than one side of the split: {', '.join(sorted(shared))}.")
        return sides

    def key(self, item: Item) -> str:
        """What is dealt out: the patient's id, or the picture's name."""
        return item.path.name if self.protocol == "image" else item.patient

    def to_json(self) -> str:
        """The text of its file; the inverse of `read`."""
        return json.dumps({"protocol": self.protocol, "partitions": self.partitions}, indent=1) + "\n"


def make(
    items: Sequence[Item],
    protocol: str = "patient",
    k: int = 5,
    partitions: int = 1,
    share: float = 0.25,
    seed: int = 0,
) -> Split:
    """Deal the pictures out, partition after partition with the seeds `seed`, `seed` + 1, ...

    Folds are scikit-learn's: `StratifiedGroupKFold` for "patient", so that every fold has its share of each class's
    pictures; `StratifiedKFold` over patients for "holdout", over pictures for "image".

    Args:
        items: all labelled pictures.
        protocol: see `Split`.
        k: number of folds; of "holdout" only one is kept, of about `share` of the patients.
        partitions: how often it is repeated.
        share: of the patients, held out by "holdout".
        seed: of the first partition.

    Raises:
        DataError: a class with a single patient (or picture), or names of pictures that repeat.
    """
    kept = max(2, round(1 / share)) if protocol == "holdout" else k
    keys = Split(protocol, ())
    if protocol == "image" and len({keys.key(i) for i in items}) < len(items):
        raise DataError("A split by picture needs file names that differ.")
    dealt = [_deal(items, keys, kept, seed + p) for p in range(partitions)]
    split = Split(protocol, tuple(tuple(d[:1] if protocol == "holdout" else d) for d in dealt))
    _check(split, items)
    return split


def folds(items: Sequence[Item], k: int = 5, seed: int = 0) -> list[list[Item]]:
    """The held-out pictures of each of k patient-wise folds; see `make`."""
    split = make(items, "patient", k, seed=seed)
    return [split.sides(items, 0, f)[1] for f in range(k)]


def read(file: Path, items: Sequence[Item]) -> Split:
    """A split from its file, checked against the pictures that are there.

    Raises:
        DataError: not such a file, or one of other patients or pictures.
        LeakageError: a patient in two folds of a partition.
    """
    try:
        value = read_json(file)
        split = Split(value["protocol"], tuple(tuple(tuple(f) for f in p) for p in value["partitions"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: not a split as training writes it.") from error
    if not all(isinstance(key, str) for partition in split.partitions for fold in partition for key in fold):
        raise DataError(f"{file}: not a split as training writes it: patients and pictures are texts.")
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


def _deal(items: Sequence[Item], keys: Split, k: int, seed: int) -> list[tuple[str, ...]]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    names = np.array([keys.key(i) for i in items])
    labels = np.array([i.label for i in items])
    what = "pictures" if keys.protocol == "image" else "patients"
    count = Counter(label for label, _ in {(i.label, keys.key(i)) for i in items})
    if min(count.values()) < 2 or max(count.values()) < k:
        raise DataError(f"Every class needs at least 2 {what}, and one of them {k}, to be split into {k} folds.")
    groups = None if keys.protocol == "image" else names
    if keys.protocol == "holdout":
        # Balancing pictures would leave a single patient of many pictures in the only fold.
        ids, first = np.unique(names, return_index=True)
        names, labels, groups = ids, labels[first], None
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    with warnings.catch_warnings():
        # A class with fewer patients than folds is missing in some of them, which the figures bear.
        warnings.simplefilter("ignore", UserWarning)
        dealt = list(kind(k, shuffle=True, random_state=seed).split(labels, labels, groups))
    return [tuple(sorted(set(names[held].tolist()))) for _, held in dealt]
