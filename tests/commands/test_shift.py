"""`python -m dala shift` on pictures of one stain, and of another."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from dala import cli
from dala.explain import shift
from dala.images.stain import restained


def stained(seed):
    """A patch of 40x40 px with spots of stain."""
    random = np.random.default_rng(seed)
    spots = random.normal(0, 25, (10, 10, 1)) * (1, 1.4, 0.7) + random.normal(0, 8, 3)
    small = Image.fromarray((np.array((205, 150, 195)) + spots).clip(0, 255).astype(np.uint8))
    return small.resize((40, 40), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two classes of 60 pictures, and a folder of 12 of another stain."""
    place = tmp_path_factory.mktemp("sets")
    for n in range(120):
        file = place / "home" / ("benign" if n % 2 else "malignant") / f"{n:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        stained(n).save(file)
    for n in range(12):
        (place / "abroad").mkdir(exist_ok=True)
        restained(stained(500 + n), 2.5, 0.4).save(place / "abroad" / f"{n}.png")
    return place


def run(model, root, *more):
    options = ["--model", str(model), "--root", str(root), "--format", "folder"]
    return cli.main(["shift", *options, "--data", str(root / "home"), *more])


def test_it_is_fitted_and_measured(small_folder, root, tmp_path, capsys):
    model = tmp_path / "net"
    shutil.copytree(small_folder, model)
    assert run(model, root, "--outside", "abroad") == 0
    sha256 = json.loads((model / "config.json").read_text())["sha256"]
    content = shift.read(model / shift.FILE, sha256)
    (own,), (abroad,) = content["measured"]["own"], content["measured"]["outside"]
    assert own["pictures"] == 120
    assert own["spoken"] < 25
    assert abroad == {"title": "abroad", "pictures": 12, "spoken": 12, "median": abroad["median"]}
    assert "abroad, outside" in capsys.readouterr().out


def test_bad_input_in_one_sentence(small_folder, root, tmp_path, capsys):
    assert run(small_folder, root, "--outside", "nowhere") == 2
    assert "nowhere: no such folder, or no pictures in it" in capsys.readouterr().err
    few = tmp_path / "few"
    for side in ("benign", "malignant"):
        (few / side).mkdir(parents=True)
        stained(1).save(few / side / f"{side}.png")
    assert cli.main(["shift", "--model", str(small_folder), "--format", "folder", "--data", str(few)]) == 2
    said = capsys.readouterr().err
    assert "left out, since 2 pictures do not describe a laboratory" in said
    assert "No laboratory has the 100 pictures that describe one." in said
    assert not (small_folder / shift.FILE).exists()
