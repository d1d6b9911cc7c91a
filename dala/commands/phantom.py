"""`python -m dala phantom`: a labelled set of synthetic patches with masks of lesions and decoys."""

import argparse
import os
import re
from pathlib import Path

from dala.phantoms import dataset
from dala.phantoms.artifacts import DECOYS
from dala.phantoms.phantom import LABELS, SIZE

__all__ = ["add_arguments", "run"]

ABOUT = """Draw synthetic H&E-like patches with one lesion each, and masks of lesions and decoys.

    python -m dala phantom --n 200 --out phantoms
    python -m dala phantom --n 200 --out inked --decoy ink --decoy-class malignant

Overall stain and the number of nuclei do not depend on the class. A decoy does, although it is not evidence of it: maps
show whether a network uses the decoy.
"""
SMALLEST, LARGEST, MOST = 64, 4096, 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `python -m dala phantom`."""
    parser.description, parser.formatter_class = ABOUT, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--n", type=_count, required=True, help="pictures, alternately benign and malignant")
    parser.add_argument("--out", type=Path, required=True, help="new folder; masks are written to <OUT>_masks")
    parser.add_argument("--seed", type=_seed, default=0, help="of the first picture (default: 0)")
    parser.add_argument("--size", type=_size, default=SIZE, metavar="WxH", help="pixels (default: 700x460)")
    parser.add_argument("--decoy", choices=list(DECOYS), help="add a decoy to one class (default: none)")
    parser.add_argument(
        "--decoy-class", choices=LABELS, default="malignant", help="the class with the decoy (default: malignant)"
    )
    parser.add_argument(
        "--weak", action="store_true", help="labels of slides, not patches: every second malignant patch has no focus"
    )
    parser.add_argument(
        "--workers", type=_workers, default=os.cpu_count() or 1, help="processes that draw (default: one a core)"
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Draw and write the set; return the exit code.

    Raises:
        DataError: the folder is not empty.
        DiskError: the folder cannot be written.
    """
    recipe = dataset.Recipe(args.n, args.seed, args.size, args.decoy, args.decoy_class, args.weak)
    dataset.make_folder(args.out, recipe, args.workers)
    print(f"{args.n} phantoms -> {args.out}, their masks -> {args.out}_masks")
    return 0


def _count(text: str) -> int:
    return _number(text, 2, MOST, "a number of pictures")


def _seed(text: str) -> int:
    return _number(text, 0, 2**31, "a seed")


def _workers(text: str) -> int:
    return _number(text, 0, 256, "a number of processes")


def _number(text: str, low: int, high: int, what: str) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what} from {low} to {high}")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)[x×](\d+)", text)
    width, height = (int(n) for n in match.groups()) if match else (0, 0)
    if not SMALLEST <= min(width, height) <= max(width, height) <= LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT from {SMALLEST} to {LARGEST}")
    return width, height
