"""`python -m dala trust`: ask of one picture's map whether it deserves trust."""

import argparse
import json
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dala import cam, files
from dala.explain.explainer import Explainer
from dala.trust import verdict as trust_verdict
from dala.trust.infill import BASELINES, DEFAULT_BASELINE

__all__ = ["add_arguments", "run"]

ABOUT = """Deletion and insertion beside two controls, random weights, and changes that mean nothing, for one map:

    python -m dala trust patch.png
    python -m dala trust patch.png --method layer_cam --baseline blur --json trust.json
"""
MARKS = {True: "+", False: "-", None: "?"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.description, parser.formatter_class = ABOUT, argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("image", type=Path, metavar="IMAGE", help="a picture")
    add("--model", metavar="SRC", help="folder, file, or user/repo[@revision]; default: the shipped weights")
    add("--target", metavar="CLASS", help="class to explain; default: the predicted one")
    quick = [name for name, m in cam.METHODS.items() if not m.reruns]
    add("--method", choices=quick, default="grad_cam", help="whose map (default: grad_cam)")
    add("--baseline", choices=list(BASELINES), default=DEFAULT_BASELINE, help="what hidden pixels become")
    add("--device", help="cpu, cuda, mps; default: the best there is")
    add("--json", type=Path, metavar="FILE", help="every number")


def run(args: argparse.Namespace) -> int:
    """Ask, and print the verdict; the exit code.

    Raises:
        ImageError, WeightsError, TargetError, TrustError, DiskError: what cannot be used or written.
    """
    if args.json:
        files.check(args.json)
    explainer = Explainer.load(args.model, args.device)
    explanation = explainer.explain(args.image, args.target, methods=(args.method,))
    with tqdm(unit="run", disable=None) as bar:
        found = trust_verdict.check(
            explainer, explanation, args.method, args.baseline, lambda d, t: _advance(bar, d, t)
        )
    verdict = trust_verdict.verdict(found)
    print(verdict.sentence)
    for reason in verdict.reasons:
        print(f"  {MARKS[reason.speaks_for]} {reason.check} {reason.words}")
    if args.json:
        files.write(args.json, json.dumps(trust_verdict.to_json(found), indent=1) + "\n")
    return 0


def _advance(bar: Any, done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)
