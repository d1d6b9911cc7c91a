"""`python -m dala publish-space`."""

import argparse
from pathlib import Path

from dala.commands import _send
from dala.hub import upload
from dala.hub.upload import Repository
from dala.publishing import space

__all__ = ["add_arguments", "run"]

ABOUT = """Host the app as a Hugging Face Space: the folder that runs there, written, checked and sent.

    python -m dala publish-space --repo-id you/dala-demo --dry-run
    python -m dala publish-space --repo-id you/dala-demo --model you/dala@COMMIT

With --model the Space runs that network, downloaded while the Space is built, and falls back to the shipped weights;
the page says which one runs.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.description, parser.formatter_class = ABOUT, argparse.RawDescriptionHelpFormatter
    _send.add_arguments(parser, "Space")
    parser.add_argument(
        "--model", metavar="USER/REPO@COMMIT",
        help="a network on the Hub; a branch or tag is fixed to the commit that it is now; default: the shipped one",
    )  # fmt: skip
    parser.add_argument(
        "--hardware", choices=space.HARDWARE, default=space.HARDWARE[0],
        help="what the folder is made for, and a new Space gets: two processors, or a lent GPU (default: cpu-basic)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Write the folder, check it, send it; the exit code.

    Raises:
        UploadError, SpaceError, PublishError, WeightsError: what cannot be used or sent.
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
        return space.write(folder, model, args.hardware)

    return _send.deliver(args, to, write, api, f"Host {model or 'the shipped weights'}")
