"""Cross-validation splits: partitions into folds, by patient or by picture, stored in a JSON file."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from dala.data.items import DataError, Item, LeakageError
from dala.files import read_json

__all__ = ["PROTOCOLS", "Repetition", "Split", "folds", "make", "read", "together"]

PROTOCOLS = ("patient", "holdout", "image")
# Number of random partitions of which the best balanced is taken. The best of all would be nearly the same for every
# seed: with few patients of very unequal numbers of pictures, few partitions balance best, and fewer single folds.
CANDIDATES = {"patient": 300, "holdout": 5, "image": 5}


@dataclass(frozen=True)
class Split:
    """Repeated partitions of labelled pictures into folds.

    Attributes:
        protocol: "patient" (each partition holds every patient out once), "holdout" (one fold of some patients), or
            "image" (pictures are split regardless of patient, so that patients leak and metrics are too high).
        partitions: [partition][fold] -> held-out patients, or held-out pictures for "image", sorted.
        given: where a split that came with the pictures was read; None for one that was made.
    """

    protocol: str
    partitions: tuple[tuple[tuple[str, ...], ...], ...]
    given: str | None = None

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
        given = {"given": self.given} if self.given else {}
        return json.dumps({"protocol": self.protocol, **given, "partitions": self.partitions}, indent=1) + "\n"


@dataclass(frozen=True)
class Repetition:
    """How far the partitions of a split repeat each other.

    Attributes:
        together: of the pairs of patients (pictures for "image") that one partition holds out together, the share that
            another does as well, in [0, 1]; over all pairs of partitions.
        chance: the share of all pairs that a partition holds out together: `together` of unrelated partitions.
        identical: number of pairs of partitions that are the same.
    """

    together: float
    chance: float
    identical: int


def make(
    items: Sequence[Item],
    protocol: str = "patient",
    k: int = 5,
    partitions: int = 1,
    share: float = 0.25,
    seed: int = 0,
) -> Split:
    """Split pictures; partition number p uses the seed `seed` + p.

    A partition is the best balanced of `CANDIDATES` random ones. Each of these gives every fold about as many patients
    of each class; in the best, the shares of each class's pictures are closest to equal. No two partitions are the
    same. They depend on the counts of pictures and on the seed alone, not on the order of `items`.

    Args:
        items: the labelled pictures to be scored. Those that are only trained on have no part in a split.
        protocol: see `Split`.
        k: number of folds; "holdout" has one.
        partitions: number of repetitions.
        share: share of the patients of each class, and about that of its pictures, held out by "holdout".
        seed: seed of the first partition.

    Raises:
        DataError: too few patients (or pictures) of a class, too few for so many different partitions, or file names
            that are not unique.
    """
    keys = Split(protocol, ())
    if protocol == "image" and len({keys.key(i) for i in items}) < len(items):
        raise DataError("A split by picture needs file names that differ; rename the pictures.")
    units, counts = _count(items, keys)
    _check_enough(counts, protocol, k)
    shares = np.array([share, 1 - share] if protocol == "holdout" else [1 / k] * k)
    kept = range(1 if protocol == "holdout" else k)
    made: list[tuple[tuple[str, ...], ...]] = []
    for p in range(partitions):
        candidates = _candidates(counts.argmax(1), protocol, shares, seed + p)
        candidates.sort(key=lambda fold: _imbalance(counts, fold, shares))
        named = (tuple(tuple(units[fold == f].tolist()) for f in kept) for fold in candidates)
        new = next((one for one in named if not any(set(one) == set(other) for other in made)), None)
        if new is None:
            raise DataError(f"Too few {_units(protocol)} for {partitions} different partitions: at most {len(made)}.")
        made.append(new)
    split = Split(protocol, tuple(made))
    _check(split, items)
    return split


def folds(items: Sequence[Item], k: int = 5, seed: int = 0) -> list[list[Item]]:
    """Return the held-out pictures of each of k patient-wise folds; see `make`."""
    split = make(items, "patient", k, seed=seed)
    return [split.sides(items, 0, f)[1] for f in range(k)]


def together(split: Split, items: Sequence[Item]) -> Repetition:
    """Measure how far the partitions of a split of `items` repeat each other.

    Raises:
        DataError: fewer than two partitions.
    """
    if len(split.partitions) < 2:
        raise DataError("Whether partitions repeat each other needs at least two.")
    sets = [[set(fold) for fold in partition] for partition in split.partitions]
    held = [_pairs(partition) for partition in sets]
    both = [_pairs([f & g for f in one for g in other]) for one, other in combinations(sets, 2)]
    either = [(m + n) / 2 for m, n in combinations(held, 2)]
    every = math.comb(len({split.key(i) for i in items}), 2)
    return Repetition(
        together=sum(both) / max(sum(either), 1),
        chance=sum(held) / len(held) / max(every, 1),
        identical=sum({*map(frozenset, one)} == {*map(frozenset, other)} for one, other in combinations(sets, 2)),
    )


def read(file: Path, items: Sequence[Item]) -> Split:
    """Read a split file and check it against the pictures.

    Raises:
        DataError: not a split file, or one of other patients or pictures.
        LeakageError: a patient in two folds of a partition.
    """
    try:
        value = read_json(file)
        partitions = tuple(tuple(tuple(f) for f in p) for p in value["partitions"])
        split = Split(value["protocol"], partitions, value.get("given"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
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
        # A given split by picture may have one side, as a holdout has.
        if missing and split.protocol != "holdout" and (split.given is None or len(partition) > 1):
            raise DataError(f"The split does not name {missing[0]}, which is among the pictures ({len(missing)} such).")


def _units(protocol: str) -> str:
    return "pictures" if protocol == "image" else "patients"


def _pairs(groups: Sequence[set[str]]) -> int:
    """Count the pairs within groups."""
    return sum(math.comb(len(group), 2) for group in groups)


def _count(items: Sequence[Item], keys: Split) -> tuple[np.ndarray, np.ndarray]:
    """Return the units of a split, sorted, (n,), and their numbers of pictures of each class that occurs, (n, C)."""
    units, unit = np.unique([keys.key(i) for i in items], return_inverse=True)
    labels, label = np.unique([i.label for i in items], return_inverse=True)
    counts = np.zeros((len(units), len(labels)), int)
    np.add.at(counts, (unit, label), 1)
    return units, counts


def _check_enough(counts: np.ndarray, protocol: str, k: int) -> None:
    units, each = _units(protocol), (counts > 0).sum(0)
    if protocol == "holdout" and each.min() < 2:
        raise DataError(f"Every class needs at least 2 {units}, one of them to be held out.")
    # A class with fewer patients than folds is missing in some of them; the metrics allow for that.
    if protocol != "holdout" and (each.min() < 2 or each.max() < k):
        raise DataError(f"Every class needs at least 2 {units}, and one of them {k}, to be split into {k} folds.")


def _candidates(stratum: np.ndarray, protocol: str, shares: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return random partitions, each as the fold of each unit, (n,)."""
    # The one generator whose numbers NumPy keeps the same in every version.
    rng = np.random.RandomState(seed % 2**32)
    draws = [rng.random_sample(len(stratum)) for _ in range(CANDIDATES[protocol])]
    if protocol == "holdout":
        return [_hold_out(stratum, shares[0], draw) for draw in draws]
    return [_deal(stratum, len(shares), draw) for draw in draws]


def _deal(stratum: np.ndarray, k: int, draw: np.ndarray) -> np.ndarray:
    """Deal the units of each stratum, in random order, to the folds in turn, as cards."""
    fold = np.empty(len(stratum), int)
    fold[np.lexsort((draw, stratum))] = np.arange(len(stratum)) % k
    return fold


def _hold_out(stratum: np.ndarray, share: float, draw: np.ndarray) -> np.ndarray:
    """Put a share of the units of each stratum, at least one and not all, into fold 0, the others into fold 1."""
    fold = np.ones(len(stratum), int)
    for members in (np.flatnonzero(stratum == s) for s in np.unique(stratum)):
        held = min(max(1, round(share * len(members))), len(members) - 1)
        fold[members[np.argsort(draw[members])[:held]]] = 0
    return fold


def _imbalance(counts: np.ndarray, fold: np.ndarray, shares: np.ndarray) -> tuple[int, float]:
    """Count classes missing in folds; then sum squared differences to the folds' shares of each class's pictures."""
    table = np.stack([counts[fold == f].sum(0) for f in range(len(shares))])
    return int((table == 0).sum()), float(((table / counts.sum(0) - shares[:, None]) ** 2).sum())
