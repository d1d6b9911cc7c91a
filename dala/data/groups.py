"""`groups.csv`: the patient of each picture, for data sets whose folders do not name it."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dala.data.items import DataError, Item

__all__ = ["NAME", "assign"]

NAME = "groups.csv"


def assign(root: Path, items: Sequence[Item]) -> list[Item]:
    """Assign patients and slides from `groups.csv` in the root.

    Its columns are picture, patient and optionally slide (default: the patient). A picture is named by its path
    relative to the root, with `/`, or by its file name if that is unique.

    Raises:
        DataError: no valid table, a picture without row or patient or with two rows, or a row without picture.
    """
    file = root / NAME
    by_name = {i.path.relative_to(root).as_posix(): i for i in items}
    times = Counter(i.path.name for i in items)
    by_name |= {i.path.name: i for i in items if times[i.path.name] == 1}
    groups: dict[Path, tuple[str, str]] = {}
    for line, row in _rows(file):
        picture, patient = row["picture"], row["patient"]
        if times[picture] > 1 and picture not in by_name:
            raise DataError(f"{file}, line {line}: {times[picture]} pictures are named {picture}; give its path.")
        if picture not in by_name:
            raise DataError(f"{file}, line {line}: there is no picture {picture!r} in the data set.")
        path = by_name[picture].path
        if not patient:
            raise DataError(f"{file}, line {line}: {picture} has no patient; fill in the column.")
        if path in groups:
            raise DataError(f"{file}, line {line}: {picture} has a second row; keep one row for each picture.")
        groups[path] = patient, row.get("slide") or patient
    missing = [i.path.relative_to(root).as_posix() for i in items if i.path not in groups]
    if missing:
        raise DataError(f"{file}: {len(missing)} pictures have no row, the first of them {missing[0]}; add them.")
    return [replace(i, patient=groups[i.path][0], slide=groups[i.path][1]) for i in items]


def _rows(file: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            table = csv.DictReader(stream)
            if not {"picture", "patient"} <= set(table.fieldnames or ()):
                raise DataError(f"{file}: the first line must name the columns picture,patient[,slide].")
            return [(table.line_num, {k: (v or "").strip() for k, v in row.items() if k}) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read: save it as a CSV file in UTF-8.") from error
