"""Damaged and hostile pictures; and sound ones compared with Pillow, tifffile and imageio."""

import io
import subprocess
import sys
import time
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from dala.errors import MOST, DalaError
from dala.images import reading
from dala.images.preprocessing import ImageError
from dala.images.tiff_tags import HEADS
from dala.ui.alert import alert
from tests.fuzz.hard import BOMBS
from tests.fuzz.pictures import MOST_SECONDS, bases, outcome

ROOT = Path(__file__).resolve().parents[2]
SOUND = bases(0)
EDITS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 40), st.binary(max_size=8)), min_size=1, max_size=6)


@pytest.mark.parametrize("name", BOMBS)
def test_decompression_bombs_are_refused_at_once(name):
    make, words = BOMBS[name]
    content = make()
    began = time.process_time()
    with pytest.raises(ImageError, match=words):
        reading.read(content)
    assert time.process_time() - began < MOST_SECONDS


def test_two_thousand_damaged_pictures():
    # In another process: its memory is measured, and a decoder may crash.
    done = subprocess.run(
        [sys.executable, "tests/fuzz/pictures.py", "--n", "2000", "--seed", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    pictures = int(done.stdout.split("seed 1: ")[1].split()[0])
    assert 200 < pictures < 1800, "damage that is never or always seen through tests nothing"


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(SOUND), EDITS)
@pytest.mark.filterwarnings("ignore")
def test_any_edit_of_a_sound_picture(content, edits):
    data = bytearray(content)
    for at, size, new in edits:
        data[at % len(data) : at % len(data) + size] = new
        data = data or bytearray(1)
    outcome(bytes(data))


def by_pillow(content: bytes) -> np.ndarray:
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def by_others(content: bytes) -> np.ndarray | None:
    """Gray of more than 8 bits, scaled as `images.read` documents; None for what Pillow reads as it is."""
    if Image.open(io.BytesIO(content)).mode not in reading.SCALED:
        return None
    if content.startswith(HEADS):
        page = tifffile.TiffFile(io.BytesIO(content)).pages[0]
        values, white = page.asarray(), page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    else:
        values, white = imageio.imread(content, extension=".png"), False
    tops = (1, 255, 65535) if values.dtype.kind == "f" else (255, 1023, 4095, 16383, 65535)
    scaled = values.astype(np.float64) * 255 / next(top for top in tops if values.max() <= top)
    return np.repeat((255 - scaled if white else scaled)[..., None], 3, 2)


@pytest.mark.parametrize("number", range(len(SOUND)))
def test_a_sound_picture_is_read_as_by_other_readers(number):
    content, expected = SOUND[number], by_others(SOUND[number])
    got = np.asarray(reading.read(content))
    if expected is None:
        np.testing.assert_array_equal(got, by_pillow(content))
    else:
        assert np.abs(got - expected).max() <= 0.501


def test_some_of_the_sound_pictures_have_more_than_8_bits():
    assert sum(by_others(content) is not None for content in SOUND) == 6


@pytest.mark.parametrize(
    "name", ["two\nlines.png", "../up.png", "<img src=x onerror=alert(1)>.png", "\x1b[2J.png", "\ud800"]
)
def test_a_name_stays_within_its_sentence(name, tmp_path):
    with pytest.raises(DalaError) as caught:
        reading.read(tmp_path / name)
    assert str(caught.value).isprintable() and str(caught.value).endswith(".")


def test_an_error_is_one_line_whatever_names_are_in_it():
    error = ImageError("a\nb: \x1b[2J<img src=x>\ud800 & " + "y" * 10_000 + ".")
    assert str(error).isprintable() and len(str(error)) < MOST + 9
    assert str(error).startswith("a b: \ufffd[2J<img src=x>\ufffd & y") and str(error).endswith("y.")
    assert "a b: \ufffd[2J&lt;img src=x&gt;\ufffd &amp; y" in alert(error).message
