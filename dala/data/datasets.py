"""Readers of public data sets in their own folder layouts: pictures with class, patient, slide and magnification."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TypeVar

from PIL import Image

from dala.data import groups
from dala.data.items import BREAKHIS_NAME, DataError, Item
from dala.images import preprocessing, reading
from dala.images.reading import pictures

__all__ = ["CLASSES", "FORMATS", "Dataset", "Format", "decode", "read", "readable"]

CLASSES = ("binary", "all")
T = TypeVar("T")


@dataclass(frozen=True)
class Dataset:
    """Labelled pictures of one data set.

    Attributes:
        items: the pictures, in a fixed order.
        class_names: the names that the items' labels index; a class may have no picture.
        grouped: whether the patients are known. Without them every picture counts as a patient of its own, and a
            patient-wise split would be a claim that the data cannot support.
        skipped: files that look like pictures and are not used, each with a sentence that says why.
    """

    items: list[Item]
    class_names: list[str]
    grouped: bool
    skipped: dict[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What a file's place and name tell: the finest class, and the patient and slide where the layout names them."""

    kind: str
    patient: str | None = None
    slide: str | None = None
    magnification: str | None = None


@dataclass(frozen=True)
class Format:
    """A folder layout.

    Attributes:
        example: a picture's path, for the person whose folder does not match.
        find: path relative to the root -> what it tells, or None if it does not follow the layout.
        classes: "binary" or "all" -> the finest class -> the class's name, in the order of the labels; empty where
            the sub-folders are the classes.
        grouped: whether the layout names the patients.
        ignored: names of files (without suffix) that belong to the data set and are no pictures of tissue.
    """

    example: str
    find: Callable[[PurePath], Found | None]
    classes: dict[str, dict[str, str]] = field(default_factory=dict)
    grouped: bool = True
    ignored: re.Pattern[str] = re.compile(r"(?!)")


TUMOURS = {
    "A": "adenosis", "F": "fibroadenoma", "PT": "phyllodes_tumor", "TA": "tubular_adenoma",
    "DC": "ductal_carcinoma", "LC": "lobular_carcinoma", "MC": "mucinous_carcinoma", "PC": "papillary_carcinoma",
}  # fmt: skip
BENIGN_TUMOURS = ("A", "F", "PT", "TA")
BACH = ("Normal", "Benign", "InSitu", "Invasive")
MINI_DDSM = ("Normal", "Benign", "Cancer")
IDC = {"0": "no IDC", "1": "IDC"}
IDC_NAME = re.compile(r"(?P<patient>\d+)_idx\d+_x\d+_y\d+_class(?P<kind>[01])")
VIEW = re.compile(r".+\.(LEFT|RIGHT)_(CC|MLO)", re.IGNORECASE)


def _breakhis(path: PurePath) -> Found | None:
    name = BREAKHIS_NAME.fullmatch(path.stem)
    if not name or name["type"] not in TUMOURS or (name["label"] == "B") != (name["type"] in BENIGN_TUMOURS):
        return None
    return Found(name["type"], name["patient"], name["slide"], f"{name['zoom']}X")


def _bach(path: PurePath) -> Found | None:
    kind = _class_of(path.parent.name, BACH)
    return Found(kind) if kind else None


def _mini_ddsm(path: PurePath) -> Found | None:
    kind = _class_of(path.parent.parent.name, MINI_DDSM)
    if not kind or not VIEW.fullmatch(path.stem):
        return None
    # A case's number is unique only below its class: Benign/0029 and Cancer/0029 are two women.
    case = f"{kind}/{path.parent.name}"
    return Found(kind, case, case)


def _idc(path: PurePath) -> Found | None:
    name = IDC_NAME.fullmatch(path.stem)
    return Found(name["kind"], name["patient"], name["patient"]) if name else None


def _folder(path: PurePath) -> Found | None:
    return Found(path.parts[0]) if len(path.parts) > 1 else None


def _class_of(folder: str, kinds: Sequence[str]) -> str | None:
    return next((k for k in kinds if k.lower() == re.sub(r"[ _-]", "", folder).lower()), None)


FORMATS: dict[str, Format] = {
    "breakhis": Format(
        "benign/SOB/adenosis/SOB_B_A_14-22549AB/100X/SOB_B_A-14-22549AB-100-001.png",
        _breakhis,
        {"binary": {t: "benign" if t in BENIGN_TUMOURS else "malignant" for t in TUMOURS}, "all": TUMOURS},
    ),
    "bach": Format(
        "Photos/Benign/b001.tif",
        _bach,
        {
            "binary": dict(zip(BACH, ["non-carcinoma"] * 2 + ["carcinoma"] * 2, strict=True)),
            "all": {k: k for k in BACH},
        },
        grouped=False,
    ),
    "mini_ddsm": Format(
        "Benign/0029/C_0029_1.LEFT_CC.jpg",
        _mini_ddsm,
        {
            "binary": dict(zip(MINI_DDSM, ["no cancer", "no cancer", "cancer"], strict=True)),
            "all": {k: k for k in MINI_DDSM},
        },
        ignored=re.compile(r".*_mask\d*", re.IGNORECASE),
    ),
    "idc": Format("8863/0/8863_idx5_x1001_y801_class0.png", _idc, {"binary": IDC, "all": IDC}),
    "folder": Format("benign/one.png", _folder, grouped=False),
}


def read(
    root: Path, format: str, *, classes: str = "binary", magnifications: Sequence[str] = ("100X",)
) -> Dataset:  # fmt: skip
    """A data set's pictures, by their places and names alone; `readable` also opens them.

    Args:
        root: any folder above the pictures; for "folder" the one that holds a sub-folder per class.
        format: a name in FORMATS.
        classes: "binary", or "all" for the finest classes. "idc" has two classes and "folder" those of its
            sub-folders under either.
        magnifications: of these only; "breakhis" alone has several.

    Returns:
        the pictures. A layout that does not name the patients takes them from `groups.csv` in the root (columns
        picture, patient and, if wanted, slide), and is not grouped without it.

    Raises:
        DataError: an unknown name, no such folder, no pictures, another layout, fewer than two classes with
            pictures, a magnification without any, or a `groups.csv` that does not fit the pictures.
    """
    _known("format", format, FORMATS)
    _known("set of classes", classes, CLASSES)
    layout, root = FORMATS[format], Path(root)
    found, skipped = _walk(root, format)
    if layout is FORMATS["breakhis"]:
        _check_magnifications(root, found, magnifications)
        found = {p: f for p, f in found.items() if f.magnification in magnifications}
    names = layout.classes[classes] if layout.classes else {k: k for k in sorted({f.kind for f in found.values()})}
    class_names = list(dict.fromkeys(names.values()))
    items = []
    for path, f in found.items():
        itself = path.relative_to(root).as_posix()
        patient = f.patient or itself
        items.append(Item(path, class_names.index(names[f.kind]), patient, f.slide or patient, f.magnification))
    present = [class_names[label] for label in sorted({i.label for i in items})]
    if len(present) < 2:
        raise DataError(f"{root}: at least two classes need pictures, and only {present[0]} has any.")
    if layout.grouped or not (root / groups.NAME).exists():
        return Dataset(items, class_names, layout.grouped, skipped)
    return Dataset(groups.assign(root, items), class_names, True, skipped)


def readable(dataset: Dataset, workers: int = 0) -> Dataset:
    """The data set without the files that cannot be decoded, which move to `skipped`; see `decode`."""
    return decode(dataset, _nothing, workers)[0]


def decode(dataset: Dataset, function: Callable[[Image.Image], T], workers: int = 0) -> tuple[Dataset, list[T]]:
    """Decode every picture once and take something of it, under a progress bar.

    Args:
        dataset: as `read` gives it.
        function: RGB picture -> what is wanted of it; called from several threads if there are workers.
        workers: threads that decode; 0 for none besides this one.

    Returns:
        the data set without the files that cannot be decoded, which move to `skipped`, and the function's values
        in the order of its items.

    Raises:
        DataError: fewer than two classes are left.
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
    """What `readable` takes of a picture: that it has been decoded is enough."""


def _known(what: str, name: str, names: Sequence[str] | dict[str, Format]) -> None:
    if name not in names:
        raise DataError(f"There is no {what} named {name!r}: use {', '.join(names)}.")


def _walk(root: Path, format: str) -> tuple[dict[Path, Found], dict[Path, str]]:
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder; give one that holds the data set's pictures.")
    layout = FORMATS[format]
    files = [p for p in pictures(root) if not layout.ignored.fullmatch(p.stem)]
    if not files:
        raise DataError(f"{root}: no pictures in or below this folder.")
    matches = {p: layout.find(p.relative_to(root)) for p in files}
    found = {p: f for p, f in matches.items() if f}
    if not found:
        raise DataError(
            f"{root}: of {len(files)} pictures none follows the layout of {format}, such as {layout.example}."
        )
    sentence = f"Its place or name does not follow the layout of {format}."
    return found, {p: sentence for p, f in matches.items() if not f}


def _check_magnifications(root: Path, found: dict[Path, Found], wanted: Sequence[str]) -> None:
    present = sorted({str(f.magnification) for f in found.values()}, key=lambda m: (len(m), m))
    if not wanted:
        raise DataError(f"Name at least one magnification: {', '.join(present)}.")
    missing = [m for m in wanted if m not in present]
    if missing:
        raise DataError(f"{root}: no pictures at {', '.join(missing)}; there are {', '.join(present)}.")
