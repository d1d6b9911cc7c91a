"""The pictures of a run and their split, read before anything is computed."""

from dataclasses import replace
from pathlib import Path

from dala.data import class_map, given_splits, sources, splits, statement
from dala.data.datasets import Dataset
from dala.data.given_splits import BY_IMAGE, GIVEN
from dala.data.items import DataError
from dala.data.splits import Split
from dala.training import phantom_data
from dala.training.config import Settings
from dala.training.config_parts import DataConfig, SettingsError
from dala.training.distributed import Ranks

__all__ = ["read", "split"]


def read(settings: Settings, ranks: Ranks) -> tuple[Settings, Dataset]:
    """Return the settings, resolved by what the first set states, and the readable pictures of all sets.

    Raises:
        DataError, HubError: a set that cannot be used.
        DiskError: no room for pictures that are generated for this run.
    """
    if phantom_data.is_requested(settings.data):
        settings = phantom_data.resolve(settings)
        if ranks.is_first:
            phantom_data.draw(settings)
        ranks.barrier()
    d = settings.data
    classes = class_map.parse(d.map) or d.classes
    opened = sources.open_all(d.data, d.root, d.format, classes, d.magnification.split(","))
    first = replace(opened[0], um_per_pixel=opened[0].um_per_pixel or d.um_per_pixel)
    dataset = sources.read([first, *opened[1:]], leave_out=d.leave_out)
    zooms = ",".join(first.magnifications) or first.magnification
    settings = settings.with_options(
        format=first.format, magnification=zooms or d.magnification, um_per_pixel=first.um_per_pixel
    )
    dataset = sources.readable(dataset, settings.runtime.workers or 0)
    if ranks.is_first:
        print("\n".join(statement.lines(dataset)))
        _print_warnings(settings.data, dataset)
    return settings, dataset


def _print_warnings(config: DataConfig, dataset: Dataset) -> None:
    if dataset.given and not config.split_file and config.split not in (GIVEN, BY_IMAGE):
        print(f"The split that comes with the pictures is not used: `split` is {config.split}, not {GIVEN}.")
    if config.split == "image":
        print("The split is by image: pictures of one patient are on both sides, so the scores are too optimistic.")
    elif not dataset.grouped:
        print("The patients are unknown: each picture counts as one, so the scores may be too optimistic.")


def split(settings: Settings, dataset: Dataset) -> Split:
    """The split of the first set; with its laboratory left out, its pictures are held out as a whole.

    Raises:
        DataError, LeakageError: a split file of other pictures, or too few patients.
        SettingsError: folds within a laboratory that is left out.
    """
    d, items = settings.data, dataset.scored
    if dataset.sources[0].laboratory in d.leave_out:
        if d.inner or d.split_file:
            raise SettingsError(
                "With the scored laboratory left out there are no folds: leave out `inner`, `split_file`."
            )
        return Split("holdout", ((tuple(sorted({i.patient for i in items})),),))
    if d.split_file and d.split_file.suffix.lower() == ".json":
        return splits.read(d.split_file, items)
    if d.split_file or d.split in (GIVEN, BY_IMAGE):
        return _given(d, dataset)
    return splits.make(items, d.split, d.folds, d.partitions, d.held_out, settings.runtime.seed)


def _given(d: DataConfig, dataset: Dataset) -> Split:
    """The split of a table, or the one that the first set comes with."""
    items, folder = dataset.scored, dataset.sources[0].folder
    if d.split_file:
        if not d.split_file.exists():
            raise DataError(f"{d.split_file}: no such file; name a split.json, or a table of pictures and folds.")
        given = given_splits.from_file(d.split_file, folder or Path(), items)
    elif dataset.given:
        given = dataset.given[0]
    else:
        raise DataError(
            f"{folder}: comes with no split: neither folders such as train and test, nor a table of folds beside the "
            "pictures. Name a table (`split_file`), or split by patient.",
            "--split-file FILE or --split patient",
        )
    result = given_splits.split(given, items, d.split == BY_IMAGE)
    print(f"Split: {given}, as it was given; held out by {result.protocol}.")
    if given.sides and any({*p.values()} >= {"val", "test"} for p in given.partitions):
        print("  test is held out; val is trained on, since nothing is chosen on it.")
    if result.protocol == "image":
        print("  It puts patients on both sides, so the scores are too optimistic.")
    return result
