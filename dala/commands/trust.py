"""`python -m dala trust`: check one picture's map, and print a verdict."""

import argparse
import json
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dala import cam, files
from dala.explain.explainer import Explainer
from dala.trust import verdict as trust_verdict
from dala.trust.infill import DEFAULT_INFILL, INFILLS

__all__ = ["add_arguments", "run"]

ABOUT = """Check one map: deletion and insertion against two controls, randomized weights, and harmless perturbations:

    python -m dala trust patch.png
    python -m dala trust patch.png --method layer_cam --baseline blur --json trust.json
"""
MARKS = {True: "+", False: "-", None: "?"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `run`."""
    parser.description, parser.formatter_class = ABOUT, argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("image", type=Path, metavar="IMAGE", help="image file")
    add("--model", metavar="SRC", help="folder, file, or user/repo[@revision] (default: the shipped weights)")
    add("--target", metavar="CLASS", help="class to explain (default: the predicted class)")
    quick = [name for name, m in cam.METHODS.items() if not m.reruns]
    add("--method", choices=quick, default=cam.DEFAULT_METHOD, help="CAM method (default: %(default)s)")
    add("--baseline", choices=list(INFILLS), default=DEFAULT_INFILL,
        help="what replaces hidden pixels (default: %(default)s)")  # fmt: skip
    add("--device", help="cpu, cuda or mps (default: the best one available)")
    add("--json", type=Path, metavar="FILE", help="write every number to this file")


def run(args: argparse.Namespace) -> int:
    """Run the checks and print the verdict; returns the exit code.

    Raises:
        ImageError, WeightsError, TargetError, TrustError, DiskError: a picture, weights, a class or a map that cannot
            be used, or a file that cannot be written.
    """
    if args.json:
        files.check(args.json)
    explainer = Explainer.load(args.model, args.device)
    explanation = explainer.explain(args.image, args.target, methods=(args.method,))
    with tqdm(unit="run", disable=None) as bar:
        result = trust_verdict.check(
            explainer, explanation, args.method, args.baseline, lambda d, t: _advance(bar, d, t)
        )
    verdict = trust_verdict.verdict(result)
    print(verdict.sentence)
    for reason in verdict.reasons:
        print(f"  {MARKS[reason.speaks_for]} {reason.check} {reason.words}")
    if args.json:
        files.write(args.json, json.dumps(trust_verdict.to_json(result), indent=1) + "\n")
    return 0


def _advance(bar: Any, done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)
