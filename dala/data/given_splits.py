"""Splits that come with pictures: sides or folds named by folders, or listed in a table.

A table names a picture or a patient in each row, and its fold, its side (train, val, test), or both: then each fold is
a partition of its own, as in BreakHis' `Folds.csv` and `dsfold1.txt`.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dala.data import tables
from dala.data.folder_levels import FOLD, side
from dala.data.items import DataError, Item, LeakageError
from dala.data.splits import Split
from dala.data.tables import Names, Table

__all__ = ["BY_IMAGE", "GIVEN", "Given", "Row", "from_file", "from_rows", "from_table", "split"]

GIVEN, BY_IMAGE = "given", "given-by-image"
DSFOLD = re.compile(r"(?:ds)?fold_?(\d+)\.txt", re.IGNORECASE)
# A picture, or (in tables of patients) every picture of a patient: its fold and its side, None where not stated.
Row = tuple[Path, str | None, str | None]


@dataclass(frozen=True)
class Given:
    """A split that comes with the pictures.

    Attributes:
        origin: where it was read, such as "the folders test, train".
        partitions: each picture -> its fold, or train, val or test.
        sides: whether the values are train, val and test rather than folds.
    """

    origin: str
    partitions: tuple[Mapping[Path, str], ...]
    sides: bool

    def __str__(self) -> str:
        counts = [Counter(p.values()) for p in self.partitions]
        first = ", ".join(f"{name} {n}" for name, n in sorted(counts[0].items(), key=lambda row: _order(row[0])))
        several = f", in the first of {len(counts)} partitions" if len(counts) > 1 else ""
        return f"{self.origin} ({first} pictures{several})"


def from_rows(origin: str, rows: Iterable[Row]) -> Given | None:
    """Return the split of some rows; None if all are on one side.

    Raises:
        LeakageError: a picture on two sides of a partition, or in two folds.
    """
    rows = list(rows)
    both = any(fold and part for _, fold, part in rows)
    partitions: dict[str, dict[Path, str]] = defaultdict(dict)
    for picture, fold, part in rows:
        value, partition = (part, fold or "") if part else (fold, "")
        if value is None or (both and not (fold and part)):
            continue
        before = partitions[partition].setdefault(picture, value)
        if before != value:
            where = f" of {partition}" if partition else ""
            raise LeakageError(f"The split of {origin} puts {picture.name} into {before} and into {value}{where}.")
    ordered = [partitions[name] for name in sorted(partitions, key=_order)]
    if not ordered or any(len({*p.values()}) < 2 for p in ordered):
        return None
    return Given(origin, tuple(ordered), any(part for _, _, part in rows))


def from_file(file: Path, root: Path, items: Sequence[Item]) -> Given:
    """Read a table of folds or sides, or a folder of `dsfold1.txt` to `dsfold5.txt`.

    Args:
        file: the table, or the folder.
        root: of the data set.
        items: its pictures.

    Raises:
        DataError: no such table, or none of its rows names a picture or a patient of the data set.
        LeakageError: a picture, or a patient, on two sides.
    """
    files = sorted(p for p in file.iterdir() if DSFOLD.fullmatch(p.name)) if file.is_dir() else [file]
    if not files:
        raise DataError(f"{file}: a folder without dsfold1.txt: name a table, or the folder of BreakHis' dsfold files.")
    named, rows = Names(root, [i.path for i in items]), []
    for one in files:
        rows += _rows(one, named, items)
    if not rows:
        raise DataError(f"{file}: none of its rows names a picture or a patient of the data set.")
    given = from_rows(file.name, rows)
    if given is None:
        raise DataError(f"{file}: all pictures of the data set are on one side of its split.")
    return given


def from_table(table: Table, names: Names) -> list[Row] | None:
    """Return the rows of a table of pictures; None if it has no fold and no side."""
    picture = table.find(tables.PICTURE)
    fold, part = _columns(table)
    if not picture or not (fold or part):
        return None
    rows: list[Row] = []
    for line, row in table.rows:
        found = names.find(row[picture], table.file.parent)
        if len(found) > 1:
            raise DataError(tables.ambiguous(table.file, line, row[picture], len(found)))
        rows += [(p, *_values(row, fold, part)) for p in found]
    return rows


def split(given: Given, items: Sequence[Item], by_image: bool = False) -> Split:
    """Return a given split as one that networks are trained and scored on.

    With sides, test is held out, or val if there is no test; everything else is trained on, since nothing is chosen on
    val. With folds each is held out once.

    Args:
        given: the split.
        items: the pictures that are scored.
        by_image: whether patients may be on both sides; the split is then one by image.

    Raises:
        DataError: pictures without a side, or nothing held out.
        LeakageError: patients on both sides, unless `by_image`.
    """
    partitions = []
    for mapping in given.partitions:
        lacking = [i.path for i in items if i.path not in mapping]
        if lacking:
            raise DataError(
                f"The split of {given.origin} does not name {len(lacking)} of {len(items)} pictures, the first of them "
                f"{lacking[0].name}: add them, or use another split.", "--split patient without --split-file",
            )  # fmt: skip
        values = {mapping[i.path] for i in items}
        held = ["test" if "test" in values else "val"] if given.sides else sorted(values, key=_order)
        if len(values) < 2 or not values & {*held}:
            raise DataError(f"The split of {given.origin} holds out none of the pictures: all are {', '.join(values)}.")
        partitions.append([{i.path for i in items if mapping[i.path] == name} for name in held])
    crossing = [_crossing(items, held) for partition in partitions for held in partition]
    patients = sorted(set().union(*crossing))
    if patients and not by_image:
        raise LeakageError(
            _leak(given, items, partitions, patients), f"--split patient without --split-file, or --split {BY_IMAGE}"
        )
    protocol = "image" if patients else "holdout" if given.sides else "patient"
    key = Split(protocol, ()).key
    if protocol == "image" and len({key(i) for i in items}) < len(items):
        raise DataError("A split by picture needs file names that differ; rename the pictures.")
    folds = tuple(
        tuple(tuple(sorted({key(i) for i in items if i.path in held})) for held in partition)
        for partition in partitions
    )
    return Split(protocol, folds, given.origin)


def _leak(given: Given, items: Sequence[Item], partitions: list[list[set[Path]]], patients: list[str]) -> str:
    held = [i for i in items if any(i.path in side for partition in partitions for side in partition)]
    affected = sum(i.patient in patients for i in held)
    first = ", ".join(patients[:4]) + (", …" if len(patients) > 4 else "")
    return (
        f"The split of {given.origin} puts {len(patients)} of {len({i.patient for i in items})} patients on both sides "
        f"({first}), with {affected} of {len(held)} held-out pictures: scores would be too high. Split by patient, or "
        "accept it as a split by image."
    )


def _crossing(items: Sequence[Item], held: set[Path]) -> set[str]:
    """Patients with pictures among those held out and among the others."""
    return {i.patient for i in items if i.path in held} & {i.patient for i in items if i.path not in held}


def _rows(file: Path, names: Names, items: Sequence[Item]) -> list[Row]:
    """Rows of a table of pictures or patients, or of a `dsfold` file."""
    if DSFOLD.fullmatch(file.name):
        return dsfold(file, names)
    table = tables.read(file)
    if not any(_columns(table)):
        raise DataError(
            f"{file}: no column of folds or sides: name the columns picture (or patient) and fold (or split, with "
            f"train, val, test); it has {', '.join(c for c in table.columns if c) or 'none'}."
        )
    rows = from_table(table, names)
    if rows is not None:
        return rows
    patient, (fold, part) = table.find(tables.PATIENT), _columns(table)
    if not patient:
        raise DataError(f"{file}: no column of pictures or patients: name the columns picture or patient, and fold.")
    of: dict[str, list[Path]] = defaultdict(list)
    for item in items:
        of[item.patient].append(item.path)
    return [(p, *_values(row, fold, part)) for _, row in table.rows for p in of[row[patient]]]


def dsfold(file: Path, names: Names) -> list[Row]:
    """Read a file of BreakHis' authors: `SOB_B_A-14-22549AB-100-001.png|100|1|train` a line, a fold a file."""
    match = DSFOLD.fullmatch(file.name)
    rows: list[Row] = []
    for line, row in tables.read(file, header=False).rows:
        part = side(row.get(str(len(row) - 1), ""))
        if not match or len(row) < 2 or not part:
            raise DataError(f"{file}, line {line}: not a line such as SOB_B_A-14-22549AB-100-001.png|100|1|train.")
        rows += [(p, match[1], part) for p in names.find(row["0"])]
    return rows


def _columns(table: Table) -> tuple[str | None, str | None]:
    """The columns of folds and of sides, by their names and values."""
    fold, part = None, None
    for name in (c for c in table.columns if c in tables.FOLD or c in tables.SIDE):
        values = {v for v in table.values(name) if v}
        if values and all(map(side, values)):
            part = part or name
        elif values and all(re.fullmatch(r"\d+(\.0)?", v) or FOLD.fullmatch(v) for v in values) and name != "group":
            fold = fold or name
    return fold, part


def _values(row: Mapping[str, str], fold: str | None, part: str | None) -> tuple[str | None, str | None]:
    return (row[fold] or None if fold else None), (side(row[part]) if part else None)


def _order(name: str) -> tuple[int, str]:
    number = re.search(r"\d+", name)
    return (int(number[0]) if number else ("train", "val", "test", name).index(name)), name
