"""Files that are there as a whole or not at all, and one sentence for a disk that refuses."""

import errno
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from dala.errors import DalaError

__all__ = [
    "MOST_BYTES",
    "REFUSALS",
    "ROOT",
    "DiskError",
    "check",
    "read_json",
    "readable",
    "refused",
    "whole",
    "write",
    "write_all",
]

# The checkout, or the folder of packages that an installed `dala` is in.
ROOT = Path(__file__).resolve().parent.parent
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# What a disk says to whoever may not write; any other failure of the system is told as a bug.
REFUSALS = {*FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}


class DiskError(DalaError):
    """A file that cannot be written; the message says which, why, and what to do."""


def refused(error: OSError, place: Path | str) -> str:
    """The sentence for what a disk refused; `place` is what was to be written there."""
    advice = "make room on this disk, or name another place" if error.errno in FULL else "name another place"
    return f"{place}: cannot be written ({error.strerror or error}); {advice}."


def readable(name: str) -> str:
    """A file's name as UTF-8 can write it: its very bytes, whatever the locale made of them, or \\xNN for others."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """A path to write to, whose content takes the place of `file` once it is complete.

    Killed, or out of room, what was in that place is there still. A device or a pipe is written to itself.

    Raises:
        DiskError: no room, or no permission.
    """
    direct = _direct(file)
    target = file if direct else file.resolve()  # a link stays, and what it names is replaced
    part = target if direct else target.with_name(f".{target.name}.part")
    try:
        yield part
        if not direct:
            part.replace(target)
    except OSError as error:
        raise DiskError(refused(error, file)) from error
    finally:
        if not direct:
            with suppress(OSError):  # a disk that refuses this as well has told why already
                part.unlink(missing_ok=True)


def check(file: Path) -> None:
    """Find out before minutes of work whether a file can be written.

    Raises:
        DiskError: no room, or no permission.
    """
    if _direct(file):
        return
    try:
        with TemporaryFile(dir=file.resolve().parent):
            pass
    except OSError as error:
        raise DiskError(refused(error, file)) from error


def write(file: Path, content: str | bytes) -> None:
    """Write a text, as UTF-8, or bytes, as `whole` does.

    Raises:
        DiskError: no room, or no permission.
    """
    with whole(file) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def write_all(folder: Path, contents: Mapping[str, bytes], alone: bool = False) -> None:
    """Write files by name, none in its place before there was room for all; where the last one lies, all of them do.

    `alone`: whatever other files the folder holds are removed.

    Raises:
        DiskError: no room, or no permission; the files that were there are there still.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(refused(error, folder)) from error
    *_, last = contents
    with ExitStack() as stack:
        # Those that were entered last are the first to be put in place.
        parts = {name: stack.enter_context(whole(folder / name)) for name in reversed(list(contents))}
        for name, part in parts.items():
            part.write_bytes(contents[name])
        (folder / last).unlink(missing_ok=True)
        for other in folder.iterdir() if alone else ():
            if other.is_file() and other.name not in {part.name for part in parts.values()}:
                other.unlink()


def _direct(file: Path) -> bool:
    return file.is_relative_to("/dev") or (file.exists() and not file.is_file())


MOST_BYTES = 20_000_000


def read_json(file: Path, most: int = MOST_BYTES) -> Any:
    """What a file of JSON holds.

    Args:
        file: UTF-8.
        most: its largest size, in bytes.

    Raises:
        OSError: the file cannot be read.
        ValueError: too large, not UTF-8, not JSON, nested too deeply, or text that no file or page can hold.
    """
    if file.stat().st_size > most:
        raise ValueError(f"larger than {most:,} bytes")
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        # Half a character, which JSON can name and nothing can write.
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value
