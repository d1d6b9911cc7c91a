"""The class of every finest class of a data set, by a map or by its layout."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dala.data.items import DataError

__all__ = ["parse", "resolve"]


def parse(texts: Sequence[str]) -> dict[str, str | None]:
    """Return the map that options such as "Tumor=malignant" give; "Necrosis=" leaves a class out.

    Raises:
        DataError: no "=", or a class that is named twice.
    """
    result: dict[str, str | None] = {}
    for text in texts:
        kind, sign, name = (part.strip() for part in text.partition("="))
        if not sign or not kind:
            raise DataError(f"--map {text}: write FINEST=CLASS, such as Tumor=malignant, or FINEST= to leave it out.")
        if kind in result:
            raise DataError(f"--map names {kind} twice: keep one.")
        result[kind] = name or None
    return result


def resolve(
    root: Path, kinds: set[str], named: Mapping[str, str | None], class_names: Sequence[str] | None
) -> dict[str, str | None]:
    """Return the class of every finest class, None for one that is left out.

    Args:
        root: of the data set, for messages.
        kinds: the finest classes that have pictures.
        named: the map; if it is empty, the finest classes are the classes.
        class_names: the classes that may be named; None for any.

    Raises:
        DataError: a finest class that the map does not name, or a class that is none of `class_names`.
    """
    names = dict(named) or {kind: kind for kind in sorted(kinds) if not class_names or kind in class_names}
    classes = list(class_names or dict.fromkeys(name for name in names.values() if name))
    unnamed = sorted(kinds - names.keys())
    if unnamed:
        raise DataError(
            f"{root}: no map names {', '.join(unnamed)}: map each to {' or '.join(classes)} (--map {unnamed[0]}=CLASS, "
            f"or `classes` in a source file), or leave it out (--map {unnamed[0]}= , or null)."
        )
    foreign = [name for name in names.values() if name and name not in classes]
    if foreign:
        raise DataError(
            f"{root}: no map names {foreign[0]}, and the classes are {' and '.join(classes)}: map "
            f"{', '.join(sorted(kinds))} to them (--map, or `classes` in a source file)."
        )
    return names
