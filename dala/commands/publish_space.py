"""`python -m dala publish-space`."""

import argparse
from pathlib import Path

from dala.commands import _send
from dala.hub import upload
from dala.hub.upload import Repository
from dala.publishing import space

__all__ = ["add_arguments", "run"]

ABOUT = """Host the app as a Hugging Face Space: write its folder, check it and upload it.

    python -m dala publish-space --repo-id you/dala-demo --dry-run
    python -m dala publish-space --repo-id you/dala-demo --model you/dala@COMMIT

With --model the Space runs that network, downloaded while the Space is built, and falls back to the shipped weights;
the page shows which one is running.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `run` reads."""
    parser.description, parser.formatter_class = ABOUT, argparse.RawDescriptionHelpFormatter
    _send.add_arguments(parser, "Space")
    parser.add_argument(
        "--model", metavar="USER/REPO@COMMIT",
        help="a network on the Hub; a branch or tag is resolved to its current commit; default: the shipped weights",
    )  # fmt: skip
    parser.add_argument(
        "--hardware", choices=space.HARDWARE, default=space.HARDWARE[0],
        help="hardware of a new Space: two CPU cores, or ZeroGPU (default: cpu-basic)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Write the folder, check it and upload it; the exit code.

    Raises:
        UploadError, SpaceError, PublishError, WeightsError: input that cannot be used, or a failed upload.
    """
    to = Repository(
        args.repo_id,
        kind="space",
        private=args.private or None,
        hardware=args.hardware if args.hardware != space.HARDWARE[0] else None,
        variables=space.VARIABLES,
        owned=space.OWNED,
    )
    api = None if args.dry_run else upload.client()
    model = space.pin(args.model, api) if args.model else None

    def write(folder: Path) -> list[str]:
        notes = space.write(folder, model, args.hardware)
        if api:
            space.validate(folder, to.id, api)
        return notes

    return _send.deliver(args, to, write, api, f"Host {model or 'the shipped weights'}")
