"""`dala evaluate explanations`: the benchmark of explanation methods."""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dala import files
from dala.benchmark import cases, conclusions, measures, plots
from dala.benchmark.measures import Case
from dala.benchmark.report import markdown
from dala.data import datasets
from dala.errors import DalaError
from dala.explain.explainer import Explainer
from dala.hub.study import Explained, GroundTruth, Study

__all__ = ["add_arguments", "run"]

ABOUT = """Measure every method and threshold rule where the ground truth is known, and conclude which to show first:

    python -m dala evaluate explanations --phantom runs/phantom --folds runs/dala --data BreaKHis_v1 --out weights
    python -m dala evaluate explanations --quick --out quick       (phantoms and the shipped weights, minutes)

--phantom is a network trained on phantoms, --folds a cross-validated run whose networks are explained on their held-out
patients. Writes explanations.json, explanations.md and its figures.
"""
# By ground truth: number of pictures that are explained, and of those that go through the tests of faithfulness, random
# weights and changes. Mosaics only test localization: hiding a part of one hides a whole patch.
COUNTS = {"phantom": (60, 8), "mosaic": (60, 0), "breakhis": (60, 8)}
QUICK = {"phantom": (12, 2), "mosaic": (10, 0), "breakhis": (10, 2)}
FILE = "explanations"


class StudyError(DalaError):
    """A benchmark without pictures, or with arguments that do not fit together."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description, parser.formatter_class = ABOUT, argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--phantom", metavar="WEIGHTS", help="network trained on phantoms; default: the shipped one")
    add("--folds", type=Path, metavar="RUN", help="cross-validated run with the networks of its first partition")
    add("--data", type=Path, help="folder with the run's pictures (BreakHis)")
    add("--magnification", default="100X", help="magnification of these pictures (default: 100X)")
    add("--quick", action="store_true", help="use fewer pictures; takes minutes without --folds")
    add("--device", help="cpu, cuda, mps; default: the best there is")
    add("--out", type=Path, required=True, metavar="FOLDER", help="folder for the report")


def run(args: argparse.Namespace) -> int:
    """Run the benchmark and return the exit code.

    Raises:
        StudyError, DataError, LeakageError, WeightsError: input that cannot be used.
        DiskError: output that cannot be written.
    """
    if bool(args.folds) != bool(args.data):
        raise StudyError("--folds and --data go together: give the run and the pictures that it was trained on.")
    args.out.mkdir(parents=True, exist_ok=True)
    files.check(args.out / f"{FILE}.json")
    began = time.perf_counter()
    counts = QUICK if args.quick else COUNTS
    truths = {"phantom": _phantoms(args, counts["phantom"])}
    if args.folds:
        truths |= _real(args, counts)
    report: Study = {
        "command": _command(args),
        "quick": args.quick,
        "answers": conclusions.answers(truths),
        "truths": truths,
        "seconds": round(time.perf_counter() - began),
    }
    _write(args.out, report)
    for key in ("threshold", "rule_words", "areas", "first_words"):
        print(report["answers"][key])
    print(f"-> {args.out / FILE}.md")
    return 0


def _phantoms(args: argparse.Namespace, counts: tuple[int, int]) -> GroundTruth:
    explainer = Explainer.load(args.phantom, args.device)
    with _bar("phantoms", counts[0]) as bar:
        phantoms = cases.phantoms(explainer, counts[0], bar.update)
    data = explainer.provenance.get("data", "unknown data")
    model: Explained = {"words": f"a network trained on {data}", "sha256": _sha([explainer])}
    return _truth("phantom", phantoms, counts[1], model)


def _real(args: argparse.Namespace, counts: dict[str, tuple[int, int]]) -> dict[str, GroundTruth]:
    dataset = datasets.read(args.data, "breakhis", magnifications=tuple(args.magnification.split(",")))
    folds = cases.folds(args.folds, datasets.readable(dataset, 0).items, args.device)
    model: Explained = {
        "words": f"the {len(folds)} networks of a patient-wise cross-validation, each on its held-out patients",
        "sha256": _sha([fold.explainer for fold in folds]),
    }
    truths: dict[str, GroundTruth] = {}
    for name, make in (("mosaic", cases.mosaics), ("breakhis", cases.patches)):
        share = -(-counts[name][0] // len(folds))
        with _bar(name, share * len(folds)) as bar:
            every = [case for fold in folds for case in make(fold, share, tick=bar.update)]
        truths[name] = _truth(name, every, counts[name][1], model)
    return truths


def _truth(name: str, every: Sequence[Case], tested: int, model: Explained) -> GroundTruth:
    """Measure the cases of one ground truth; `tested` of them, spread over the folds, go through the slow tests."""
    if not every:
        raise StudyError(f"There are no pictures for {conclusions.TRUTHS[name]}; check --folds and --data.")
    tested = min(tested, len(every))
    some = [every[i * len(every) // tested] for i in range(tested)]
    result: GroundTruth = {"model": model, "count": len(every), "groups": len({c.group for c in every})}
    if every[0].mask is not None:
        result |= {"localisation": measures.localisation(every), "thresholds": measures.thresholds(every)}
    result["areas"] = measures.areas(every)
    if not some:
        return result
    with _bar(f"{name}: hidden parts, random weights, changes", 3 * len(some)) as bar:
        result["faithfulness"] = measures.faithfulness(some, tick=bar.update)
        result["sanity"] = measures.sanity(some, bar.update)
        result["stability"] = measures.stability(some, bar.update)
    return result


def _sha(explainers: Sequence[Explainer]) -> list[str]:
    return [e.origin.sha256 for e in explainers if e.origin]


def _command(args: argparse.Namespace) -> str:
    """Return the command that reproduces the report, with placeholders for paths."""
    options = [("--phantom", "PHANTOM" if args.phantom else None), ("--folds", "RUN" if args.folds else None)]
    options += [("--data", "DATA" if args.data else None)]
    flags = [f"{flag} {value}" for flag, value in options if value]
    return " ".join(["python -m dala evaluate explanations", *flags, *(["--quick"] if args.quick else []), "--out OUT"])


def _write(folder: Path, report: Study) -> None:
    pictures = plots.draw(report, folder)
    links = "".join(f"\n![{alt}]({name})\n" for name, alt in pictures.items())
    files.write(folder / f"{FILE}.md", markdown(report) + links)
    # Written last: the app shows a report as soon as this file exists.
    files.write(folder / f"{FILE}.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def _bar(description: str, total: int) -> "tqdm[Any]":
    return tqdm(desc=description, total=total, unit="picture", disable=None)
