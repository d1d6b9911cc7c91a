"""`dala evaluate tissue`: where on real tissue the maps lie."""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from tqdm import tqdm

from dala import cam, files
from dala.benchmark import cases, tissue_conclusions, tissue_maps, tissue_sets
from dala.benchmark.measures import Case
from dala.benchmark.tissue_report import markdown
from dala.data import datasets
from dala.errors import DalaError
from dala.explain.explainer import Explainer
from dala.hub.layout import TISSUE
from dala.hub.study import Explained
from dala.hub.tissue_maps import TissueMaps, TissueSet

__all__ = ["add_arguments", "run"]

ABOUT = """Measure on real tissue whether the maps for "malignant" lie on tumour, on nuclei, on the rim and on glass:

    python -m dala evaluate tissue --fields BCSS=rois --regions BRACS --data BreaKHis_v1 --folds runs/dala --out weights

--fields has pictures NAME.jpg of about 0.25 µm per pixel with masks NAME_tumourmask.png (white: tumour), --regions a
folder for each class, one of them "malignant". Both are explained by --model; --data by the networks of --folds, each
on its held-out patients, or else by --model. Writes tissue_maps.json and tissue_maps.md. Before a folder may stand the
name of the set.
"""
CUT = f"{tissue_sets.WHOLE:g}", f"{tissue_sets.CROP:g}"


class TissueError(DalaError):
    """Arguments that name no pictures, or do not fit together."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description, parser.formatter_class = ABOUT, argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--model", metavar="WEIGHTS", help="network to explain; default: the shipped one")
    add("--fields", metavar="[NAME=]FOLDER", help="fields with masks of tumour, such as BCSS")
    add("--regions", metavar="[NAME=]FOLDER", help="a folder for each class, such as BRACS")
    add("--data", metavar="[NAME=]FOLDER", help="folder with BreakHis")
    add("--magnification", default="100X", help="magnification of these pictures (default: 100X)")
    add("--folds", type=Path, metavar="RUN", help="cross-validated run on --data, with networks")
    add("--count", type=int, default=100, metavar="N", help="most pictures of --data (default: 100; 0: all)")
    add("--device", help="cpu, cuda, mps; default: the best there is")
    add("--out", type=Path, required=True, metavar="FOLDER", help="folder for the report")


def run(args: argparse.Namespace) -> int:
    """Measure and return the exit code.

    Raises:
        TissueError, DataError, LeakageError, WeightsError, ImageError: input that cannot be used.
        DiskError: output that cannot be written.
    """
    if not (args.fields or args.regions or args.data):
        raise TissueError("Give --fields, --regions or --data: there are no pictures to explain.")
    if args.folds and not args.data:
        raise TissueError("--folds needs --data: give the pictures that the run was trained on.")
    if args.count < 0:
        raise TissueError("--count is a number of pictures, or 0 for all.")
    args.out.mkdir(parents=True, exist_ok=True)
    files.check(args.out / TISSUE)
    began = time.perf_counter()
    report: TissueMaps = {
        "command": _command(args),
        "first": cam.DEFAULT_METHOD,
        "sets": dict(_sets(args)),
        "seconds": round(time.perf_counter() - began),
    }
    files.write((args.out / TISSUE).with_suffix(".md"), markdown(report))
    files.write(args.out / TISSUE, json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    for words in tissue_conclusions.answers(report).values():
        print(words)
    print(f"-> {(args.out / TISSUE).with_suffix('.md')}")
    return 0


def _sets(args: argparse.Namespace) -> Iterator[tuple[str, TissueSet]]:
    """Every kind of pictures that the arguments name, in the order of `tissue_sets.KINDS`."""
    explainer = Explainer.load(args.model, args.device) if args.fields or args.regions or not args.folds else None
    if args.fields and explainer:
        yield from _fields(explainer, *_named(args.fields))
    if args.regions and explainer:
        title, folder = _named(args.regions)
        with _bar(title, None) as bar:
            every = tissue_sets.regions(explainer, folder, bar.update)
        yield "regions", _set(title, "malignant regions, each resized to the area of a patch", every, _one(explainer))
    if args.data:
        yield "patches", _patches(args, explainer)


def _fields(explainer: Explainer, title: str, folder: Path) -> Iterator[tuple[str, TissueSet]]:
    fields = tissue_sets.field_files(folder)
    with _bar(f"{title}, whole fields", len(fields)) as bar:
        every = tissue_sets.whole_fields(explainer, fields, bar.update)
    words = f"whole fields, each as one picture at {CUT[0]} of its size"
    yield "fields", _set(title, words, every, _one(explainer))
    with _bar(f"{title}, parts", len(fields)) as bar:
        every = tissue_sets.crops(explainer, fields, bar.update)
    words = f"crops of the size of a patch, at {CUT[1]} of the fields' size"
    yield "crops", _set(f"{title} in parts", words, every, _one(explainer))


def _patches(args: argparse.Namespace, explainer: Explainer | None) -> TissueSet:
    title, folder = _named(args.data)
    dataset = datasets.read(folder, "breakhis", magnifications=tuple(args.magnification.split(",")))
    items = datasets.readable(dataset, 0).items
    if explainer and not args.folds:
        folds = [cases.Fold(explainer, items)]
        model = _one(explainer)
        model["words"] += ", which may have been trained on these pictures"
    else:
        folds = cases.folds(args.folds, items, args.device)
        model = {
            "words": f"the {len(folds)} networks of a patient-wise cross-validation, each on its held-out patients",
            "sha256": [fold.explainer.origin.sha256 for fold in folds if fold.explainer.origin],
        }
    share = -(-(args.count or len(items)) // len(folds))
    with _bar(title, None) as bar:
        every = [case for fold in folds for case in cases.patches(fold, share, bar.update)]
    return _set(title, f"malignant patches at {args.magnification}, spread over the patients", every, model)


def _set(title: str, words: str, every: Sequence[Case], model: Explained) -> TissueSet:
    if not every:
        raise TissueError(f"There are no malignant pictures in {title}.")
    with _bar(f"{title}: measuring", len(every)) as bar:
        measured = tissue_maps.measure(every, tick=bar.update)
    result = {
        "title": title,
        "words": words,
        "model": model,
        "count": len(every),
        "groups": len({case.group for case in every}),
        **asdict(measured),
    }
    return cast(TissueSet, result)


def _one(explainer: Explainer) -> Explained:
    sets = explainer.provenance.get("sources")
    titles = [str(one["title"]) for one in sets if "title" in one] if isinstance(sets, list) else []
    data = ", ".join(titles) or explainer.provenance.get("data", "unknown data")
    return {"words": f"one network, trained on {data}", "sha256": [explainer.origin.sha256] if explainer.origin else []}


def _named(text: str) -> tuple[str, Path]:
    """NAME=FOLDER, or a folder, which is named after itself."""
    name, equals, folder = text.partition("=")
    return (name, Path(folder)) if equals else (Path(text).resolve().name, Path(text))


def _command(args: argparse.Namespace) -> str:
    """Return the command that reproduces the report, with placeholders for paths."""
    given = [("--model", "WEIGHTS"), ("--fields", "FIELDS"), ("--regions", "REGIONS"), ("--data", "DATA")]
    flags = [f"{flag} {word}" for flag, word in [*given, ("--folds", "RUN")] if getattr(args, flag[2:])]
    count = [] if args.count == 100 else [f"--count {args.count}"]
    return " ".join(["python -m dala evaluate tissue", *flags, *count, "--out OUT"])


def _bar(description: str, total: int | None) -> "tqdm[Any]":
    return tqdm(desc=description, total=total, unit="picture", disable=None)
