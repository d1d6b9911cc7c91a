"""`python -m dala explain`: Grad-CAM and DT Grad-CAM of pictures, as files."""

import argparse
import os
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dala.commands import refuse
from dala.heatmaps import thresholds

if TYPE_CHECKING:
    from dala.explain.explainer import Explainer

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m dala explain`."""
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="pictures, or folders of pictures")
    parser.add_argument("--out", type=Path, required=True, help="folder; one sub-folder per picture is made in it")
    parser.add_argument(
        "--model", metavar="SRC", help="folder, file, or user/repo[@revision]; default: the shipped weights"
    )
    parser.add_argument("--target", metavar="CLASS", help="class to explain; default: the predicted one")
    parser.add_argument("--over", metavar="CLASS", help="explain the margin of --target over this class")
    parser.add_argument("--evidence", choices=("for", "against"), default="for")
    parser.add_argument("--methods", nargs="+", metavar="METHOD", default=["grad_cam"], help="names of CAM methods")
    parser.add_argument("--layer", help="stem, layer1 to layer4, or attention (the default)")
    parser.add_argument("--rule", choices=list(thresholds.RULES), default=thresholds.DEFAULT_RULE)
    parser.add_argument("--strength", type=float, metavar="K", help="the rule's control; default: the rule's own")
    parser.add_argument("--device", help="cpu, cuda, mps; default: the best there is")
    parser.add_argument("--overwrite", action="store_true", help="in folders, do finished pictures again")
    parser.add_argument("--workers", type=_count, default=1, help="in folders, processes that decode (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Explain the pictures; the exit code."""
    from dala.explain.explainer import Explainer

    thresholds.check(args.rule, args.strength)
    if args.over and not args.target:
        return refuse("--over needs --target, the class whose margin is explained.")
    explainer = Explainer.load(args.model, args.device)
    options = {
        "target": (args.target, args.over) if args.over else args.target,
        "methods": args.methods,
        "layer": args.layer,
        "evidence": args.evidence,
    }
    explainer.check(**options)
    if sum(image.is_dir() for image in args.images) > 1:
        return refuse("Give one folder at a time: each needs an --out of its own.")
    used: set[str] = set()
    return max(
        _explain_folder(args, image, explainer, options)
        if image.is_dir()
        else _explain_one(args, image, explainer, options, used)
        for image in args.images
    )


def _explain_one(
    args: argparse.Namespace, image: Path, explainer: "Explainer", options: dict[str, Any], used: set[str]
) -> int:
    from tqdm import tqdm

    from dala import cam, files
    from dala.explain import export
    from dala.images.preprocessing import ImageError

    # Minutes of a method that reruns the network, with an estimate of how many are left; Ctrl-C cancels.
    hidden = None if any(cam.METHODS[m].reruns for m in options["methods"]) else True
    try:
        with tqdm(unit="run", disable=hidden) as bar:
            explanation = explainer.explain(image, **options, progress=lambda done, total: _advance(bar, done, total))
    except ImageError as error:
        return refuse(f"{image}: {error}")
    names = (image.stem if n == 1 else f"{image.stem}-{n}" for n in count(1))
    used.add(name := next(n for n in names if n not in used))
    folder = args.out / name
    files.write_all(folder, export.files(explanation, explainer, args.rule, args.strength))
    if explanation.warning:
        print(f"{image}: {explanation.warning}", file=sys.stderr)
    told = " ".join(f"{name} {p:.3f}" for name, p in explanation.probabilities.items())
    print(f"{image}: {explanation.words()} ({told}) -> {folder}")
    return 0


def _advance(bar: Any, done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)


def _explain_folder(args: argparse.Namespace, root: Path, explainer: "Explainer", options: dict[str, Any]) -> int:
    from dala.explain.folder import Job, explain_folder

    # Set by torchrun: every machine does its share.
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    job = Job(root, args.out, options, args.rule, args.strength, args.overwrite, args.workers, rank, world)
    errors = explain_folder(explainer, job)
    for name, sentence in errors.items():
        refuse(f"{root / name}: {sentence}")
    print(f"{root} -> {args.out}")
    # Under torchrun a failing process ends all the others: the summary tells of broken files instead.
    return 2 if errors and world == 1 else 0


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes")
    return int(text)
