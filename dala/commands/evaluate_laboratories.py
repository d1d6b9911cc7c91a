"""`dala evaluate laboratories`: recipes on patients held out and on laboratories held out."""

import argparse
import json
from pathlib import Path

from dala import files
from dala.evaluation import plots_laboratories
from dala.hub import laboratories as hub_laboratories
from dala.hub.layout import LABORATORIES
from dala.markdown import table as markdown_table
from dala.publishing import card_notes, laboratories, laboratories_text
from dala.publishing.runs import PublicationError

__all__ = ["add_arguments", "run"]

ABOUT = """Collect the scores of recipes on patients held out, on laboratories held out and on acquisition shifts:

    python -m dala evaluate laboratories --row runs/dala runs/dala-without-tiles --row runs/colour \\
        runs/colour-without-tiles --row "earlier recipe=runs/earlier" --out weights

Each --row is a recipe, the published one first: the run that is scored on held-out patients, with what it scored in
its folders `shifts` and `laboratories`; then runs of the recipe that were trained without a laboratory, or folders that
`dala evaluate` wrote. Writes laboratories.json and laboratories.png, which `dala report` puts into the model card.
"""
FIGURE = "laboratories"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `run` reads."""
    parser.description, parser.formatter_class = ABOUT, argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--row", action="append", nargs="+", required=True, metavar="[TITLE=]RUN", help="a recipe; repeat the option")
    add("--bootstrap", type=int, default=1000, metavar="N", help="bootstrap resamples of the patients (default: 1000)")
    add("--out", type=Path, required=True, metavar="FOLDER", help="folder of the weights")


def run(args: argparse.Namespace) -> int:
    """Write the table, print its AUCs, and return the exit code.

    Raises:
        PublicationError, ReportError, PredictionsError, CardNotesError: input that cannot be used.
        DiskError: output that cannot be written.
    """
    rows = []
    for first, *others in args.row:
        title, sign, folder = first.rpartition("=")
        if sign and not title:
            raise PublicationError(f"--row {first}: write the title before the sign, as in TITLE=RUN.")
        rows.append(laboratories.read([Path(p) for p in (folder, *others)], title or None))
    table = laboratories.assemble(rows, _command(args), args.bootstrap)
    args.out.mkdir(parents=True, exist_ok=True)
    notes = card_notes.read(args.out / card_notes.FILE)
    write(table, notes, args.out)
    head, body = laboratories_text.cells(table, "auc", notes)
    print(markdown_table(head, body))
    for sentence in laboratories_text.lesson(*laboratories_text.points(table, notes)):
        print(sentence)
    print(f"-> {args.out / LABORATORIES}")
    return 0


def write(table: hub_laboratories.Laboratories, notes: card_notes.CardNotes, folder: Path) -> None:
    """Write the table, and the figure of home against outside where there is something to draw.

    Raises:
        DiskError: a folder that cannot be written to.
    """
    drawn, _ = laboratories_text.points(table, notes)
    file = folder / f"{FIGURE}.png"
    if len(drawn) > 1:
        places = {point.title: (point.value, point.outside) for point in drawn}
        files.write(file, plots_laboratories.home_outside(places))
    else:
        file.unlink(missing_ok=True)
    # Written last: the app shows a table as soon as this file exists.
    files.write(folder / LABORATORIES, json.dumps(table, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _command(args: argparse.Namespace) -> str:
    """Return the command that reproduces the table, with the runs' names for their paths."""
    rows = []
    for first, *others in args.row:
        title, sign, folder = first.rpartition("=")
        names = [Path(folder).name, *(Path(p).name for p in others)]
        rows.append(" ".join(["--row", f'"{title}={names[0]}"' if sign else names[0], *names[1:]]))
    return " ".join(["python -m dala evaluate laboratories", *rows, "--out OUT"])
