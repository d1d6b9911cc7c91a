"""Which folders above the pictures are classes, which patients, and which the sides or folds of a split.

Nothing but the folders' names and their places is known. What they do not settle is refused with a sentence.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from dala.data.items import DataError

__all__ = ["FOLD", "SIDES", "Levels", "are_sure", "find", "is_class", "side", "split_levels", "without"]

_SIDE = re.compile(
    r"(?:.*[ _.-])?(?P<side>train(?:ing)?|val(?:id(?:ation)?)?|dev(?:elopment)?|test(?:ing)?)"
    r"(?:[ _.-]*(?:data|set|dataset|images?|imgs?|folder))*",
    re.IGNORECASE,
)
SIDES = {"train": "train", "val": "val", "dev": "val", "test": "test"}
FOLD = re.compile(r"(?:k[ _-]?)?(?:fold|cv|split)s?[ _-]*(?P<number>\d+)", re.IGNORECASE)
_MAGNIFICATION = re.compile(r"(?:mag[ _-]*)?x?\d+x?", re.IGNORECASE)
# Words of breast pathology, and of screening, that name classes.
_CLASS = re.compile(
    r"benign|malignan|normal|healthy|cancer|tumou?r|carcinoma|in[ _-]?situ|invasive|metasta|adenosis|adenoma|phyllodes"
    r"|papilloma|hyperplasia|atypi|necrosis|stroma|adipose|dcis|idc|positive|negative",
    re.IGNORECASE,
)
_CODES = re.compile(r"\d*_?(?:n|pb|udh|fea|adh|dcis|ic|non[ _-]?\w+|pos|neg|mel|nv)", re.IGNORECASE)
# Folders above the classes that are neither patients nor classes.
_OTHER = re.compile(
    r"(?:\w*[ _-])?(?:sets?|sites?|cent(?:er|re)s?|hospitals?|labs?|scanners?|batch(?:es)?|parts?|chunks?|datasets?"
    r"|version|v|images?|imgs?|pictures?|photos?|originals?|raw|augmented|aug|processed|resized|normali[sz]ed|cropped"
    r"|patches|tiles|mag|magnification)[ _-]*\d*|\d+x|x\d+",
    re.IGNORECASE,
)
_MOST_SPLIT_LEVELS = 4


@dataclass(frozen=True)
class Levels:
    """The meaning of the folders above the pictures, by their depth below the root.

    Attributes:
        kind: depth of the classes.
        patients: depths of the patients, the first, and of what they have several of.
        notes: sentences on folders that are not used.
    """

    kind: int
    patients: tuple[int, ...] = ()
    notes: list[str] = field(default_factory=list)


def side(name: str) -> str | None:
    """Return train, val or test for a name such as "Training_Set"; None for another name."""
    match = _SIDE.fullmatch(name.strip())
    return next(v for k, v in SIDES.items() if match["side"].lower().startswith(k)) if match else None


def is_class(name: str) -> bool:
    """Whether a name has a word in it that names a class of breast tissue."""
    return bool(_CLASS.search(name) or _CODES.fullmatch(name.strip()))


def split_levels(files: Sequence[PurePath]) -> tuple[dict[str, int], list[str]]:
    """Find the depths of folders that are sides or folds of a split.

    Args:
        files: paths relative to the root of the data set.

    Returns:
        the depth by "side" and "fold", as far as there are such folders; and notes.
    """
    levels: dict[str, int] = {}
    notes: list[str] = []
    for depth in range(_MOST_SPLIT_LEVELS):
        names = sorted({p.parts[depth] for p in files if len(p.parts) > depth + 1})
        for what, match in (("side", side), ("fold", FOLD.fullmatch)):
            fitting = [n for n in names if match(n)]
            if not fitting or what in levels:
                continue
            if len(fitting) == len(names):
                levels[what] = depth
            else:
                notes.append(f"Folders {_few(fitting)} are not taken for a split: others lie beside them.")
    return levels, notes


def find(root: Path, files: Sequence[PurePath], named: bool = False) -> Levels:
    """Find the classes and patients among the folders that are no part of a split.

    Args:
        root: of the data set, for messages.
        files: paths relative to the root, without the folders of a split.
        named: whether `groups.csv` names the patients.

    Raises:
        DataError: folders of which several may be the classes, or none.
    """
    names = _names(files)
    kind = _classes(root, files, names)
    for level in names[: kind + 1]:
        if several := sorted(n for n in level if side(n) or FOLD.fullmatch(n)):
            raise DataError(
                f"{root}: {_few(several)} is by its name a part of a split, and {_few(sorted(level - {*several}))} "
                "lies beside it: move one of them elsewhere."
            )
    above = [d for d in range(kind) if len(names[d]) > 1]
    below = sorted(names[kind + 1]) if len(names) > kind + 1 else []
    others = [d for d in above if _is_other(names[d]) or _sorts_classes(files, d, kind)]
    notes = [f"Folders above the classes, {_few(sorted(names[d]))}, are not used." for d in others]
    patients = () if named else tuple(d for d in above if d not in others)
    if patients:
        notes.append(f"Folders above the classes are taken for patients: {_few(sorted(names[patients[0]]))}.")
    if len(below) > 1 and all(map(_MAGNIFICATION.fullmatch, below)):
        notes.append(f"Folders below the classes, {_few(below)}, are not used: all magnifications are read together.")
    elif len(below) > 1:
        notes.append(
            f"Folders below the classes, {_few(below)}, are not used; if they are patients, list these in groups.csv."
        )
    return Levels(kind, patients, notes)


def score(names: set[str]) -> int:
    """How surely a level's folders are classes: 3 all, 2 some by their words, 1 the digits 0 and 1, 0 unknown."""
    words = [is_class(n) for n in names]
    if len({re.sub(r"\d+", "", n) for n in names}) * 2 <= len(names) and any(words):
        return 0  # tumor_1, tumor_2, …: numbered, as patients are
    return 3 if all(words) and words else 2 if any(words) else int({n.strip() for n in names} == {"0", "1"})


def are_sure(files: Sequence[PurePath]) -> bool:
    """Whether the folders above some pictures name classes by their words, so that no table is needed."""
    return any(score(n) for n in _names(files) if len(n) > 1)


def _names(files: Sequence[PurePath]) -> list[set[str]]:
    """Names of the folders at every depth."""
    deepest = max((len(p.parts) - 1 for p in files), default=0)
    return [{p.parts[d] for p in files if len(p.parts) > d + 1} for d in range(deepest)]


def _is_other(names: set[str]) -> bool:
    return all(_OTHER.fullmatch(n.strip()) for n in names)


def _sorts_classes(files: Sequence[PurePath], depth: int, kind: int) -> bool:
    """Whether folders above the classes sort these, as BRACS' benign and malignant groups: none shares one."""
    pairs = {(p.parts[depth], p.parts[kind]) for p in files if len(p.parts) > kind + 1}
    groups, classes = (Counter(pair[i] for pair in pairs) for i in (0, 1))
    return max(classes.values(), default=0) == 1 < max(groups.values(), default=0)


def _classes(root: Path, files: Sequence[PurePath], names: list[set[str]]) -> int:
    """Depth of the folders that are the classes."""
    several = [d for d, n in enumerate(names) if len(n) > 1]
    best = max((score(names[d]) for d in several), default=0)
    if best:
        return next(d for d in several if score(names[d]) == best)
    if not names or not several or any(is_class(n) for n in names[0] if len(names[0]) == 1):
        return 0  # one class, which is refused where classes are counted
    if several[0] > 0:
        above = "/".join(next(iter(n)) for n in names[: several[0]])
        raise DataError(
            f"{root}: {above} lies alone above the folders {_few(sorted(names[several[0]]))}: if these are the "
            f"classes, name {root / above}."
        )
    unclear = len(names) > 1 and (len(names[1]) > 1 or any(map(is_class, names[1])))
    if unclear and _repeats(files) and not all(_MAGNIFICATION.fullmatch(n) for n in names[1]):
        raise DataError(
            f"{root}: which folders are the classes? Below {_few(sorted(names[0]))} lie {_few(sorted(names[1]))}, "
            "again and again: keep one level of class folders, or write a table labels.csv (picture,label,patient)."
        )
    return 0


def _repeats(files: Sequence[PurePath]) -> bool:
    """Whether folders at the second depth repeat below those at the first."""
    pairs = {p.parts[:2] for p in files if len(p.parts) > 2}
    return len({second for _, second in pairs}) < len(pairs)


def _few(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def without(path: PurePath, levels: Mapping[str, int]) -> PurePath:
    """Return a relative path without the folders of a split."""
    return PurePath(*(part for d, part in enumerate(path.parts) if d not in levels.values()))
