"""`dala evaluate tissue`: a small run over phantoms in every layout, and arguments that do not fit."""

import json

import numpy as np
import pytest
from PIL import Image

from dala.cli import main
from dala.hub import tissue_maps
from dala.models import serialization
from dala.phantoms import phantom


@pytest.fixture
def pictures(tmp_path):
    """A field with its mask, two regions, and two patches in the layout of BreakHis."""
    picture = phantom.make(3, size=(128, 96)).picture
    names = (
        "fields/1.png", "regions/malignant/a.png", "regions/benign/b.png",
        "data/SOB_M_DC-14-1-100-001.png", "data/SOB_B_A-14-2-100-001.png",
    )  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture.resize((512, 384) if name.startswith("fields") else (128, 96)).save(tmp_path / name)
    mask = np.zeros((384, 512), np.uint8)
    mask[:, 200:] = 255
    Image.fromarray(mask).save(tmp_path / "fields" / "1_tumourmask.png")
    return tmp_path


def test_the_command_writes_what_it_measured(small_folder, pictures, capsys):
    names = ("fields", "regions", "data")
    where = [word for name in names for word in (f"--{name}", f"{name.upper()}={pictures / name}")]
    out = pictures / "out"
    assert main(["evaluate", "tissue", "--model", str(small_folder), *where, "--device", "cpu", "--out", str(out)]) == 0
    report = tissue_maps.read(out / "tissue_maps.json")
    assert list(report["sets"]) == ["fields", "crops", "regions", "patches"]
    assert [s["count"] for s in report["sets"].values()] == [1, 4, 1, 1]
    assert report["sets"]["fields"]["model"]["sha256"] == [serialization.sha256(small_folder / serialization.FILE)]
    assert "may have been trained on these pictures" in report["sets"]["patches"]["model"]["words"]
    assert "auc" in report["sets"]["fields"]["rows"]["grad_cam"]
    text = (out / "tissue_maps.md").read_text()
    assert "## FIELDS in parts" in text and "## DATA" in text
    assert json.dumps(report, indent=1, ensure_ascii=False) + "\n" == (out / "tissue_maps.json").read_text()
    assert "FIELDS" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "there are no pictures to explain"),
        (["--regions", "x", "--folds", "run"], "--folds needs --data"),
        (["--data", "x", "--count", "-1"], "0 for all"),
        (["--fields", "/nowhere"], "no such folder"),
    ],
)
def test_arguments_that_do_not_fit_are_one_sentence(small_folder, tmp_path, capsys, arguments, words):
    model = ["--model", str(small_folder)]
    assert main(["evaluate", "tissue", *model, *arguments, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
