"""What a visitor's browser sends as a file, before anything opens it."""

from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from dala.images import ImageError

__all__ = ["uploaded_file"]


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
    try:
        file = Path(path).resolve()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        file = None
    if file is None or not file.is_relative_to(Path(get_upload_folder()).resolve()):
        raise ImageError("The picture has to be uploaded: a path or an address is not taken.")
    return file
