"""`python -m dala evaluate explanations`."""

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

__all__ = ["add_arguments", "run"]

ABOUT = """Measure every method and rule on truth that is known, and answer what to show first:

    python -m dala evaluate explanations --phantom runs/phantom --folds runs/dala --data BreaKHis_v1 --out weights
    python -m dala evaluate explanations --quick --out quick       (phantoms and the shipped weights, minutes)

--phantom is a network trained on phantoms, --folds a cross-validated run whose folds explain the patients that they
never saw. Writes explanations.json, explanations.md and the plots beside it.
"""
# Pictures a truth: (explained, of these asked what the network says of hidden parts, random weights and changes). Of a
# mosaic its place alone is asked: what hides a part of it hides a whole patch.
COUNTS = {"phantom": (60, 8), "mosaic": (60, 0), "breakhis": (60, 8)}
QUICK = {"phantom": (12, 2), "mosaic": (10, 0), "breakhis": (10, 2)}
FILE = "explanations"


class StudyError(DalaError):
    """A study that has nothing to look at, or nowhere to write."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.description, parser.formatter_class = ABOUT, argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--phantom", metavar="WEIGHTS", help="a network trained on phantoms; default: the shipped one")
    add("--folds", type=Path, metavar="RUN", help="a cross-validated run with its first partition's networks")
    add("--data", type=Path, help="the pictures that the run was trained on (BreakHis)")
    add("--magnification", default="100X", help="of them (default: 100X)")
    add("--quick", action="store_true", help="fewer pictures; without --folds, minutes")
    add("--device", help="cpu, cuda, mps; default: the best there is")
    add("--out", type=Path, required=True, metavar="FOLDER", help="folder for the report")


def run(args: argparse.Namespace) -> int:
    """Run the study; the exit code.

    Raises:
        StudyError, DataError, LeakageError, WeightsError, DiskError: what cannot be used or written.
    """
    if bool(args.folds) != bool(args.data):
        raise StudyError("--folds and --data go together: the run, and the pictures that it was trained on.")
    args.out.mkdir(parents=True, exist_ok=True)
    files.check(args.out / f"{FILE}.json")
    began = time.perf_counter()
    counts = QUICK if args.quick else COUNTS
    truths = {"phantom": _phantoms(args, counts["phantom"])}
    if args.folds:
        truths |= _real(args, counts)
    report = {
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


def _phantoms(args: argparse.Namespace, counts: tuple[int, int]) -> dict[str, Any]:
    explainer = Explainer.load(args.phantom, args.device)
    with _bar("phantoms", counts[0]) as bar:
        found = cases.phantoms(explainer, counts[0], bar.update)
    trained = explainer.provenance.get("data", "unknown data")
    return _truth(
        "phantom", found, counts[1], {"words": f"a network trained on {trained}", "sha256": _sha([explainer])}
    )


def _real(args: argparse.Namespace, counts: dict[str, tuple[int, int]]) -> dict[str, Any]:
    dataset = datasets.read(args.data, "breakhis", magnifications=tuple(args.magnification.split(",")))
    folds = cases.folds(args.folds, datasets.readable(dataset, 0).items, args.device)
    model = {
        "words": f"the {len(folds)} networks of a patient-wise cross-validation, each on patients that it never saw",
        "sha256": _sha([fold.explainer for fold in folds]),
    }
    truths = {}
    for name, make in (("mosaic", cases.mosaics), ("breakhis", cases.patches)):
        share = -(-counts[name][0] // len(folds))
        with _bar(name, share * len(folds)) as bar:
            found = [case for fold in folds for case in make(fold, share, tick=bar.update)]
        truths[name] = _truth(name, found, counts[name][1], model)
    return truths


def _truth(name: str, found: Sequence[Case], asked: int, model: dict[str, Any]) -> dict[str, Any]:
    if not found:
        raise StudyError(f"There are no pictures for {conclusions.TRUTHS[name]}.")
    # Spread over the folds.
    asked = min(asked, len(found))
    some = [found[i * len(found) // asked] for i in range(asked)]
    told: dict[str, Any] = {"model": model, "count": len(found), "groups": len({c.group for c in found})}
    if found[0].mask is not None:
        told |= {"localisation": measures.localisation(found), "thresholds": measures.thresholds(found)}
    told["areas"] = measures.areas(found)
    if not some:
        return told
    with _bar(f"{name}: hidden parts, random weights, changes", 3 * len(some)) as bar:
        told["faithfulness"] = measures.faithfulness(some, tick=bar.update)
        told["sanity"] = measures.randomised(some, bar.update)
        told["stability"] = measures.stays(some, bar.update)
    return told


def _sha(explainers: Sequence[Explainer]) -> list[str]:
    return [e.origin.sha256 for e in explainers if e.origin]


def _command(args: argparse.Namespace) -> str:
    """What makes it again, but for the reader's own paths."""
    given = [("--phantom", "PHANTOM" if args.phantom else None), ("--folds", "RUN" if args.folds else None)]
    given += [("--data", "DATA" if args.data else None)]
    flags = [f"{flag} {value}" for flag, value in given if value]
    return " ".join(["python -m dala evaluate explanations", *flags, *(["--quick"] if args.quick else []), "--out OUT"])


def _write(folder: Path, report: dict[str, Any]) -> None:
    pictures = plots.draw(report, folder)
    links = "".join(f"\n![{alt}]({name})\n" for name, alt in pictures.items())
    files.write(folder / f"{FILE}.md", markdown(report) + links)
    # Last: where it lies, the app shows it.
    files.write(folder / f"{FILE}.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def _bar(words: str, total: int) -> "tqdm[Any]":
    return tqdm(desc=words, total=total, unit="picture", disable=None)
