"""`python -m dala publish`."""

import argparse
from pathlib import Path

from dala.commands import _send
from dala.hub import upload
from dala.hub.upload import Repository
from dala.models import pretrained
from dala.publishing import model_folder

__all__ = ["add_arguments", "run"]

ABOUT = """Check the folder of a model and upload it to the Hugging Face Hub: weights, config, card, report, splits.

    python -m dala publish --repo-id you/dala --dry-run
    python -m dala publish --repo-id you/dala --model published --private
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `run` reads."""
    parser.description, parser.formatter_class = ABOUT, argparse.RawDescriptionHelpFormatter
    _send.add_arguments(parser, "model")
    parser.add_argument(
        "--model", type=Path, default=pretrained.SHIPPED, metavar="FOLDER",
        help="weights with their card, or a run of `train`; default: the shipped weights",
    )  # fmt: skip
    parser.add_argument(
        "--samples", type=Path, metavar="FOLDER",
        help="patches to publish with it; samples.json lists caption, origin and licence of each",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Write the folder, check it and upload it; the exit code.

    Raises:
        UploadError, PublishError, WeightsError, SamplesError: input that cannot be used, or a failed upload.
    """
    to = Repository(args.repo_id, private=args.private or None, owned=model_folder.OWNED)
    # A missing login is reported before the folder is written.
    api = None if args.dry_run else upload.client()
    return _send.deliver(
        args,
        to,
        lambda folder: model_folder.prepare(args.model, folder, args.samples),
        api,
        f"Publish {args.model.name}",
    )
