"""What `publish` and `publish-space` share: a folder is written, shown, and sent unless it is a dry run."""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import HfApi

from dala.hub import upload
from dala.hub.upload import Repository

__all__ = ["add_arguments", "deliver"]


def add_arguments(parser: argparse.ArgumentParser, kind: str) -> None:
    """The options that both have."""
    parser.add_argument("--repo-id", required=True, metavar="YOU/NAME", help=f"the {kind}, made if it is not there")
    parser.add_argument("--private", action="store_true", help="make it private; refused if it is there and public")
    parser.add_argument("--dry-run", action="store_true", help="write the folder and send nothing: no request is made")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="keep the folder here, new or empty; a dry run's default: build/NAME"
    )


def deliver(
    args: argparse.Namespace, to: Repository, write: Callable[[Path], list[str]], api: HfApi | None, message: str
) -> int:
    """Write the folder and send it; the exit code.

    Args:
        args: of `add_arguments`.
        to: where it is sent.
        write: fills a new folder; what it returns is printed.
        api: None for a dry run.
        message: of the commit.

    Raises:
        UploadError: see `dala.hub.upload.send`.
    """
    with _folder(args, to) as folder:
        for note in write(Path(folder)):
            print(note)
        _show(Path(folder))
        told = f"{'private ' if to.private else ''}{to.kind} {to.id}"
        if api is None:
            print(f"Nothing was sent. {folder} is what would go to the {told}{_also(to)}.")
            return 0
        done = upload.send(Path(folder), to, api, message)
    print(f"Sent to the {told}: {done.commit_url}")
    if to.kind == "model":
        print(f"Whoever loads {to.id}@{done.oid} gets these very weights.")
    return 0


def _folder(args: argparse.Namespace, to: Repository) -> AbstractContextManager[str | Path]:
    if args.out or args.dry_run:
        return nullcontext(args.out or Path("build") / to.id.split("/")[1])
    return TemporaryDirectory()


def _also(to: Repository) -> str:
    settings = [f"{key}={value}" for key, value in to.variables.items()]
    return f", with {', '.join(settings)}" if settings else ""


def _show(folder: Path) -> None:
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    for file in files:
        print(f"{file.stat().st_size:12,}  {file.relative_to(folder).as_posix()}")
    print(f"{sum(f.stat().st_size for f in files):12,}  bytes in {len(files)} files")
