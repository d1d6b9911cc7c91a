"""`python -m dala explain | train`. Bad input: one sentence on stderr, exit code 2."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from itertools import count
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from dala import threshold
from dala.errors import DalaError

if TYPE_CHECKING:
    from dala.explain import Explainer

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dala", description="Explain breast tissue patches, or train.")
    commands = parser.add_subparsers(dest="command", required=True)
    _explain_parser(commands.add_parser("explain", help="Grad-CAM and DT Grad-CAM of pictures, as files"))
    # Training needs more packages than the app: only the person who trains must have them.
    given = list(sys.argv[1:] if arguments is None else arguments)
    training = commands.add_parser("train", help="train a DALAResNet50", add_help="train" not in given[:1])
    if given[:1] == ["train"]:
        try:
            _train_parser(training)
        except ModuleNotFoundError as error:
            return _refuse(f"Training needs {error.name}: pip install -r requirements-train.txt")
    args = parser.parse_args(given)
    try:
        return int(args.run(args))
    except DalaError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return _refuse("Interrupted.", 130)


def _explain_parser(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument("--rule", choices=list(threshold.RULES), default=threshold.DEFAULT_RULE)
    parser.add_argument("--strength", type=float, metavar="K", help="the rule's control; default: the rule's own")
    parser.add_argument("--device", help="cpu, cuda, mps; default: the best there is")
    parser.add_argument("--overwrite", action="store_true", help="in folders, do finished pictures again")
    parser.add_argument("--workers", type=_count, default=1, help="in folders, processes that decode (default: 1)")
    parser.set_defaults(run=_explain)


def _explain(args: argparse.Namespace) -> int:
    from dala.explain import Explainer

    threshold.check(args.rule, args.strength)
    if args.over and not args.target:
        return _refuse("--over needs --target, the class whose margin is explained.")
    explainer = Explainer.load(args.model, args.device)
    options = {
        "target": (args.target, args.over) if args.over else args.target,
        "methods": args.methods,
        "layer": args.layer,
        "evidence": args.evidence,
    }
    explainer.check(**options)
    if sum(image.is_dir() for image in args.images) > 1:
        return _refuse("Give one folder at a time: each needs an --out of its own.")
    used: set[str] = set()
    try:
        results = [
            _explain_folder(args, image, explainer, options)
            if image.is_dir()
            else _explain_one(args, image, explainer, options, used)
            for image in args.images
        ]
    except OSError as error:
        return _refuse(f"{error.filename or args.out}: {error.strerror}.")
    return max(results)


def _explain_one(
    args: argparse.Namespace, image: Path, explainer: "Explainer", options: dict[str, Any], used: set[str]
) -> int:
    from tqdm import tqdm

    from dala import cam, export
    from dala.images import ImageError

    # Minutes of a method that reruns the network, with an estimate of how many are left; Ctrl-C cancels.
    hidden = None if any(cam.METHODS[m].reruns for m in options["methods"]) else True
    try:
        with tqdm(unit="run", disable=hidden) as bar:
            explanation = explainer.explain(image, **options, progress=lambda done, total: _advance(bar, done, total))
    except ImageError as error:
        return _refuse(f"{image}: {error}")
    names = (image.stem if n == 1 else f"{image.stem}-{n}" for n in count(1))
    used.add(name := next(n for n in names if n not in used))
    folder = args.out / name
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in export.files(explanation, explainer, args.rule, args.strength).items():
        (folder / name).write_bytes(content)
    told = " ".join(f"{name} {p:.3f}" for name, p in explanation.probabilities.items())
    print(f"{image}: {explanation.words()} ({told}) -> {folder}")
    return 0


def _advance(bar: Any, done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)


def _explain_folder(args: argparse.Namespace, root: Path, explainer: "Explainer", options: dict[str, Any]) -> int:
    from dala.folder import Job, explain_folder

    # Set by torchrun: every machine does its share.
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    job = Job(root, args.out, options, args.rule, args.strength, args.overwrite, args.workers, rank, world)
    errors = explain_folder(explainer, job)
    for name, sentence in errors.items():
        _refuse(f"{root / name}: {sentence}")
    print(f"{root} -> {args.out}")
    # Under torchrun a failing process ends all the others: the summary tells of broken files instead.
    return 2 if errors and world == 1 else 0


def _train_parser(parser: argparse.ArgumentParser) -> None:
    from dala import train

    parser.description, parser.formatter_class = train.__doc__, argparse.RawDescriptionHelpFormatter
    types = get_type_hints(train.Settings)
    for field in fields(train.Settings):
        flag, kind = "--" + field.name.replace("_", "-"), types[field.name]
        if isinstance(kind, UnionType):
            kind = next(k for k in get_args(kind) if k is not NoneType)
        about = {"help": field.metadata["help"], "default": field.default}
        if kind is bool:
            parser.add_argument(flag, action="store_true", **about)
        else:
            about["help"] += "" if field.default is None else f" (default: {field.default})"
            parser.add_argument(flag, type=kind, choices=field.metadata.get("choices"), **about)
    parser.add_argument("-h", "--help", action="help")
    parser.set_defaults(run=_train)


def _train(args: argparse.Namespace) -> int:
    import json

    from dala.train import Settings, train

    report = train(Settings(**{f.name: getattr(args, f.name) for f in fields(Settings)}))
    print(json.dumps({k: report[k] for k in ("held_out", "held_out_colour_only", "images_per_second")}, indent=2))
    return 0


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes")
    return int(text)


def _refuse(sentence: str, code: int = 2) -> int:
    print(sentence, file=sys.stderr)
    return code
