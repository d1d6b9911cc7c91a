"""What a folder of pictures is: classes, patients, the split that it comes with, and what is left out and why.

Everything is decided by names and tables, before pictures are decoded; `read` either explains a folder or refuses.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from dala.data import copies, folder_levels, given_splits, groups, label_tables, tables
from dala.data.given_splits import DSFOLD, Given, Row
from dala.data.items import DataError
from dala.data.layouts import FORMATS, Labels
from dala.data.listing import listing
from dala.data.tables import Names

__all__ = ["Found", "read"]


@dataclass(frozen=True)
class Found:
    """What was found in a folder.

    Attributes:
        labels: of each picture.
        grouped: whether the layout or a table names the patients.
        given: splits that come with the pictures.
        skipped: files with a picture's suffix that are not used, each with a sentence that says why.
        notes: sentences on how folders and tables were understood, and what else lies there.
    """

    labels: dict[Path, Labels]
    grouped: bool
    given: tuple[Given, ...]
    skipped: dict[Path, str]
    notes: list[str]


def read(root: Path, format: str) -> Found:
    """Find out what a folder is.

    Args:
        root: any folder above the pictures.
        format: a name in `FORMATS`.

    Raises:
        DataError: no such folder, no pictures, another layout, or folders that cannot be explained.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; name the one that contains the pictures.")
    listed = listing(root)
    if not listed.files:
        masks = f"; {len(listed.left_out)} are masks or drawings by their names" if listed.left_out else ""
        raise DataError(
            f"{root}: no pictures in or below this folder{masks}; name the one that contains them. "
            + " ".join(listed.notes)
        )
    relative = {p: PurePath(p.relative_to(root)) for p in listed.files}
    levels, notes = folder_levels.split_levels(list(relative.values()))
    inner = {p: folder_levels.without(path, levels) for p, path in relative.items()}
    by_format = _folder if format == "folder" else _named
    found = by_format(root, format, inner, [*listed.notes, *notes])
    sides = {p: _membership(relative[p], levels) for p in found.labels}
    repeated = copies.find(root, found.labels, FORMATS[format].named)
    labels = {p: label for p, label in found.labels.items() if p not in repeated}
    rows = [(repeated.get(p, p), *side) for p, side in sides.items()]
    given, more = _given(root, labels, rows, found.given)
    left_out = listed.left_out | found.skipped | dict.fromkeys(repeated, copies.SENTENCE)
    return Found(labels, found.grouped, given, dict(sorted(left_out.items())), [*found.notes, *more])


def _membership(path: PurePath, levels: Mapping[str, int]) -> tuple[str | None, str | None]:
    """Fold and side of a picture by its folders."""
    folders = path.parts[:-1]
    names = {what: folders[d] for what, d in levels.items() if d < len(folders)}
    return names.get("fold"), folder_levels.side(names["side"]) if "side" in names else None


def _named(root: Path, format: str, files: Mapping[Path, PurePath], notes: list[str]) -> Found:
    """Labels by a layout that has a name."""
    layout = FORMATS[format]
    matches = {p: layout.parse(path) for p, path in files.items()}
    labels = {p: match for p, match in matches.items() if match}
    if not labels:
        other, count = _other_format(files.values())
        raise DataError(
            f"{root}: none of {len(files)} pictures follows the layout of {format}, such as {layout.example}"
            + (f"; {count} follow that of {other}, such as {FORMATS[other].example}." if other else "."),
            f"--format {other}" if other else "--format folder where sub-folders or a table name the classes",
        )
    if layout.grouped and (root / groups.NAME).exists():
        notes = [*notes, f"{groups.NAME} is not used: the layout of {format} names the patients."]
    sentence = f"Its path does not follow the layout of {format}."
    return Found(labels, layout.grouped, (), {p: sentence for p, match in matches.items() if not match}, notes)


def _other_format(paths: Collection[PurePath]) -> tuple[str, int]:
    """The layout that most paths follow, and how many do; "" if none does."""
    counts = {name: sum(bool(f.parse(p)) for p in paths) for name, f in FORMATS.items()}
    best = max(counts, key=lambda n: (counts[n], n != "folder"))
    return (best if counts[best] else ""), counts[best]


def _folder(root: Path, format: str, files: Mapping[Path, PurePath], notes: list[str]) -> Found:
    """Labels by the names of folders, or else by tables beside the pictures."""
    deep = {p: path for p, path in files.items() if len(path.parts) > 1}
    tabular = label_tables.candidates(root)
    usable = [t for t in tabular if label_tables.has_labels(t)]
    if usable and not folder_levels.are_sure(list(deep.values())):
        labelled = label_tables.read(root, list(files))
        if labelled and len({label.kind for label in labelled.labels.values()}) > 1:
            return _from_tables(labelled, files, notes)
    if not deep:
        raise DataError(
            f"{root}: its {len(files)} pictures lie in no class folders, and no table names their classes: sort them "
            "into a folder for each class, or write labels.csv with the columns picture,label and, if known, patient."
        )
    levels = folder_levels.find(root, list(deep.values()), (root / groups.NAME).exists())
    raw = {p: path.parts[levels.kind] for p, path in deep.items() if len(path.parts) > levels.kind + 1}
    _check_spaces(root, {*raw.values()})
    labels = {}
    for p, kind in raw.items():
        above = [deep[p].parts[d] for d in levels.patients]
        labels[p] = Labels(kind.strip(), above[0] if above else None, "/".join(above) or None)
    if usable:
        notes = [*notes, f"{', '.join(t.file.name for t in usable)}: not used, since folders name the classes."]
    if len({label.kind for label in labels.values()}) < 2 and not usable and (loose := label_tables.others(root)):
        raise DataError(
            f"{root}: its folders name one class, and the first line of {', '.join(loose)} does not name columns of "
            "pictures and labels: write picture,label there, or sort the pictures into a folder for each class."
        )
    skipped = {p: "It lies in no class folder." for p in files if p not in labels}
    return Found(labels, bool(levels.patients), (), skipped, [*notes, *levels.notes])


def _from_tables(labelled: label_tables.Labelled, files: Mapping[Path, PurePath], notes: list[str]) -> Found:
    names = ", ".join(t.name for t in labelled.tables)
    given = _tried(names, labelled.split, notes := [*notes, f"Classes are read from {names}.", *labelled.notes])
    labels = labelled.labels
    if not labelled.grouped:
        labels = {p: replace(label, patient=None, slide=None) for p, label in labels.items()}
    skipped = {p: label_tables.UNNAMED for p in files if p not in labels}
    return Found(dict(sorted(labels.items())), labelled.grouped, given, skipped, notes)


def _given(
    root: Path, labels: Mapping[Path, Labels], rows: list[Row], known: tuple[Given, ...]
) -> tuple[tuple[Given, ...], list[str]]:
    """Splits that come with the pictures, by folders first, then by tables; and notes on those that cannot be used."""
    notes: list[str] = []
    folders = sorted({name for _, *values in rows for name in values if name})
    given = [*_tried(f"the folders {', '.join(folders)}", rows, notes), *known]
    names = Names(root, list(labels))
    for table in label_tables.candidates(root):
        if given_splits.from_table(table, names) is not None:
            whole = given_splits.from_table(tables.read(table.file), names) or []
            given += _tried(table.file.name, whole, notes)
    texts = sorted(p for pattern in ("*", "*/*") for p in root.glob(pattern) if DSFOLD.fullmatch(p.name))
    lines = [row for file in texts for row in given_splits.dsfold(file, names)]
    given += _tried(f"{texts[0].name} to {texts[-1].name}" if texts else "", lines, notes)
    # Folders and a table often say the same.
    return tuple(g for k, g in enumerate(given) if g.partitions not in [o.partitions for o in given[:k]]), notes


def _tried(origin: str, rows: Sequence[Row], notes: list[str]) -> tuple[Given, ...]:
    """The split of some rows, if there is one; a note if it contradicts itself."""
    try:
        given = given_splits.from_rows(origin, rows)
    except DataError as error:
        notes.append(f"{error} It is not offered.")
        return ()
    return (given,) if given else ()


def _check_spaces(root: Path, names: set[str]) -> None:
    """Refuse folders of classes whose names differ by spaces alone."""
    first: dict[str, str] = {}
    for name in sorted(names):
        other = first.setdefault(name.strip(), name)
        if other != name:
            raise DataError(f"{root}: the class folders {other!r} and {name!r} differ by spaces alone: rename one.")
