"""Tables of pictures as people have them: CSV with any usual delimiter, byte-order mark and names of columns."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from dala.data.items import DataError

__all__ = ["FOLD", "LABEL", "PATIENT", "PICTURE", "SIDE", "SLIDE", "Names", "Table", "ambiguous", "columns_of", "read"]

# Names of columns, lower case with "_" for spaces and hyphens; the first one that a table has is taken.
PICTURE = (
    "picture", "image", "filename", "file_name", "file", "filepath", "file_path", "path", "image_path",
    "image_file_path", "image_file", "image_name", "image_id", "imageid", "img", "img_name", "img_path", "img_id",
    "isic_id", "name", "id",
)  # fmt: skip
LABEL = (
    "label", "class", "diagnosis", "dx", "category", "target", "class_name", "label_name", "labels", "pathology",
    "benign_malignant", "ground_truth", "y", "kind",
)  # fmt: skip
PATIENT = (
    "patient", "patient_id", "patientid", "patient_code", "pid", "subject", "subject_id", "subjectid", "case",
    "case_id", "person", "lesion_id",
)  # fmt: skip
SLIDE = ("slide", "slide_id", "slideid", "wsi", "wsi_id", "slide_name")
FOLD = ("fold", "folds", "fold_id", "kfold", "fold_number", "cv_fold")
SIDE = ("split", "grp", "set", "subset", "partition", "phase", "usage", "group", "dataset", "train_test")
DELIMITERS = ",;\t|"
MOST_BYTES = 500_000_000


@dataclass(frozen=True)
class Table:
    """A table with a header.

    Attributes:
        file: its file.
        columns: names of the columns as `columns_of` writes them.
        rows: (line, values by column).
    """

    file: Path
    columns: list[str]
    rows: list[tuple[int, dict[str, str]]]

    def find(self, names: Sequence[str]) -> str | None:
        """Return the first of some names that is a column."""
        return next((name for name in names if name in self.columns), None)

    def values(self, column: str) -> list[str]:
        """Return the values of a column."""
        return [row[column] for _, row in self.rows]


class Names:
    """Pictures by what a table calls them: a path, the end of a path, a file name, or a file name without suffix."""

    def __init__(self, root: Path, files: Sequence[Path]) -> None:
        self.root, self.files = root, files

    @cached_property
    def _by(self) -> dict[str, list[Path]]:
        index: dict[str, list[Path]] = {}
        for file in self.files:
            for key in {file.name, file.stem}:
                index.setdefault(key, []).append(file)
        return index

    def find(self, text: str, near: Path | None = None) -> list[Path]:
        """Return the pictures that a text may mean: one, none, or several that it does not tell apart.

        Args:
            text: with `/` or `\\`; the suffix may be missing, or that of another encoding.
            near: folder of the table, whose own pictures are preferred.
        """
        path = PurePosixPath(text.replace("\\", "/"))
        found = self._by.get(path.name) or self._by.get(path.stem, [])
        if len(found) < 2:
            return found
        if near and near != self.root:
            found = [f for f in found if f.is_relative_to(near)] or found
        # The longest end that agrees, as the table may have been written above or below the root.
        fit = [self._fit(path, file) for file in found]
        return [f for f, n in zip(found, fit, strict=True) if n == max(fit)]

    def _fit(self, path: PurePosixPath, file: Path) -> tuple[bool, int, bool]:
        inside = file.relative_to(self.root)
        common = _common_end(path.parent.parts, inside.parent.parts)
        return inside.parent.parts == path.parent.parts, common, file.name == path.name


def ambiguous(file: Path, line: int, text: str, times: int) -> str:
    """The sentence on a row whose picture is one of several."""
    return f"{file}, line {line}: {times} pictures are named {text}; give its path."


def columns_of(header: Sequence[str]) -> list[str]:
    """Write names of columns alike: "Patient ID" -> "patient_id"."""
    return [re.sub(r"[\s\-_]+", "_", name.strip().strip("\"'").strip()).lower() for name in header]


def read(file: Path, header: bool = True, most_rows: int | None = None) -> Table:
    """Read a table; commas, semicolons, tabs or vertical bars separate its columns.

    Args:
        file: UTF-8, with or without a byte-order mark, or UTF-16 with one.
        header: whether the first line names the columns; if not, they are "0", "1", ….
        most_rows: rows to read at most; default: all.

    Raises:
        DataError: a file that cannot be read as text.
    """
    records = _records(file, _text(file))
    columns = columns_of(next(records, (1, []))[1]) if header else []
    rows: list[tuple[int, dict[str, str]]] = []
    for line, record in records:
        if most_rows is not None and len(rows) >= most_rows:
            break
        if any(value.strip() for value in record):
            names = columns or [str(k) for k in range(len(record))]
            values = {name: value.strip() for name, value in zip(names, record, strict=False) if name}
            rows.append((line, dict.fromkeys(names, "") | values))
    return Table(file, columns, rows)


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise DataError(f"{file} has more than {MOST_BYTES // 1_000_000} MB: keep the columns that are needed.")
        content = file.read_bytes()
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        return content.decode(encoding)
    except (OSError, UnicodeError) as error:
        raise DataError(f"{file} cannot be read: save it as a CSV file in UTF-8.") from error


def _records(file: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, values)."""
    first, _, rest = text.partition("\n")
    skipped = int(bool(re.fullmatch(r'"?sep=."?', first.strip())))  # as Excel writes it
    if skipped:
        text, first = rest, rest.partition("\n")[0]
    try:
        fields = {d: len(next(csv.reader([first.rstrip("\r")], delimiter=d), [])) for d in DELIMITERS}
        table = csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=lambda d: fields[d]))
        for record in table:
            yield table.line_num + skipped, record
    except csv.Error as error:
        raise DataError(f"{file} cannot be read: save it as a CSV file in UTF-8.") from error


def _common_end(one: Sequence[str], other: Sequence[str]) -> int:
    """Number of last parts that two paths share."""
    n = 0
    while n < min(len(one), len(other)) and one[-1 - n] == other[-1 - n]:
        n += 1
    return n
