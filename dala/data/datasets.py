"""Read a data set from its folder: pictures with class, patient, slide and magnification."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from PIL import Image

from dala.data import class_map, groups, resolver
from dala.data.given_splits import Given
from dala.data.items import DataError, Item
from dala.data.layouts import FORMATS, Format, Labels
from dala.data.source_files import Source
from dala.images import preprocessing, reading

__all__ = ["CLASSES", "FORMATS", "Dataset", "Format", "decode", "read", "readable"]

CLASSES = ("binary", "all")
LEFT_OUT = -1  # instead of a class's index
T = TypeVar("T")


@dataclass(frozen=True)
class Dataset:
    """Labelled pictures of one or more data sets.

    Attributes:
        items: pictures, in a fixed order.
        class_names: class names by class index; a class may have no picture.
        grouped: whether the patients (of the first set) are known. If not, every picture counts as a patient of its
            own, and a patient-wise split is not possible.
        skipped: picture files that are not used, each with a sentence that says why.
        sources: the sets, by `dala.data.sources`; the first one is scored, the others are for training only.
        given: splits that come with the pictures (of the first set).
        notes: sentences on how folders and tables were understood.
    """

    items: list[Item]
    class_names: list[str]
    grouped: bool
    skipped: dict[Path, str] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    given: tuple[Given, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def scored(self) -> list[Item]:
        """The pictures of the first set."""
        return [i for i in self.items if not self.sources or i.source == self.sources[0].title]


def read(
    root: Path,
    format: str,
    *,
    classes: str | Mapping[str, str | None] = "binary",
    magnifications: Sequence[str] = ("100X",),
    class_names: Sequence[str] | None = None,
) -> Dataset:
    """List the pictures of a data set by path alone; `readable` also decodes them.

    Args:
        root: any folder above the pictures; for "folder" the one that contains a sub-folder for each class, the folders
            of a split above or below them, or a table of labels; see `dala.data.resolver`.
        format: a name in `FORMATS`.
        classes: "binary", or "all" for the finest classes. With "idc" (two classes) and "folder" (a class for each
            sub-folder) both give the same. Or a mapping of every finest class to the name of its class, None to leave
            it out.
        magnifications: magnifications to use; only "breakhis" has several.
        class_names: names of the classes by index, which the classes found have to be among; default: those found.

    Returns:
        the data set. If the layout does not name the patients, they are read from `groups.csv` in the root (columns
        picture, patient and optionally slide); without that file the data set is not grouped.

    Raises:
        DataError: an unknown name, no such folder, no pictures, another layout, a class that no map names, one without
            pictures, fewer than two with pictures, a magnification without pictures, or a `groups.csv` that does not
            fit the pictures.
    """
    _check_name("format", format, FORMATS)
    layout, root = FORMATS[format], Path(root)
    if isinstance(classes, str):
        _check_name("set of classes", classes, CLASSES)
    found = resolver.read(root, format)
    labels = found.labels
    if layout is FORMATS["breakhis"]:
        _check_magnifications(root, labels, magnifications)
        labels = {p: label for p, label in labels.items() if label.magnification in magnifications}
    kinds = {label.kind for label in labels.values()}
    names = _names(root, kinds, layout, classes, class_names)
    own = list(class_names or dict.fromkeys(name for name in names.values() if name))
    grouped = found.grouped or (root / groups.NAME).exists()
    index = {kind: own.index(name) if name else LEFT_OUT for kind, name in names.items()}
    items = _items(root, labels, index)
    if (root / groups.NAME).exists() and not layout.grouped:
        items = groups.assign(root, items, found.skipped)
    items = [i for i in items if i.label != LEFT_OUT]
    _check_classes(root, items, own, 1 if class_names else 2)
    return Dataset(items, own, grouped, found.skipped, given=found.given, notes=tuple(found.notes))


def _items(root: Path, labels: dict[Path, Labels], index: dict[str, int]) -> list[Item]:
    """Return the items; without known patients each picture counts as one of its own."""
    items = []
    for path, label in labels.items():
        patient = label.patient or path.relative_to(root).as_posix()
        items.append(Item(path, index[label.kind], patient, label.slide or patient, label.magnification))
    return items


def readable(dataset: Dataset, workers: int = 0) -> Dataset:
    """Decode every picture, and move those that cannot be decoded to `skipped`; see `decode`."""
    return decode(dataset, _nothing, workers)[0]


def decode(dataset: Dataset, function: Callable[[Image.Image], T], workers: int = 0) -> tuple[Dataset, list[T]]:
    """Decode every picture once and apply a function to it, with a progress bar.

    Args:
        dataset: from `read`.
        function: maps an RGB picture to a value; called from several threads if there are workers.
        workers: number of additional threads that decode.

    Returns:
        the data set, with files that cannot be decoded moved to `skipped`, and the values in the order of its items.

    Raises:
        DataError: pictures of fewer than two classes can be decoded.
    """
    from tqdm import tqdm

    def attempt(item: Item) -> tuple[T] | str:
        try:
            return (function(reading.read(item.path)),)
        except preprocessing.ImageError as error:
            return str(error)

    pool = ThreadPoolExecutor(max(workers, 1))
    try:
        results = pool.map(attempt, dataset.items) if workers else map(attempt, dataset.items)
        outcomes = list(tqdm(results, total=len(dataset.items), unit="picture", desc="reading", disable=None))
    finally:
        pool.shutdown(cancel_futures=True)
    pairs = list(zip(dataset.items, outcomes, strict=True))
    items = [item for item, outcome in pairs if not isinstance(outcome, str)]
    unread = {item.path: outcome for item, outcome in pairs if isinstance(outcome, str)}
    if unread and len({i.label for i in items}) < 2:
        path, sentence = next(iter(unread.items()))
        raise DataError(
            f"{len(unread)} pictures cannot be read, and fewer than two classes are left: {path}: {sentence}"
        )
    values = [outcome[0] for outcome in outcomes if not isinstance(outcome, str)]
    return replace(dataset, items=items, skipped=dataset.skipped | unread), values


def _nothing(picture: Image.Image) -> None:
    """Use a picture only to see that it can be decoded."""


def _names(
    root: Path,
    kinds: set[str],
    layout: Format,
    classes: str | Mapping[str, str | None],
    class_names: Sequence[str] | None,
) -> dict[str, str | None]:
    """The class of every finest class, None of those that are left out."""
    _check_cases(root, kinds, classes)
    if isinstance(classes, str):
        return class_map.resolve(root, kinds, layout.classes.get(classes, {}), class_names)
    names = class_map.resolve(root, kinds, classes, class_names)
    if empty := [kind for kind in classes if kind not in kinds]:
        raise DataError(
            f"{root}: its map names {empty[0]}, which has no pictures; there are {', '.join(sorted(kinds))}."
        )
    return names


def _check_name(what: str, name: str, names: Sequence[str] | dict[str, Format]) -> None:
    if name not in names:
        raise DataError(f"There is no {what} named {name!r}: use {', '.join(names)}.")


def _check_cases(root: Path, kinds: set[str], classes: str | Mapping[str, str | None]) -> None:
    """Refuse classes whose names differ by case alone, unless a map names both."""
    first: dict[str, str] = {}
    for kind in sorted(kinds - ({*classes} if isinstance(classes, Mapping) else set())):
        other = first.setdefault(kind.casefold(), kind)
        if other != kind:
            raise DataError(
                f"{root}: the classes {other} and {kind} differ by case alone: rename one, or map both to one class.",
                f"--map {other}={kind} --map {kind}={kind}",
            )


def _check_classes(root: Path, items: Sequence[Item], names: Sequence[str], least: int) -> None:
    present = [names[label] for label in sorted({i.label for i in items})]
    if len(present) < least:
        raise DataError(
            f"{root}: at least two classes need pictures, and only {present[0] if present else 'one left out'} has any."
        )


def _check_magnifications(root: Path, labels: dict[Path, Labels], wanted: Sequence[str]) -> None:
    present = sorted({str(label.magnification) for label in labels.values()}, key=lambda m: (len(m), m))
    hint = f"--magnification {','.join(present)}"
    if not wanted:
        raise DataError(f"Name at least one magnification: {', '.join(present)}.", hint)
    missing = [m for m in wanted if m not in present]
    if missing:
        raise DataError(f"{root}: no pictures at {', '.join(missing)}; there are {', '.join(present)}.", hint)
