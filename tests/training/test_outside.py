"""Scores outside the folds: shifts of held-out patients, and laboratories that were not trained on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dala import models
from dala.data import loading, scales, sources
from dala.data.items import DataError, Item
from dala.evaluation import inference
from dala.evaluation.predictions import Predictions
from dala.hub import report as hub_report
from dala.images.shifts import SHIFTS
from dala.phantoms import phantom
from dala.publishing import laboratories
from dala.training import outside
from dala.training.config import Settings
from dala.training.cross_validation import train
from tests.support.tiny_run import SHIPPED


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Six patients at home, two small sets of other laboratories, and one of a single class."""
    root = tmp_path_factory.mktemp("sets")
    (root / "home").mkdir()
    for k in range(12):
        kind, tumour = ("M", "DC") if k % 2 else ("B", "A")
        made = phantom.make(k, k % 2 == 1, (96, 64)).picture
        made.save(root / "home" / f"SOB_{kind}_{tumour}-14-{10 + k % 6}-100-{k:03}.png")
    for name in ("near", "far", "odd"):
        for k, label in enumerate(("benign", "malignant") * 2):
            (root / name / label).mkdir(parents=True, exist_ok=True)
            phantom.make(100 + k + len(name), k % 2 == 1, (64, 48)).picture.save(root / name / label / f"{k}.png")
    layout = {"folder": "home", "format": "breakhis", "magnifications": ["100X"], "patients": "named"}
    describe(root, "home", title="Home", laboratory="H", **layout)
    for name in ("near", "far"):
        describe(root, name, title=f"{name} tiles", folder=name, zoom=1.0, laboratory=name, patients="unknown")
    describe(
        root, "odd", title="odd", folder="odd", classes={"malignant": "malignant", "benign": None}, zoom=1.0,
        laboratory="odd", patients="unknown", evaluation_only=True,
    )  # fmt: skip
    return root


def describe(root, name, **keys):
    (root / f"{name}.json").write_text(json.dumps({"licence": "CC", **keys}))


def settings(root, out, **options):
    return Settings.from_options(
        root=root, out=out, init=SHIPPED, height=64, width=96, crop=64, folds=3, views=1, probe="linear", epochs=0,
        batch=4, precision="fp32", workers=0, device="cpu", cache=root / "features",
        **{"data": [root / "home.json"], "network": "colour", **options},
    )  # fmt: skip


def read(folder):
    return Predictions.read(folder / "predictions.csv")


def test_colour_alone_is_scored_on_a_laboratory_left_out_and_on_shifts(root, tmp_path):
    sets = [root / "home.json", root / "near.json", root / "far.json"]
    options = {"data": sets, "leave_out": ["far"], "score_on": [root / "odd.json"], "shifts": True}
    train(settings(root, tmp_path, **options))
    far, odd = (read(tmp_path / "laboratories" / name) for name in ("far-tiles", "odd"))
    assert set(far.picture) == {"benign/0.png", "malignant/1.png", "benign/2.png", "malignant/3.png"}
    assert set(odd.label) == {1} and len(odd.picture) == 2
    report = hub_report.read(tmp_path / "laboratories" / "far-tiles" / "report.json")
    assert report["provenance"]["data"] == "far tiles" and report["protocol"] == "external"
    home = read(tmp_path)
    for name in SHIFTS:
        shifted = Predictions.read(tmp_path / "shifts" / f"{name}.csv")
        assert sorted(shifted.picture) == sorted(home.picture) and not np.array_equal(shifted.logits, home.logits)
        assert dict(zip(shifted.picture, shifted.fold, strict=True)) == dict(zip(home.picture, home.fold, strict=True))
    row = laboratories.read([tmp_path])
    assert list(row.sets) == ["home", *SHIFTS, "far-tiles", "odd"]


def test_a_finished_run_is_scored_on_another_laboratory_later(root, tmp_path):
    train(settings(root, tmp_path))
    before = (tmp_path / "predictions.csv").read_bytes()
    train(settings(root, tmp_path, score_on=[root / "far.json"], resume=True))
    assert (tmp_path / "predictions.csv").read_bytes() == before
    first = (tmp_path / "laboratories" / "far-tiles" / "predictions.csv").read_bytes()
    train(settings(root, tmp_path, score_on=[root / "far.json", root / "odd.json"], resume=True))
    assert (tmp_path / "laboratories" / "far-tiles" / "predictions.csv").read_bytes() == first
    assert (tmp_path / "laboratories" / "odd" / "report.json").exists()


def test_candidates_are_scored_inside_the_training_sides(root, tmp_path):
    sets = [root / "home.json", root / "far.json"]
    train(settings(root, tmp_path, data=sets, leave_out=["far"], inner=True))
    scored = read(tmp_path / "laboratories" / "far-tiles")
    # Each fold's network scores the laboratory as a whole.
    assert [len(part.picture) for part in scored.partitions()] == [4, 4, 4]
    assert not np.array_equal(scored.partitions()[0].logits, scored.partitions()[1].logits)


def test_a_network_is_scored_as_it_was_saved(root, tmp_path):
    train(settings(root, tmp_path, network="dala", score_on=[root / "far.json"], split="holdout", held_out=0.5))
    scored = read(tmp_path / "laboratories" / "far-tiles")
    (source,) = sources.open_all([str(root / "far.json")], root, "folder", "binary", ())
    model = models.load(tmp_path).model
    reference = scales.of_weights(model.preprocessing)
    dataset = sources.read([source], class_names=model.class_names, reference=reference, training=False)
    expected = inference.logits(model, dataset.items)
    # Frozen stages come from the features of the initialization, and the saved ones are rounded.
    np.testing.assert_allclose(scored.logits, expected, atol=2e-3)
    sha256 = hub_report.read(tmp_path / "report.json")["sha256"]
    assert hub_report.read(tmp_path / "laboratories" / "far-tiles" / "report.json")["sha256"] == sha256


@pytest.mark.parametrize("network", ["resnet50", "probe"])
def test_what_is_not_saved_is_scored_as_it_was_fitted(root, tmp_path, network):
    options = {"score_on": [root / "far.json"], "split": "holdout", "held_out": 0.5, "shifts": True}
    train(settings(root, tmp_path, network=network, **options))
    scored = read(tmp_path / "laboratories" / "far-tiles")
    assert np.isfinite(scored.logits).all() and len(np.unique(scored.logits)) > 4
    assert not (tmp_path / "model.safetensors").exists()


def test_a_laboratory_that_is_trained_on_is_not_held_out(root, tmp_path):
    sets = [root / "home.json", root / "far.json"]
    with pytest.raises(DataError, match='pictures of far are trained on.*--leave-out "far"'):
        train(settings(root, tmp_path, data=sets, score_on=[root / "far.json"]))


def test_a_shifted_item_is_read_shifted(root):
    file = next((root / "home").iterdir())
    item = Item(file, 0, "p", "p", shift="larger")
    assert np.array_equal(loading.read(item), SHIFTS["larger"].apply(Image.open(file)))
    assert np.array_equal(loading.read(replace(item, shift="")), Image.open(file))


def test_a_laboratorys_folder_is_named_by_its_title():
    assert outside.key_of("BRCA tissue tiles") == "brca-tissue-tiles"
    assert outside.key_of("BRACS, atypical") == "bracs-atypical" and Path(outside.key_of("…")).name == "laboratory"
