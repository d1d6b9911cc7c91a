"""What a visitor's browser or program sends as a picture, before anything opens it."""

import base64
import binascii
import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import Request
from fastapi.responses import PlainTextResponse
from gradio.utils import get_upload_folder

from dala.errors import DalaError
from dala.files import REFUSALS, DiskError
from dala.images.preprocessing import ImageError

__all__ = ["forget_unfinished", "kept", "picture", "sentence", "taken_in", "unkept", "uploaded_file"]

MAX_MEGABYTES = 20
FULL = "This server's disk takes no more pictures: try again later, or tell whoever hosts it."


def picture(value: Any) -> Path | bytes:
    """What `dala.images.reading.read` takes, from an uploaded file's raw value or from a picture sent as text.

    Raises:
        ImageError: neither an uploaded file nor base64 or a data URL; of a path or an address nothing is opened.
    """
    return _sent(value) if isinstance(value, str) and value else uploaded_file(value)


def uploaded_file(value: Any) -> Path:
    """The file behind an image component's raw value, if it is one that this server took in.

    The events that decode pictures skip Gradio's own decoding, whose errors say nothing to a visitor; so what it would
    have checked is checked here.

    Raises:
        ImageError: no file, or a path outside the upload folder.
    """
    path = value.get("path") if isinstance(value, dict) else None
    if not isinstance(path, str) or not path:
        raise ImageError("There is no picture: drop one, paste one, or choose a sample.")
    file = taken_in(path)
    if file is None:
        raise ImageError("The picture has to be uploaded: a path or an address is not taken.")
    return file


def taken_in(path: str) -> Path | None:
    """A path inside the upload folder, links followed; None for any other."""
    try:
        file = Path(path).resolve()
    except (OSError, ValueError, RuntimeError):  # a name that is too long or holds a zero byte, a ring of links
        return None
    return file if file.is_relative_to(Path(get_upload_folder()).resolve()) else None


def forget_unfinished(seconds: float = 3600) -> None:
    """Delete what uploads left that broke off longer ago than that: Gradio forgets its unfinished files."""
    with suppress(FileNotFoundError):  # the folder is not there yet, or somebody else deleted a file
        for file in Path(get_upload_folder()).iterdir():
            if file.is_file() and time.time() - file.stat().st_mtime > seconds:
                file.unlink()


def _sent(text: str) -> bytes:
    if len(text) > MAX_MEGABYTES * 2**20 * 4 / 3:
        raise ImageError(f"The picture has more than {MAX_MEGABYTES} MB: crop the region of interest first.")
    start, comma, rest = text.partition(",")
    encoded = rest if comma and start.startswith("data:") and start.endswith(";base64") else text
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        told = "send the picture itself, uploaded, as base64 or as a data URL"
        raise ImageError(f"This text is no picture: {told}; an address or a path is not taken.") from error


@contextmanager
def kept() -> Iterator[None]:
    """Turn a disk that refuses into what a visitor is told.

    Raises:
        DiskError: no room, or no permission.
    """
    try:
        yield
    except Exception as error:
        # Gradio wraps what the disk says into an error of its own.
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in REFUSALS - {errno.ENAMETOOLONG}:
            raise
        raise DiskError(FULL) from error


async def unkept(request: Request, error: Exception) -> PlainTextResponse:
    """The answer to an upload that the disk refuses; any other failure of the system stays one."""
    try:
        with kept():
            raise error
    except DiskError as refused:
        return PlainTextResponse(str(refused), status_code=507)


def sentence(error: DalaError) -> gr.Error:
    """One of the project's own errors as the visitor sees it: Gradio takes it for markup, so that names are escaped."""
    return gr.Error(escape(str(error), quote=False), title="That did not work", duration=12, print_exception=False)
