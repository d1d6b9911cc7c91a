"""Crops of fields with outlined tumour."""

import json

import numpy as np
import pytest
from PIL import Image

from dala import cli
from dala.data import fields, sources
from dala.data.items import DataError

KEYS = {
    "title": "Fields", "folder": "rois", "classes": {"poor": "benign", "rich": "malignant"}, "zoom": 0.5,
    "laboratory": "F", "patients": "unknown", "evaluation_only": True, "licence": "CC0",
}  # fmt: skip


@pytest.fixture
def root(tmp_path):
    """Two fields of 160x80 px; the left half of the first one is tumour."""
    (tmp_path / "rois").mkdir()
    for k, name in enumerate(("one", "two")):
        pixels = np.random.default_rng(k).integers(0, 256, (80, 160, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "rois" / f"{name}.png")
        mask = np.zeros((80, 160), np.uint8)
        mask[:, : 80 - 80 * k] = 255
        Image.fromarray(mask).save(tmp_path / "rois" / f"{name}{fields.MASK}")
    (tmp_path / "fields.json").write_text(json.dumps(KEYS))
    return tmp_path


def test_shares_are_those_of_the_mask():
    mask = np.zeros((40, 60), bool)
    mask[:, :20] = True
    found = list(fields.crops(mask, 40))
    assert [(c.left, c.top, c.share, c.kind) for c in found] == [(0, 0, 0.5, "rich"), (20, 0, 0.0, "poor")]
    assert fields.Crop(0, 0, 0.3).kind is None


def test_the_set_that_is_written_can_be_scored(root, capsys):
    arguments = ["data", "crops", root / "fields.json", "--root", root, "--side", 32, "--out", root / "cut"]
    assert cli.main([str(a) for a in arguments]) == 0
    # 64 px in the field: the shares of four crops of the first one are 1, 3/4, 1/4 and 0.
    assert "one: 2 rich, 1 poor\ntwo: 0 rich, 4 poor" in capsys.readouterr().out
    (source,) = sources.open_all([str(root / "cut" / fields.SOURCE)], root / "elsewhere", "folder", "binary", ())
    dataset = sources.read([source], class_names=["benign", "malignant"], training=False)
    assert {(i.patient, i.label) for i in dataset.items} == {("one", 1), ("one", 0), ("two", 0)}
    crop = next(i.path for i in dataset.items if i.path.name == "one_x32_y0.png")
    field = Image.open(root / "rois" / "one.png")
    assert np.array_equal(Image.open(crop), field.crop((32, 0, 96, 64)))


def other_mask(root):
    Image.new("L", (90, 70)).save(root / "rois" / f"one{fields.MASK}")


def no_zoom(root):
    (root / "fields.json").write_text(json.dumps({k: v for k, v in KEYS.items() if k != "zoom"}))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (other_mask, "its size is not that of one.png"),
        (no_zoom, "fields need a `folder`, a `zoom` and `classes` of rich and poor"),
        (lambda root: [p.unlink() for p in (root / "rois").glob("*mask.png")], "no picture NAME.jpg with a mask"),
        (lambda root: (root / "cut").mkdir(), "exists already"),
    ],
)
def test_what_cannot_be_cut(root, spoil, sentence):
    spoil(root)
    with pytest.raises(DataError, match=sentence):
        fields.write(root / "fields.json", root, 32, root / "cut")
