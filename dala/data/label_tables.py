"""Labels from tables beside pictures, where no folder names the classes: `train_labels.csv`, one-hot columns, …"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dala.data import tables
from dala.data.folder_levels import side
from dala.data.given_splits import Row
from dala.data.items import DataError
from dala.data.layouts import Labels
from dala.data.tables import Names, Table

__all__ = ["UNNAMED", "Labelled", "candidates", "has_labels", "others", "read"]

UNNAMED = "No row of the table of labels names it."
# Tables that name no labels of these pictures: what a contest wants to be handed in, and this project's own.
_NO_LABELS = re.compile(r"(?:sample_?submission|submission|predictions|groups|log).*", re.IGNORECASE)
SUFFIXES = (".csv", ".tsv", ".txt")
_ONE_HOT = ("0", "1", "0.0", "1.0")


@dataclass(frozen=True)
class Labelled:
    """Labels of pictures by tables.

    Attributes:
        tables: their files.
        labels: of each picture that a row names.
        grouped: whether they name the patients.
        split: rows of a split, by columns or by a table for each side; empty if there is none.
        notes: sentences on rows that are not used.
    """

    tables: list[Path]
    labels: dict[Path, Labels]
    grouped: bool
    split: list[Row]
    notes: list[str]


def candidates(root: Path) -> list[Table]:
    """Return the tables in the root and in its folders that have a column of pictures, with their first rows alone."""
    found: list[Table] = []
    for file in sorted(p for pattern in ("*", "*/*") for p in root.glob(pattern) if p.suffix.lower() in SUFFIXES):
        hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
        if hidden or not file.is_file() or _NO_LABELS.fullmatch(file.stem):
            continue
        try:
            table = tables.read(file, most_rows=50)
        except DataError:
            continue  # no text: nothing says that it should have been a table of labels
        if table.find(tables.PICTURE) and len(table.columns) > 1:
            found.append(table)
    return found


def others(root: Path) -> list[str]:
    """Names of the tables in the root, to be named where none of them has labels."""
    names = [p.name for p in sorted(root.glob("*")) if p.suffix.lower() in (".csv", ".tsv")]
    return [name for name in names if not _NO_LABELS.fullmatch(Path(name).stem)]


def read(root: Path, files: Sequence[Path]) -> Labelled | None:
    """Read the labels of pictures from the tables beside them; None if there are no tables of labels.

    Args:
        root: folder of the data set.
        files: its pictures.

    Raises:
        DataError: a picture with two labels, a name that several pictures bear, or a picture of several classes.
    """
    usable = [t for t in candidates(root) if has_labels(t)]
    if not usable:
        return None
    names, labels, split, notes = Names(root, files), dict[Path, Labels](), list[Row](), list[str]()
    read_all = [tables.read(t.file) for t in usable]
    for table in read_all:
        part = side(table.file.stem) or (side(table.file.parent.name) if table.file.parent != root else None)
        near = table.file.parent
        if near == root and part:  # train.csv beside the folder train
            near = next((p for p in sorted(root.iterdir()) if p.is_dir() and side(p.name) == part), root)
        rows = _labelled(table, names, near, notes)
        for path, label in rows.items():
            other = labels.setdefault(path, label)
            if other != label:
                raise DataError(
                    f"{table.file}: {path.name} is {label.kind}, and {other.kind} in another table: keep one of them."
                )
            split.append((path, None, part))
    if not labels:
        return None
    lacking = sum(not label.patient for label in labels.values())
    patients = not lacking
    if 0 < lacking < len(labels):
        notes.append(f"{lacking} of {len(labels)} rows name no patient, so the patients are not known.")
    if not all(part for _, _, part in split):
        split = []
    return Labelled([t.file for t in read_all], labels, patients, split, notes)


def has_labels(table: Table) -> bool:
    """Whether a table has a column of labels, or one of zeros and ones for each class."""
    return bool(_label(table) or _one_hot(table))


def _labelled(table: Table, names: Names, near: Path, notes: list[str]) -> dict[Path, Labels]:
    """Labels of the pictures that a table names."""
    picture, patient, slide = (table.find(n) for n in (tables.PICTURE, tables.PATIENT, tables.SLIDE))
    label, hot = _label(table), _one_hot(table)
    assert picture  # noqa: S101  a candidate has one  # nosec B101
    result: dict[Path, Labels] = {}
    unknown = 0
    for line, row in table.rows:
        found = names.find(row[picture], near)
        unknown += not found
        if len(found) > 1:
            raise DataError(tables.ambiguous(table.file, line, row[picture], len(found)))
        kinds = [k for k in ([row[label]] if label else [c for c in hot if float(row[c] or 0)]) if k]
        if found and len(kinds) != 1:
            raise DataError(f"{table.file}, line {line}: {row[picture]} has {len(kinds) or 'no'} classes; give it one.")
        for path in found:
            new = Labels(kinds[0], row[patient] or None if patient else None, row[slide] or None if slide else None)
            if result.setdefault(path, new) != new:
                raise DataError(
                    f"{table.file}, line {line}: {path.name} is labelled {new.kind}, and before {result[path].kind}: "
                    "a picture needs one class."
                )
    if unknown:
        notes.append(f"{table.file.name}: {unknown} of {len(table.rows)} rows name no picture that is here.")
    return result


def _label(table: Table) -> str | None:
    """The column of labels; not the one of the pictures, nor one that is only numbers with a fraction."""
    picture = table.find(tables.PICTURE)
    return table.find([name for name in tables.LABEL if name != picture])


def _one_hot(table: Table) -> list[str]:
    """Columns of zeros and ones, one for each class, if a table has no column of labels."""
    columns = [c for c in table.columns if c and c != table.find(tables.PICTURE)]
    if _label(table) or len(columns) < 2:
        return []
    return columns if all(v in _ONE_HOT for c in columns for v in table.values(c)) and table.rows else []
