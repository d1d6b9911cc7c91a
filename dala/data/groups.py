"""`groups.csv`: the patient of each picture, for data sets whose folders do not name it."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from dala.data import tables
from dala.data.items import DataError, Item

__all__ = ["NAME", "assign"]

NAME = "groups.csv"


def assign(root: Path, items: Sequence[Item], left_out: Collection[Path] = ()) -> list[Item]:
    """Assign patients and slides from `groups.csv` in the root.

    Its columns are picture, patient and optionally slide (default: the patient). A picture is named by its path
    relative to the root, or by its file name if that is unique. Commas, semicolons or tabs separate the columns; other
    usual names of columns, such as "Image" and "Patient ID", are understood. Rows of files that are left out have no
    effect.

    Raises:
        DataError: no valid table, a picture without row or patient or with two rows, or a row without picture.
    """
    file = root / NAME
    by_name = {i.path.relative_to(root).as_posix(): i for i in items}
    times = Counter(i.path.name for i in items)
    by_name |= {i.path.name: i for i in items if times[i.path.name] == 1}
    unused = {name for p in left_out for name in (p.name, p.relative_to(root).as_posix())}
    groups: dict[Path, tuple[str, str]] = {}
    for line, picture, patient, slide in _rows(file):
        if times[picture] > 1 and picture not in by_name:
            raise DataError(f"{file}, line {line}: {times[picture]} pictures are named {picture}; give its path.")
        if picture not in by_name:
            if picture in unused:
                continue
            raise DataError(f"{file}, line {line}: there is no picture {picture!r} in the data set.")
        path = by_name[picture].path
        if not patient:
            raise DataError(f"{file}, line {line}: {picture} has no patient; fill in the column.")
        if path in groups:
            raise DataError(f"{file}, line {line}: {picture} has a second row; keep one row for each picture.")
        groups[path] = patient, slide or patient
    missing = [i.path.relative_to(root).as_posix() for i in items if i.path not in groups]
    if missing:
        raise DataError(f"{file}: {len(missing)} pictures have no row, the first of them {missing[0]}; add them.")
    return [replace(i, patient=groups[i.path][0], slide=groups[i.path][1]) for i in items]


def _rows(file: Path) -> list[tuple[int, str, str, str]]:
    """Line, picture, patient and slide of every row."""
    table = tables.read(file)
    picture, patient, slide = (table.find(n) for n in (tables.PICTURE, tables.PATIENT, tables.SLIDE))
    if not picture or not patient:
        found = ", ".join(name for name in table.columns if name) or "nothing"
        raise DataError(f"{file}: the first line must name the columns picture,patient[,slide]; it names {found}.")
    return [
        (line, _posix(row[picture]), row[patient], row[slide] if slide else "") for line, row in table.rows
    ]  # fmt: skip


def _posix(path: str) -> str:
    return path.replace("\\", "/").removeprefix("./")
