"""`python -m dala report`."""

import argparse
from pathlib import Path
from typing import Any

from dala.hub.scores import Scores
from dala.publishing import card_notes, run_report
from dala.publishing.run_report import Publication

__all__ = ["add_arguments", "add_run_arguments", "print_scores", "run"]

ABOUT = """Write the report and the model card of a cross-validated run, compared with other runs:

    python -m dala report runs/dala --beside runs/resnet50 runs/colour --image-wise runs/image \\
        --image-wise-beside runs/image-colour --choice runs/inner-a runs/inner-b --out published

card.json in the folder that is written names runs, describes initial weights and says how pictures were prepared.
After editing it, generate the card again from the report that is there already:

    python -m dala report --card-only --out published
"""
SHOWN = ("auc", "balanced_accuracy", "accuracy", "patient_auc", "patient_score", "brier", "ece")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `run` reads."""
    parser.description, parser.formatter_class = ABOUT, argparse.RawDescriptionHelpFormatter
    add_run_arguments(parser)
    add = parser.add_argument
    add("--card-only", action="store_true", help="write README.md in --out again, from its report.json and card.json")
    add("--bootstrap", type=int, default=1000, metavar="N", help="bootstrap resamples of the patients (default: 1000)")
    add("--out", type=Path, required=True, metavar="FOLDER", help="output folder")


def add_run_arguments(parser: argparse.ArgumentParser, hidden: bool = False) -> None:
    """Add the options that name runs, `hidden` from the help where `evaluate` still accepts them."""

    def add(*names: str, text: str, **options: Any) -> None:
        parser.add_argument(*names, help=argparse.SUPPRESS if hidden else text, **options)

    runs: dict[str, Any] = {"nargs": "+", "type": Path, "default": [], "metavar": "RUN"}
    add("run", nargs="?", type=Path, metavar="RUN", text="folder of the run, as `train` writes it")
    add("--beside", **runs, text="other networks and baselines on the same split")
    add("--image-wise", type=Path, metavar="RUN", text="the same network, split by image")
    add("--image-wise-beside", type=Path, metavar="RUN", text="colour alone, split by image")
    add("--choice", **runs, text="candidates of the recipe: runs with `--inner`")
    add("--why", default="", metavar="TEXT", text="sentences about the choice, for the card")


def run(args: argparse.Namespace) -> int:
    """Write report, figures, splits and card; the exit code.

    Raises:
        PublicationError, PredictionsError, CompareError, CardNotesError: input that cannot be used, or output that
            cannot be written.
    """
    notes = card_notes.read(args.out / card_notes.FILE)
    if getattr(args, "card_only", False):
        run_report.write_card(args.out, notes)
        return 0
    if not args.run:
        raise run_report.PublicationError("Name the RUN to report, a folder that `dala train` wrote.")
    runs = Publication(
        run_report.read(args.run),
        [run_report.read(folder) for folder in args.beside],
        run_report.read(args.image_wise) if args.image_wise else None,
        run_report.read(args.image_wise_beside) if args.image_wise_beside else None,
        [run_report.read(folder) for folder in args.choice],
        args.why,
        notes,
    )
    report = run_report.assemble(runs, args.bootstrap)
    run_report.write(runs, report, args.out)
    print_scores(report["scores"])
    return 0


def print_scores(scores: Scores) -> None:
    """Print the main scores of a report with their 95 % intervals."""
    patients = "the patients are not known" if scores["patients"] is None else f"{scores['patients']} patients"
    print(f"{scores['images']} pictures, {patients}; partitions: {scores['partitions']}, folds: {scores['folds']}")
    for name in SHOWN:
        if scores["patients"] is None and name.startswith("patient_"):
            continue
        value, low, high = scores["figures"][name]
        text = "not defined" if value is None else f"{value:.3f}"
        interval = "" if low is None else f"  [{low:.3f}, {high:.3f}]"
        print(f"{name.replace('_', ' '):18} {text}{interval}")
