"""What was found in a data set, in lines to be printed before anything runs."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from dala.data import given_splits
from dala.data.datasets import Dataset
from dala.data.items import DataError

__all__ = ["given", "left_out", "lines"]

FEW = 5


def lines(dataset: Dataset) -> Iterator[str]:
    """Yield the classes with their numbers of pictures, patients, splits that come with the pictures, and the rest."""
    names, count = dataset.class_names, Counter(i.label for i in dataset.items)
    classes = ", ".join(f"{name} {count[k]}" for k, name in enumerate(names))
    n = len({i.patient for i in dataset.scored})
    patients = f"{n} patients" if dataset.grouped else "the patients are not known"
    yield f"Found {len(dataset.items)} pictures: {classes}; {patients}."
    yield from dataset.notes
    yield from given(dataset)
    yield from left_out(dataset.skipped)


def given(dataset: Dataset) -> Iterator[str]:
    """Yield a line for each split that comes with the pictures, and what stands against its use."""
    for one in dataset.given:
        yield f"Comes with a split: {one}."
        try:
            given_splits.split(one, dataset.scored)
        except DataError as error:
            yield f"  {error}"


def left_out(skipped: Mapping[Path, str]) -> Iterator[str]:
    """Yield how many files are not used for each reason, with the first of them."""
    reasons: dict[str, list[Path]] = {}
    for path, sentence in skipped.items():
        reasons.setdefault(sentence, []).append(path)
    if skipped:
        yield f"{len(skipped)} files are not used:"
    for sentence, paths in sorted(reasons.items(), key=lambda row: -len(row[1])):
        more = ", …" if len(paths) > FEW else ""
        yield f"  {len(paths)}: {sentence} ({', '.join(map(str, paths[:FEW]))}{more})"
