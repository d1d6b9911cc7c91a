"""Pictures as bytes and as data URLs."""

import base64
import io

from PIL import Image

from dala.images.encoding import data_url, encode


def test_a_png_is_lossless_and_the_same_bytes_every_time(patch):
    assert encode(patch) == encode(patch)
    assert Image.open(io.BytesIO(encode(patch))).tobytes() == patch.tobytes()


def test_options_reach_the_encoder(patch):
    small, large = (encode(patch, "WEBP", quality=quality) for quality in (10, 95))
    assert Image.open(io.BytesIO(small)).format == "WEBP"
    assert len(small) < len(large)


def test_a_data_url_holds_type_and_bytes():
    head, content = data_url(b"\x00zip", "application/zip").split(",")
    assert head == "data:application/zip;base64"
    assert base64.b64decode(content) == b"\x00zip"
