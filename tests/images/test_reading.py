import io

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from dala.images import preprocessing, reading
from dala.images.preprocessing import ImageError, Preprocessing
from tests.fuzz.hard import encode, tiff


@pytest.fixture
def ramp() -> np.ndarray:
    """16-bit values over the whole range, 64x64."""
    return np.linspace(0, 65535, 64 * 64).round().astype(np.uint16).reshape(64, 64)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP"])
def test_lossless_formats_give_the_very_pixels(patch, kind):
    got = reading.read(encode(patch, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert got.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(got), np.asarray(patch))


def test_lossy_and_palette_formats_give_what_pillow_gives(patch):
    for content in (encode(patch, "JPEG"), encode(patch.quantize(64), "GIF"), encode(patch.convert("CMYK"), "JPEG")):
        expected = Image.open(io.BytesIO(content)).convert("RGB")
        np.testing.assert_array_equal(np.asarray(reading.read(content)), np.asarray(expected))


def test_first_frame_of_a_gif_and_first_page_of_a_tiff(patch):
    other = Image.new("RGB", patch.size, "black")
    for kind in ("GIF", "TIFF"):
        content = encode(patch, kind, save_all=True, append_images=[other])
        assert np.asarray(reading.read(content)).mean() > 50


def test_exif_orientation_is_applied(patch):
    exif = Image.Exif()
    exif[0x0112] = 6
    got = reading.read(encode(patch, "PNG", exif=exif))
    np.testing.assert_array_equal(np.asarray(got), np.rot90(np.asarray(patch), -1))


def test_alpha_is_composited_over_white(patch):
    clear = patch.copy()
    clear.putalpha(0)
    half = Image.new("LA", (64, 64), (0, 128))
    palette = patch.quantize(8)
    index = int(np.asarray(palette)[0, 0])
    content = encode(palette, "PNG", transparency=index)
    assert np.asarray(reading.read(encode(clear, "PNG"))).min() == 255
    assert set(np.asarray(reading.read(encode(half, "PNG"))).ravel()) == {127}
    assert tuple(np.asarray(reading.read(content))[0, 0]) == (255, 255, 255)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_16_bit_gray_is_scaled_to_the_bits_it_uses(ramp, bits):
    values = (ramp >> (16 - bits)).astype(np.uint16)
    expected = np.rint(values * (255 / (2**bits - 1)))
    for content in (tiff(values), encode(Image.fromarray(values), "PNG")):
        got = np.asarray(reading.read(content))
        assert np.abs(got - expected[..., None]).max() <= 0.5


def test_16_bit_rgb_keeps_its_high_byte(ramp):
    got = np.asarray(reading.read(tiff(np.stack([ramp, ramp // 2, ramp // 4], -1), photometric="rgb")))
    assert np.abs(got[..., 0].astype(int) - (ramp >> 8)).max() <= 1
    assert np.abs(got[..., 1].astype(int) - (ramp >> 9)).max() <= 1


def test_what_pillow_would_turn_black_is_refused(ramp):
    twelve = tiff(np.stack([ramp >> 4] * 3, -1).astype(np.uint16), photometric="rgb")
    with pytest.raises(ImageError, match="a quarter or less of its 16 bits"):
        reading.read(twelve)
    for values in (np.stack([ramp / 65535] * 3, -1), np.stack([ramp / 65535] * 3, -1).astype(np.float32)):
        with pytest.raises(ImageError, match=r"This kind of TIFF is not read \(\d\d-bit float RGB, 3 channels\)"):
            reading.read(tiff(values, photometric="rgb"))


def test_16_bit_gray_of_which_zero_is_white(ramp):
    black = np.asarray(reading.read(tiff(ramp, photometric="minisblack"))).astype(int)
    white = np.asarray(reading.read(tiff(ramp, photometric="miniswhite"))).astype(int)
    np.testing.assert_array_equal(white, 255 - black)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK"])
def test_metadata_is_removed(patch, mode):
    image = patch.convert(mode)
    image.info.update({"Patient": "Jane Doe", "icc_profile": b"x"})
    assert reading.read(image).info == {}


@pytest.mark.parametrize(("top", "offset"), [(1.0, 0), (255.0, 0), (65535.0, 0), (1e6, 0), (3.0, -1.5)])
def test_float_tiff_is_scaled_to_its_range(top, offset):
    values = (np.linspace(0, top, 64 * 64) + offset).astype(np.float32).reshape(64, 64)
    got = np.asarray(reading.read(tiff(values)))
    assert np.abs(got[..., 0] - np.linspace(0, 255, 64 * 64).reshape(64, 64)).max() <= 1


def test_a_constant_float_tiff_is_no_division_by_zero():
    assert np.asarray(reading.read(tiff(np.full((40, 40), -2, np.float32)))).max() == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite_is_refused(value):
    with pytest.raises(ImageError, match="not finite"):
        reading.read(tiff(np.full((40, 40), value, np.float32)))


def test_what_cannot_be_used_is_refused_with_a_sentence(patch, patch_file, broken_file, tmp_path):
    empty, text = tmp_path / "empty.png", tmp_path / "page.png"
    empty.touch()
    text.write_text("<html>")
    many = io.BytesIO()
    Image.new("1", (13000, 13000)).save(many, "PNG")
    for source, words in (
        (empty, "empty"),
        (b"", "empty"),
        (text, "not a picture"),
        (broken_file, "damaged"),
        (patch_file.read_bytes()[:40], "damaged|not a picture"),
        (many.getvalue(), "50 megapixels"),
        (encode(Image.new("1", (20000, 20000)), "PNG"), "50 megapixels"),
        (encode(Image.new("RGB", (31, 100)), "PNG"), "too small"),
        (encode(Image.new("RGB", (40, 2000)), "PNG"), "too long and thin"),
        (tmp_path / "nowhere.png", "no such file"),
        (tmp_path, "folder"),
        ("x" * 5000, "cannot be read: File name too long"),
        ("zero\0byte.png", "cannot be read|no such file"),
        (np.zeros((64, 64), np.uint8), "must be"),
        (np.zeros((64, 64, 3), np.float32), "must be"),
        (np.zeros((0, 64, 3), np.uint8), "too small"),
    ):
        with pytest.raises(ImageError, match=words) as caught:
            reading.read(source)
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith(".")


def test_every_kind_of_source_gives_the_same_picture(patch, patch_file):
    for source in (str(patch_file), patch_file, patch_file.read_bytes(), patch, np.asarray(patch)):
        np.testing.assert_array_equal(np.asarray(reading.read(source)), np.asarray(patch))


def test_a_pil_image_is_copied(patch):
    assert reading.read(patch) is not patch


def test_fit_keeps_the_aspect_ratio_and_the_area():
    wanted = Preprocessing(460, 700)
    assert preprocessing.fit(Image.new("RGB", (700, 460)), wanted).size == (700, 460)
    assert preprocessing.fit(Image.new("RGB", (460, 700)), wanted).size == (460, 700)
    for size in ((1400, 920), (100, 100), (50, 400), (3000, 1000)):
        width, height = preprocessing.fit(Image.new("RGB", size), wanted).size
        assert width / height == pytest.approx(size[0] / size[1], rel=0.01)
        assert width * height == pytest.approx(700 * 460, rel=0.01)


@pytest.mark.parametrize(
    ("size", "training"),
    [
        ((1920, 1080), (460, 700)),
        ((1253, 194), (460, 700)),
        ((256, 32), (32, 32)),
        ((32, 256), (32, 32)),
        ((97, 61), (64, 64)),
    ],
)
def test_a_fitted_size_is_not_changed(size, training):
    wanted = Preprocessing(*training)
    once = preprocessing.fit(Image.new("RGB", size), wanted)
    assert preprocessing.fit(once, wanted) is once
    assert min(once.size) >= 32
    assert once.width / once.height == pytest.approx(size[0] / size[1], rel=0.02)
    assert preprocessing.to_tensor(Image.new("RGB", size), wanted).shape[2:] == once.size[::-1]


def test_to_tensor_equals_torchvision_on_the_untouched_patch(patch):
    steps = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    expected = v2.Normalize(list(Preprocessing().mean), list(Preprocessing().std))(steps(patch))
    got = preprocessing.to_tensor(patch, Preprocessing(96, 128))
    torch.testing.assert_close(got, expected[None])


def test_preprocessing_survives_json_and_refuses_nonsense():
    wanted = Preprocessing(96, 128, magnification="100X", um_per_pixel=0.5)
    assert Preprocessing.of(wanted.to_json()) == wanted
    for wrong in (
        {"height": 8},
        {"height": 1e9},
        {"interpolation": "magic"},
        {"std": [0, 1, 1]},
        {"mean": [0, 0]},
        {"mean": ["a", "b", "c"]},
        {"mean": [float("nan"), 0, 0]},
        {"colour": 1},
    ):
        with pytest.raises(ValueError, match="preprocessing"):
            Preprocessing.of(wrong)
