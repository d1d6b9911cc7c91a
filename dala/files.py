"""Write files atomically, and read untrusted JSON.

A file is complete or unchanged, whenever the process is killed; a full or read-only disk is reported in one sentence.
"""

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
    "atomic",
    "check",
    "read_json",
    "readable",
    "refused",
    "write",
    "write_all",
]

# The checkout, or the folder of packages that contains an installed `dala`.
ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 20_000_000  # of a JSON file
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# Error numbers of a disk that is full or not writable; any other failure of the system counts as a bug.
REFUSALS = {*FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}


class DiskError(DalaError):
    """A file that cannot be written; the message says which, why, and what to do."""


def write(file: Path, content: str | bytes) -> None:
    """Write text, as UTF-8, or bytes with `atomic`.

    Raises:
        DiskError: no room, or no permission.
    """
    with atomic(file) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def write_all(folder: Path, contents: Mapping[str, bytes], alone: bool = False) -> None:
    """Write several files to a folder; the last one is put in place last, so if it exists, all of them do.

    No file is replaced before all have been written next to their places.

    Args:
        folder: created if it does not exist.
        contents: of the files, by name.
        alone: remove all other files of the folder.

    Raises:
        DiskError: no room, or no permission; existing files are unchanged.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(refused(error, folder)) from error
    *_, last = contents
    with ExitStack() as stack:
        # The stack is left in reverse order: contexts that were entered last put their files in place first.
        parts = {name: stack.enter_context(atomic(folder / name)) for name in reversed(list(contents))}
        for name, part in parts.items():
            part.write_bytes(contents[name])
        (folder / last).unlink(missing_ok=True)
        for other in folder.iterdir() if alone else ():
            if other.is_file() and other.name not in {part.name for part in parts.values()}:
                other.unlink()


@contextmanager
def atomic(file: Path) -> Iterator[Path]:
    """Yield a path to write to, whose content replaces `file` once the context is left without an error.

    If the process is killed or the disk is full, `file` is unchanged. A device or a pipe is written to directly.

    Raises:
        DiskError: no room, or no permission.
    """
    direct = _direct(file)
    target = file if direct else file.resolve()  # a link stays, and the file that it names is replaced
    part = target if direct else target.with_name(f".{target.name}.part")
    try:
        yield part
        if not direct:
            part.replace(target)
    except OSError as error:
        raise DiskError(refused(error, file)) from error
    finally:
        if not direct:
            with suppress(OSError):  # the cause is already reported
                part.unlink(missing_ok=True)


def check(file: Path) -> None:
    """Check, before minutes of work, that a file can be written.

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


def refused(error: OSError, place: Path | str) -> str:
    """Return the sentence for a disk's error; `place` is the file or folder that could not be written."""
    advice = "make room on this disk, or name another place" if error.errno in FULL else "name another place"
    return f"{place}: cannot be written ({error.strerror or error}); {advice}."


def _direct(file: Path) -> bool:
    return file.is_relative_to("/dev") or (file.exists() and not file.is_file())


def read_json(file: Path, most: int = MOST_BYTES) -> Any:
    """Read an untrusted JSON file.

    Args:
        file: UTF-8.
        most: largest accepted size, in bytes.

    Raises:
        OSError: the file cannot be read.
        ValueError: too large, not UTF-8, not JSON, nested too deeply, or with text that is not valid Unicode.
    """
    if file.stat().st_size > most:
        raise ValueError(f"larger than {most:,} bytes")
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        # JSON can escape a lone surrogate, which cannot be encoded as UTF-8 later.
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def readable(name: str) -> str:
    """Return a file's name as valid Unicode: its bytes read as UTF-8 whatever the locale, invalid ones as \\xNN."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
