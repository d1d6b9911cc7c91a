"""Shared by `publish` and `publish-space`: write a folder, list it, and upload it unless it is a dry run."""

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
    """Add the options of both commands."""
    parser.add_argument(
        "--repo-id", required=True, metavar="YOU/NAME", help=f"the {kind}; created if it does not exist"
    )
    parser.add_argument("--private", action="store_true", help="make it private; an error if it exists and is public")
    parser.add_argument(
        "--dry-run", action="store_true", help="write the folder and upload nothing; no request is made"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="keep the folder here, new or empty; default of a dry run: build/NAME",
    )


def deliver(
    args: argparse.Namespace, to: Repository, write: Callable[[Path], list[str]], api: HfApi | None, message: str
) -> int:
    """Write the folder and upload it; the exit code.

    Args:
        args: of `add_arguments`.
        to: the repository.
        write: fills a new folder, and returns notes to print.
        api: None for a dry run.
        message: of the commit.

    Raises:
        UploadError: see `dala.hub.upload.send`.
    """
    with _folder(args, to) as folder:
        for note in write(Path(folder)):
            print(note)
        _show(Path(folder))
        target = f"{'private ' if to.private else ''}{to.kind} {to.id}"
        if api is None:
            print(f"Nothing was uploaded. {folder} would go to the {target}{_variables(to)}.")
            return 0
        commit = upload.send(Path(folder), to, api, message)
    print(f"Uploaded to the {target}: {commit.commit_url}")
    if to.kind == "model":
        print(f"Load exactly these weights as {to.id}@{commit.oid}.")
    return 0


def _folder(args: argparse.Namespace, to: Repository) -> AbstractContextManager[str | Path]:
    if args.out or args.dry_run:
        return nullcontext(args.out or Path("build") / to.id.split("/")[1])
    return TemporaryDirectory()


def _variables(to: Repository) -> str:
    pairs = [f"{key}={value}" for key, value in to.variables.items()]
    return f", with {', '.join(pairs)}" if pairs else ""


def _show(folder: Path) -> None:
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    for file in files:
        print(f"{file.stat().st_size:12,}  {file.relative_to(folder).as_posix()}")
    print(f"{sum(f.stat().st_size for f in files):12,}  bytes in {len(files)} files")
