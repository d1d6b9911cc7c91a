"""What makes a download complete: the patch, the masks, a figure, and a README that names every file."""

import io

import numpy as np
import pytest
from PIL import Image

from dala.explain import export
from dala.lessons import handout


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("slide 3.tif", "slide_3_explanation.zip"),
        ("patch.with.dots.png", "patch.with.dots_explanation.zip"),
        ("no ending", "no_ending_explanation.zip"),
        ("ünï/../x;y,z.png", "n_.._x_y_z_explanation.zip"),
        ("???.png", "patch_explanation.zip"),
        ("a" * 300 + ".png", "a" * 60 + "_explanation.zip"),
    ],
)
def test_a_download_is_named_after_the_picture(name, title):
    assert handout.title_of(name) == title


@pytest.mark.parametrize("level", [False, True])
def test_a_download_explains_itself(small, patch, level):
    e = small.explain(patch, methods=("grad_cam", "layer_cam"))
    kept = export.thresholds(e, "percentile", 80, level)
    contents = export.files(e, small, "percentile", 80, level=level)
    files = handout.files(e, small, kept, contents)
    assert contents.items() <= files.items()
    readme = files["README.txt"].decode()
    assert all(f"- {name}: " in readme for name in files if name != "README.txt")
    assert "percentile, p = 80" in readme
    assert "not for diagnosis" in readme
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(files["picture.png"]))), np.asarray(e.picture))
    for method in e.maps:
        mask = np.asarray(Image.open(io.BytesIO(files[f"mask_{method}.png"])))
        np.testing.assert_array_equal(mask == 255, kept[method].mask.numpy())
        assert set(np.unique(mask)) <= {0, 255}
    assert Image.open(io.BytesIO(files["figure.png"])).width == 1800
