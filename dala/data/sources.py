"""Several labelled sets as one: the first is scored and gives class names and scale, the others are for training only.

Whatever would make a score wrong is refused before anything runs: a class that no map names, a set without scale,
two laboratories that share a patient, a picture in two sets.
"""

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dala.data import datasets, duplicates, hub_pictures, scales, source_files
from dala.data.datasets import Dataset
from dala.data.items import DataError, Item
from dala.data.scales import Reference
from dala.data.source_files import HUB, SUFFIX, Source

__all__ = ["TITLES", "name", "open_all", "read", "readable"]

# Titles of sets that no source file describes, by format.
TITLES = {
    "breakhis": "BreakHis",
    "bach": "BACH",
    "mini_ddsm": "Mini-DDSM",
    "idc": "IDC",
    "folder": "a folder of pictures",
}


def open_all(
    values: Sequence[str],
    root: Path,
    format: str,
    classes: str | Mapping[str, str | None],
    magnifications: Sequence[str],
) -> tuple[Source, ...]:
    """Return the sets that the command line names: source files, "hub:OWNER/NAME[@revision]", or folders.

    Args:
        values: one for each set.
        root: folder that the folders in source files are relative to.
        format, classes, magnifications: of the folders; see `datasets.read`.

    Raises:
        DataError: a file that is no source file, or two sets of one title.
    """
    sources: list[Source] = []
    for value in values:
        if value.endswith(SUFFIX):
            source = source_files.read(Path(value), root)
        elif value.startswith(HUB):
            name = value.removeprefix(HUB)
            source = Source(name, name, hub=name, classes=classes)
        else:
            source = _plain(Path(value), format, classes, magnifications, {s.title for s in sources})
        if source.title in {s.title for s in sources}:
            raise DataError(f"Two sets are titled {source.title!r}: give each set once, under a title of its own.")
        sources.append(source)
    return tuple(sources)


def _plain(
    folder: Path,
    format: str,
    classes: str | Mapping[str, str | None],
    magnifications: Sequence[str],
    taken: set[str],
) -> Source:
    """A folder that no source file describes: two of one public data set are one laboratory's, others are not."""
    public, n = TITLES[format], 1
    title = public
    while title in taken:
        n += 1
        title = f"{public} ({n})"
    zooms = tuple(magnifications) if format == "breakhis" else ()
    laboratory = title if format == "folder" else public
    return Source(title, laboratory, folder, format=format, classes=classes, magnifications=zooms)


def read(
    sources: Sequence[Source],
    *,
    class_names: Sequence[str] | None = None,
    reference: Reference | None = None,
    leave_out: Sequence[str] = (),
    training: bool = True,
) -> Dataset:
    """List the pictures of all sets, by path alone; `readable` also decodes them.

    Args:
        sources: the sets; the first one is scored.
        class_names: of weights that are scored; default: those of the first set.
        reference: scale of weights that are scored; default: that of the first set, whose pictures are then fitted to
            the training size.
        leave_out: laboratories whose sets are checked and not used, but for the first set, which stays to be scored.
        training: whether sets for evaluation only are refused.

    Raises:
        DataError: a set that cannot be used, or sets that cannot be used together; one sentence.
        HubError: a data set on the Hub that cannot be downloaded.
    """
    _check(sources, leave_out, training)
    first, parts, names = sources[0], [], class_names
    own = scales.of_first(first)
    if reference is None:
        for other in sources[1:] if training else ():
            scales.check(other, own)
    elif first.has_scale:
        scales.check(first, reference)
    opened = [replace(s, folder=hub_pictures.folder(s.hub)) if s.hub else s for s in sources]
    for k, source in enumerate(opened):
        part = _one(source, names, first=not k)
        if training and (k or source.described):
            _check_classes(source, part)
        names = part.class_names
        fitted = k == 0 and reference is None
        items = part.items if fitted else [scales.scaled(i, source, reference or own) for i in part.items]
        parts.append(replace(part, items=items))
    _check_patients(opened, parts)
    used = [(s, p) for s, p in zip(opened, parts, strict=True) if s is opened[0] or s.laboratory not in leave_out]
    items = [i for _, part in used for i in part.items]
    skipped = {path: why for _, part in used for path, why in part.skipped.items()}
    known = tuple(replace(s, patients="named" if part.grouped else "unknown") for s, part in used)
    notes = tuple(f"{s.title}: {note}" if len(used) > 1 else note for s, part in used for note in part.notes)
    return Dataset(items, parts[0].class_names, parts[0].grouped, skipped, known, parts[0].given, notes)


def name(path: Path, dataset: Dataset) -> str:
    """Name a picture by its path in its set, below the name of the set's folder if there are several."""
    folder = next(s.folder for s in dataset.sources if s.folder and path.is_relative_to(s.folder))
    return path.relative_to(folder if len(dataset.sources) == 1 else folder.parent).as_posix()


def readable(dataset: Dataset, workers: int = 0) -> Dataset:
    """Decode every picture, and move those that cannot be decoded to `skipped`; see `datasets.decode`.

    Raises:
        DataError: a set has a class of which no picture can be decoded, or one picture is in two sets.
    """
    if len(dataset.sources) < 2:
        return datasets.readable(dataset, workers)
    dataset, digests = datasets.decode(dataset, duplicates.digest, workers)
    first: dict[str, Item] = {}
    for item, digest in zip(dataset.items, digests, strict=True):
        other = first.setdefault(digest, item)
        if other.source != item.source:
            raise DataError(
                f"{other.path.name} of {other.source} and {item.path.name} of {item.source} are one picture: leave it "
                "out of one of them."
            )
    for source in dataset.sources[1:]:
        _check_classes(source, replace(dataset, items=[i for i in dataset.items if i.source == source.title]))
    return dataset


def _one(source: Source, class_names: Sequence[str] | None, first: bool) -> Dataset:
    """Read one set: its classes, patients and pictures, without its scale."""
    root = source.folder or Path()
    part = datasets.read(
        root,
        source.format,
        classes=source.classes,
        magnifications=source.magnifications,
        class_names=class_names,
    )
    if source.patients == "named" and not part.grouped:
        raise DataError(f'{source.title}: neither the layout nor a groups.csv names its patients: say "unknown".')
    missing = sorted({*source.leave_out} - {i.patient for i in part.items})
    if missing:
        raise DataError(f"{source.title}: `leave_out` names the patient {missing[0]}, who has no pictures.")
    items = [i for i in part.items if i.patient not in source.leave_out]
    grouped = part.grouped and source.patients != "unknown"
    if source.at_most:
        items = _drawn(items, root, source.at_most, grouped)
    prefix = source.patient_prefix or (f"{source.title}/" if not (first or grouped) else "")
    items = [
        replace(
            item,
            patient=prefix + (item.patient if part.grouped == grouped else _name(item, root)),
            slide=prefix + item.slide,
            magnification=item.magnification or source.magnification,
            source=source.title,
            weight=source.weight,
        )
        for item in items
    ]
    return replace(part, items=items, grouped=grouped)


def _name(item: Item, root: Path) -> str:
    return item.path.relative_to(root).as_posix()


def _drawn(items: Sequence[Item], root: Path, most: int, grouped: bool) -> list[Item]:
    """At most `most` pictures of each patient and class, or else folder, in their order; names alone decide which."""
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[f"{item.patient}\n{item.label}" if grouped else _name(item, root).rpartition("/")[0]].append(item)
    kept: set[Path] = set()
    for key, group in groups.items():
        random = np.random.default_rng(zlib.crc32(key.encode()))
        kept |= {group[k].path for k in random.permutation(len(group))[:most]}
    return [i for i in items if i.path in kept]


def _check(sources: Sequence[Source], leave_out: Sequence[str], training: bool) -> None:
    for source in sources if training else ():
        if source.evaluation_only:
            raise DataError(f"{source.title} is for evaluation only: score it with `dala evaluate`.")
    laboratories = list(dict.fromkeys(s.laboratory for s in sources))
    for name in leave_out:
        if name not in laboratories:
            raise DataError(f"There is no laboratory {name!r} to leave out: there are {', '.join(laboratories)}.")
    if leave_out and not {*laboratories} - {*leave_out}:
        raise DataError("Every laboratory is left out: nothing is left to train on.")


def _check_classes(source: Source, part: Dataset) -> None:
    present = {i.label for i in part.items}
    empty = [name for k, name in enumerate(part.class_names) if k not in present]
    if empty:
        raise DataError(f"{source.title}: the class {empty[0]} has no pictures: a set needs some of every class.")


def _check_patients(sources: Sequence[Source], parts: Sequence[Dataset]) -> None:
    """Refuse one patient in two laboratories: held out in one of them, they would still be trained on."""
    seen: dict[str, Source] = {}
    for source, part in zip(sources, parts, strict=True):
        for patient in dict.fromkeys(i.patient for i in part.items):
            other = seen.setdefault(patient, source)
            if other.laboratory != source.laboratory:
                raise DataError(
                    f"The patient {patient} is in {other.title} and in {source.title}, of two laboratories: if these "
                    "are two people, give one set a `patient_prefix`; else name one laboratory for both."
                )
