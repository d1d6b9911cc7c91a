"""`dala data crops`: cut fields with outlined tumour into a labelled set."""

import argparse
from pathlib import Path

from dala.data import fields

__all__ = ["HELP", "add_arguments", "run"]

HELP = "cut fields with outlined tumour into crops, rich against poor in tumour"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `run` reads."""
    parser.description = (
        f"{HELP[0].upper()}{HELP[1:]}: at least {fields.RICH:.0%} of it, or at most {fields.POOR:.0%}. The folder that "
        "is written has a source file of its own, for `dala train --score-on` and `dala evaluate --data`."
    ).replace("%", "%%")
    parser.add_argument("source", type=Path, metavar="SOURCE", help="source file of the fields")
    parser.add_argument("--root", type=Path, default=Path(), help="of the folder in the source file (default: this)")
    parser.add_argument("--side", type=int, default=224, metavar="PX", help="at the training scale (default: 224)")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder")


def run(args: argparse.Namespace) -> int:
    """Write the crops, print their numbers, and return the exit code.

    Raises:
        DataError: fields that cannot be used.
        DiskError: no room, or no permission.
    """
    for field, count in fields.write(args.source, args.root, args.side, args.out).items():
        print(f"{field}: " + ", ".join(f"{n} {kind}" for kind, n in count.items()))
    print(f"-> {args.out / fields.SOURCE}")
    return 0
