"""`python -m dala explain`: Grad-CAM and DT Grad-CAM of images, as files."""

import argparse
import os
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dala.cam import DEFAULT_METHOD
from dala.commands import refuse
from dala.heatmaps import thresholds

if TYPE_CHECKING:
    from dala.explain.explainer import Explainer, Question

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m dala explain`."""
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="pictures, or folders of pictures")
    parser.add_argument("--out", type=Path, required=True, help="folder; results of each picture go to a sub-folder")
    parser.add_argument(
        "--model", metavar="SRC", help="folder, file, or user/repo[@revision]; default: the shipped weights"
    )
    parser.add_argument("--target", metavar="CLASS", help="class to explain; default: the predicted one")
    parser.add_argument("--over", metavar="CLASS", help="explain the margin of --target over this class")
    parser.add_argument("--evidence", choices=("for", "against"), default="for")
    parser.add_argument("--methods", nargs="+", metavar="METHOD", default=[DEFAULT_METHOD], help="names of CAM methods")
    parser.add_argument("--layer", help="stem, layer1 to layer4, or attention (the default)")
    parser.add_argument("--rule", choices=list(thresholds.RULES), default=thresholds.DEFAULT_RULE)
    parser.add_argument("--strength", type=float, metavar="K", help="the rule's control; default: the rule's own")
    parser.add_argument("--device", help="cpu, cuda, mps; default: the best available")
    parser.add_argument("--overwrite", action="store_true", help="in folders, explain finished pictures again")
    parser.add_argument(
        "--recentre", action="store_true",
        help="of a folder with ten or more pictures of one laboratory: also probabilities whose offset is taken from "
        "their own mean, which assumes that about half are malignant",
    )  # fmt: skip
    parser.add_argument("--workers", type=_count, default=1, help="in folders, processes that decode (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Explain the pictures; the exit code."""
    from dala.explain.explainer import Explainer, Question

    thresholds.check(args.rule, args.strength)
    if args.over and not args.target:
        return refuse("--over needs --target, the class whose margin is explained.")
    if args.recentre and not any(image.is_dir() for image in args.images):
        return refuse("--recentre takes the offset from a folder of pictures of one laboratory: name the folder.")
    explainer = Explainer.load(args.model, args.device)
    target = (args.target, args.over) if args.over else args.target
    question = Question(target, args.methods, args.layer, args.evidence)
    explainer.check(question)
    if sum(image.is_dir() for image in args.images) > 1:
        return refuse("Give one folder at a time: each needs an --out of its own.")
    used: set[str] = set()
    return max(
        _explain_folder(args, image, explainer, question)
        if image.is_dir()
        else _explain_one(args, image, explainer, question, used)
        for image in args.images
    )


def _explain_one(
    args: argparse.Namespace, image: Path, explainer: "Explainer", question: "Question", used: set[str]
) -> int:
    from tqdm import tqdm

    from dala import cam, files
    from dala.explain import export
    from dala.images.preprocessing import ImageError

    # Methods that rerun the network take minutes: show the time left. Ctrl-C cancels.
    hidden = None if any(cam.METHODS[m].reruns for m in question.methods) else True
    try:
        with tqdm(unit="run", disable=hidden) as bar:
            explanation = explainer.explain(image, question, progress=lambda done, total: _advance(bar, done, total))
    except ImageError as error:
        return refuse(f"{image}: {error}")
    names = (image.stem if n == 1 else f"{image.stem}-{n}" for n in count(1))
    used.add(name := next(n for n in names if n not in used))
    folder = args.out / name
    files.write_all(folder, export.files(explanation, explainer, args.rule, args.strength))
    if explanation.warning:
        print(f"{image}: {explanation.warning}", file=sys.stderr)
    probabilities = " ".join(f"{name} {p:.3f}" for name, p in explanation.probabilities.items())
    print(f"{image}: {explanation.words()} ({probabilities}) -> {folder}")
    if explanation.shift:
        print(f"{image}: {explanation.shift}")
    return 0


def _advance(bar: Any, done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)


def _explain_folder(args: argparse.Namespace, root: Path, explainer: "Explainer", question: "Question") -> int:
    from dala.explain import recentring
    from dala.explain.folder import Job, explain_folder, shifted

    # Set by torchrun: each process explains its share.
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    rule = args.rule, args.strength
    job = Job(root, args.out, question, *rule, args.overwrite, args.recentre, args.workers, rank, world)
    errors = explain_folder(explainer, job)
    for name, sentence in errors.items():
        refuse(f"{root / name}: {sentence}")
    print(f"{root} -> {args.out}")
    if world == 1 and (count := shifted(job)):
        print(recentring.notice(count, explainer.class_names, args.recentre))
    # Under torchrun, a process that fails ends all others: broken files are listed in the summary alone.
    return 2 if errors and world == 1 else 0


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes")
    return int(text)
