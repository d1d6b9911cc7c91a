"""`dala data check`: contents of a data set, its problems, and a split of its patients; and `dala data crops`."""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dala import files
from dala.commands import _crops
from dala.data import class_map, datasets, duplicates, groups, source_rows, sources, splits, statement
from dala.data.datasets import Dataset
from dala.data.items import DataError, Item
from dala.hub.report import SourceRow

__all__ = ["add_arguments", "run"]

HELP = "check a data set: counts, broken files, duplicates, patient-wise folds"
# Longest list that is printed in full, and number of patients named in a sentence.
MOST, FEW = 40, 8
# Partitions that are compared with each other.
PARTITIONS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True)
    _crops.add_arguments(actions.add_parser("crops", help=_crops.HELP))
    check = actions.add_parser("check", help=HELP)
    check.add_argument(
        "sets", nargs="+", metavar="SET", help="folder above the pictures, a source file (*.json) or hub:OWNER/NAME"
    )
    check.add_argument("--root", type=Path, default=Path(), help="of the folders in source files (default: this one)")
    check.add_argument("--map", action="append", default=[], metavar="FINEST=CLASS", help="as in `dala train`")
    check.add_argument("--format", default="breakhis", choices=list(datasets.FORMATS), help="default: breakhis")
    check.add_argument("--classes", default="binary", choices=datasets.CLASSES, help="default: binary")
    check.add_argument(
        "--magnifications", "--magnification", nargs="+", default=["100X"], metavar="X",
        help="of BreakHis, separated by spaces or commas (default: 100X)",
    )  # fmt: skip
    folds = partial(_number, what="folds of at least 2", least=2)
    check.add_argument("--folds", type=folds, default=5, metavar="K", help="default: 5")
    check.add_argument("--seed", type=int, default=0, help="of the folds (default: 0)")
    threads = partial(_number, what="threads")
    check.add_argument("--workers", type=threads, default=0, help="additional threads that decode (default: 0)")
    check.add_argument("--json", type=Path, metavar="FILE", help="also write the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the result and return the exit code.

    Raises:
        DataError: a set that cannot be used, or sets that cannot be used together.
        DiskError: the JSON file or the crops cannot be written.
    """
    if args.action == "crops":
        return _crops.run(args)
    classes = class_map.parse(args.map) or args.classes
    magnifications = [one for text in args.magnifications for one in text.split(",") if one]
    opened = sources.open_all(args.sets, args.root, args.format, classes, magnifications)
    dataset = sources.read(opened, training=False)
    dataset, fingerprints = datasets.decode(dataset, duplicates.fingerprint, args.workers)
    copies = duplicates.find(dataset.items, fingerprints)
    facts = {
        "root": ", ".join(args.sets),
        "format": ", ".join(dict.fromkeys(s.format for s in opened)),
        "sources": source_rows.rows(dataset, dataset.items),
        "grouped": dataset.grouped,
        **_counts(dataset),
        "notes": list(dataset.notes),
        "given_splits": list(statement.given(dataset)),
        "skipped": {sources.name(p, dataset): s for p, s in dataset.skipped.items()},
        "near_distance": duplicates.NEAR,
        "exact": [[_row(i, dataset) for i in group] for group in copies.exact],
        "near": [
            {"distance": p.distance, "pictures": [_row(i, dataset) for i in (p.first, p.second)]} for p in copies.near
        ],
        "two_labels": [[sources.name(i.path, dataset) for i in group] for group in copies.two_labels],
        "repeated_within_patient": copies.within,
        "blank": copies.blank,
        **asdict(_folds(dataset, args.folds, args.seed)),
    }
    print("\n".join(_lines(facts)))
    if args.json:
        files.write(args.json, json.dumps(facts, indent=1) + "\n")
    return 0


@dataclass(frozen=True)
class _Folds:
    folds: list[dict[str, Any]]
    no_folds: str | None = None
    partitions: dict[str, float] | None = None
    no_partitions: str | None = None


def _counts(dataset: Dataset) -> dict[str, Any]:
    """Count pictures and patients by class and by magnification, and pictures by patient."""
    names, unknown = dataset.class_names, {s.title for s in dataset.sources if s.patients == "unknown"}
    known = [i for i in dataset.items if i.source not in unknown]
    by_class, patients = _by_class(dataset.items, names), {i.patient: Counter[str]() for i in known}
    for item in known:
        patients[item.patient][names[item.label]] += 1
    zooms: dict[str, Counter[str]] = {}
    for item in dataset.items:
        if item.magnification:
            zooms.setdefault(item.magnification, Counter())[names[item.label]] += 1
    return {
        "pictures": len(dataset.items),
        "classes": by_class,
        "magnifications": {zoom: dict(count) for zoom, count in zooms.items()},
        "patients": {p: dict(count) for p, count in patients.items()} if dataset.grouped else {},
    }


def _by_class(items: Sequence[Item], names: Sequence[str]) -> dict[str, dict[str, int]]:
    return {
        name: {
            "pictures": sum(i.label == label for i in items),
            "patients": len({i.patient for i in items if i.label == label}),
        }
        for label, name in enumerate(names)
    }


def _folds(dataset: Dataset, k: int, seed: int) -> _Folds:
    """Count patients and pictures on the held-out side of every fold, or say why there are no folds."""
    if not dataset.grouped:
        return _Folds([], f"A patient-wise split needs the patients: list them in {groups.NAME}.")
    try:
        sides = splits.folds(dataset.scored, k=k, seed=seed)
    except DataError as error:
        return _Folds([], str(error))
    folds = [
        {"patients": sorted({i.patient for i in side}), "classes": _by_class(side, dataset.class_names)}
        for side in sides
    ]
    try:
        split = splits.make(dataset.items, k=k, partitions=PARTITIONS, seed=seed)
    except DataError as error:
        return _Folds(folds, no_partitions=str(error))
    return _Folds(folds, partitions={"number": PARTITIONS, **asdict(splits.together(split, dataset.items))})


def _row(item: Item, dataset: Dataset) -> dict[str, str]:
    return {
        "picture": sources.name(item.path, dataset),
        "class": dataset.class_names[item.label],
        "patient": item.patient,
    }


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    known = facts["grouped"]
    patients = f" of {len(facts['patients'])} patients" if known else "; the patients are not known"
    yield f"{facts['root']}: {facts['pictures']} pictures{patients}"
    yield from _table(facts)
    yield from facts["notes"]
    yield from facts["given_splits"] or ("Comes with no split of its own.",)
    yield from _listed("Sets", [_set(row) for row in facts["sources"]]) if facts["sources"] else ()
    if known:
        rows = sorted(facts["patients"].items(), key=lambda row: (list(row[1]), row[0]))
        classes = [(f"{p}: " + ", ".join(f"{c} {n}" for c, n in count.items())) for p, count in rows]
        yield from _listed("Patients, by class, and their pictures", classes)
        several = [p for p, count in rows if len(count) > 1]
        if several:
            first = ", ".join(several[:FEW]) + (", ..." if len(several) > FEW else "")
            yield f"Patients with pictures of more than one class: {len(several)} ({first})"
    yield from _skipped(facts["skipped"])
    yield from _copies(facts)
    yield from _split(facts)


def _skipped(skipped: dict[str, str]) -> Iterator[str]:
    """Files that are not used, and before a long list how many for each reason."""
    reasons = Counter(skipped.values())
    counts = [f"{n} files: {why}" for why, n in reasons.most_common(FEW)] if len(skipped) > FEW else []
    lines = [f"{name}: {why}" for name, why in skipped.items()]
    title, *rest = _listed("Files not used", lines)
    yield from (title, *(f"  {line}" for line in counts), *rest)


def _set(row: SourceRow) -> str:
    patients = "patients unknown" if row["patients"] is None else f"{row['patients']} patients"
    classes = ", ".join(f"{name} {n}" for name, n in row["classes"].items())
    zoom = "fitted" if row["zoom"] is None else f"zoom {row['zoom']}"
    terms = [row["laboratory"], f"{row['images']} pictures", patients, classes, f"weight {row['weight']:g}", zoom]
    return f"{row['title']}: {'; '.join([*terms, row['licence'] or 'licence not stated'])}"


def _copies(facts: dict[str, Any]) -> Iterator[str]:
    across = "across patients or classes" if facts["grouped"] else "in the data set (patients unknown)"
    yield from _listed("Pictures with two labels", [" = ".join(group) for group in facts["two_labels"]])
    yield from _listed(f"Identical pictures {across}", [" = ".join(map(_title, group)) for group in facts["exact"]])
    yield from _listed(
        f"Pictures that look alike {across}, at most {facts['near_distance']} of 256 bits apart",
        [f"{pair['distance']}: " + " ~ ".join(map(_title, pair["pictures"])) for pair in facts["near"]],
    )
    yield f"Pictures that repeat another of the same patient and class: {facts['repeated_within_patient']}"
    yield f"Pictures too uniform for a perceptual hash: {facts['blank']}"


def _title(row: dict[str, str]) -> str:
    return f"{row['picture']} ({row['class']}, {row['patient']})"


def _split(facts: dict[str, Any]) -> Iterator[str]:
    if facts["no_folds"]:
        yield f"No folds: {facts['no_folds']}"
        return
    yield f"Patient-wise split into {len(facts['folds'])} folds; held-out side of each:"
    for n, fold in enumerate(facts["folds"], 1):
        classes = ", ".join(f"{c} {v['pictures']} of {v['patients']}" for c, v in fold["classes"].items())
        yield f"  fold {n}: {len(fold['patients'])} patients; pictures of patients: {classes}"
    if facts["no_partitions"]:
        yield f"No repeated partitions: {facts['no_partitions']}"
        return
    number, same, chance = (facts["partitions"][name] for name in ("number", "together", "chance"))
    yield (
        f"{number} partitions: {same:.0%} of the pairs of patients that share a fold share one in another one too "
        f"(by chance {chance:.0%}); identical partitions: {facts['partitions']['identical']}"
    )


def _table(facts: dict[str, Any]) -> Iterator[str]:
    """Pictures and patients of every class, and its pictures at every magnification."""
    zooms, wide = facts["magnifications"], max(map(len, facts["classes"])) + 2
    titles = ["pictures", *(["patients"] if facts["grouped"] else []), *(f"at {zoom}" for zoom in zooms)]
    yield "  " + "class".ljust(wide) + "".join(t.rjust(10) for t in titles)
    for name, count in facts["classes"].items():
        values = [count["pictures"], *([count["patients"]] if facts["grouped"] else [])]
        values += [zooms[zoom].get(name, 0) for zoom in zooms]
        yield "  " + name.ljust(wide) + "".join(str(v).rjust(10) for v in values)


def _listed(title: str, lines: Sequence[str]) -> Iterator[str]:
    yield f"{title}: {len(lines)}"
    yield from (f"  {line}" for line in lines[:MOST])
    if len(lines) > MOST:
        yield f"  and {len(lines) - MOST} more"


def _number(text: str, what: str, least: int = 0) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of {what}")
    return int(text)
