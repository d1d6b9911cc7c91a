"""Pictures as bytes and as data URLs."""

import base64
import io
from typing import Any

from PIL import Image

__all__ = ["data_url", "encode"]


def encode(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Encode a picture.

    Args:
        picture: any Pillow image.
        kind: a format that Pillow writes, such as "PNG" or "WEBP".
        options: of `PIL.Image.Image.save`.
    """
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def data_url(content: bytes, media_type: str) -> str:
    """Bytes as a data URL, such as "data:image/png;base64,...".

    Args:
        content: the bytes.
        media_type: "image/png", "application/zip", ...
    """
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
