"""Check uploaded files, and images sent as text, before anything opens them."""

import base64
import binascii
import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import PlainTextResponse
from gradio.utils import get_upload_folder

from dala.files import REFUSALS, DiskError
from dala.images.preprocessing import ImageError

__all__ = [
    "delete_unfinished",
    "disk_errors",
    "disk_refused",
    "file_of",
    "picture",
    "uploaded_file",
    "uploaded_path",
]

MAX_MEGABYTES = 20
FULL = "This server's disk takes no more pictures: try again later, or tell its administrator."


def picture(value: Any) -> Path | bytes:
    """Return the source for `dala.images.reading.read`: an image component's file, or the bytes of an image as text.

    Raises:
        ImageError: neither a file nor base64 or a data URL. Text is never taken as a path or an address.
    """
    return _decoded(value) if isinstance(value, str) and value else file_of(value)


def file_of(value: Any) -> Path:
    """Return the file of an image component's raw value.

    `dala.ui.server.blocks.Blocks` has checked every file of a request by `uploaded_file` before an event sees it.

    Raises:
        ImageError: no file.
    """
    path = value.get("path") if isinstance(value, dict) else None
    if not isinstance(path, str) or not path:
        raise ImageError("There is no picture: drop one, paste one, or choose a sample.")
    return Path(path)


def uploaded_file(value: Any) -> Path:
    """As `file_of`, for a file that was uploaded to this server.

    Events that decode images skip Gradio's own preprocessing, whose errors are not meant for visitors; this function
    replaces its check.

    Raises:
        ImageError: no file, or a path outside the upload folder.
    """
    file = uploaded_path(str(file_of(value)))
    if file is None:
        raise ImageError("The picture has to be uploaded: a path or an address is not taken.")
    return file


def uploaded_path(path: str) -> Path | None:
    """Resolve a path inside the upload folder; None for any other path."""
    try:
        file = Path(path).resolve()
    except (OSError, ValueError, RuntimeError):  # a name that is too long or contains a zero byte, or a cycle of links
        return None
    return file if file.is_relative_to(Path(get_upload_folder()).resolve()) else None


def delete_unfinished(seconds: float = 3600) -> None:
    """Delete files of uploads that were interrupted longer ago than this; Gradio does not."""
    with suppress(FileNotFoundError):  # no folder yet, or a file deleted by another process
        for file in Path(get_upload_folder()).iterdir():
            if file.is_file() and time.time() - file.stat().st_mtime > seconds:
                file.unlink()


def _decoded(text: str) -> bytes:
    if len(text) > MAX_MEGABYTES * 2**20 * 4 / 3:
        raise ImageError(f"The picture has more than {MAX_MEGABYTES} MB: crop the region of interest first.")
    start, comma, rest = text.partition(",")
    encoded = rest if comma and start.startswith("data:") and start.endswith(";base64") else text
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError(
            "This text is no picture: send the picture itself, uploaded, as base64 or as a data URL; an address or a "
            "path is not taken."
        ) from error


@contextmanager
def disk_errors() -> Iterator[None]:
    """Convert errors of a full or read-only disk to a sentence for the visitor.

    Raises:
        DiskError: no room, or no permission.
    """
    try:
        yield
    except Exception as error:
        # Gradio wraps the disk's error.
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in REFUSALS - {errno.ENAMETOOLONG}:
            raise
        raise DiskError(FULL) from error


async def disk_refused(request: Request, error: Exception) -> PlainTextResponse:
    """Return the response to an upload that the disk refuses; raise any other OSError again."""
    try:
        with disk_errors():
            raise error
    except DiskError as refused:
        return PlainTextResponse(str(refused), status_code=507)
