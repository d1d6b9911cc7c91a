"""`dala compare`: compare cross-validated runs."""

import argparse
import json
from pathlib import Path

from dala import files
from dala.evaluation.comparison import CompareError, compare, markdown
from dala.evaluation.predictions import Predictions
from dala.hub import report
from dala.hub.layout import PREDICTIONS, REPORT

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders with a predictions.csv")
    parser.add_argument(
        "--against", type=Path, metavar="RUN", help="run against which the others are tested; default: first"
    )
    parser.add_argument(
        "--bootstrap", type=int, default=1000, metavar="N", help="resamples of patients (default: 1000)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table to this file")


def run(args: argparse.Namespace) -> int:
    """Print the table of the runs and write the files that the arguments name; return the exit code.

    Raises:
        CompareError, MetricsError, PredictionsError, ReportError: runs that cannot be read or compared.
        DiskError: files that cannot be written.
    """
    against = args.against or args.runs[0]
    folders = list(dict.fromkeys(folder.resolve() for folder in (*args.runs, against)))
    reported = [_title(folder) for folder in folders]
    # Runs of one network have the same title: their folders' names tell them apart.
    titles = {f: f.name if reported.count(title) > 1 else title for f, title in zip(folders, reported, strict=True)}
    by_title = {title: folder for folder, title in titles.items()}
    if len(by_title) < len(folders):
        twice = next(f for f in folders if by_title[titles[f]] != f)
        raise CompareError(f"{twice} and {by_title[titles[twice]]} are both called {titles[twice]}; rename one folder.")
    predictions = {titles[folder]: Predictions.read(folder / PREDICTIONS) for folder in folders}
    result = compare(predictions, titles[against.resolve()], args.bootstrap)
    table = markdown(result)
    contents = {args.json: json.dumps(result, indent=2, ensure_ascii=False) + "\n", args.markdown: table}
    for file, content in contents.items():
        if file:
            files.write(file, content)
    print(table, end="")
    return 0


def _title(folder: Path) -> str:
    file = folder / REPORT
    return (report.read(file).get("title") if file.exists() else None) or folder.name
