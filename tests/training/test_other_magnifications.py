"""Pictures of other magnifications, resized to one scale and trained on without being scored."""

import json

import numpy as np
import pytest

from dala.data import loading
from dala.data.items import DataError, Item
from dala.evaluation.predictions import Predictions
from dala.images import preprocessing, reading
from dala.models import pretrained, serialization
from dala.phantoms import phantom
from dala.training.baselines import FeatureBaseline
from dala.training.config import Settings, SettingsError
from dala.training.cross_validation import train

SIZES = {40: (192, 144), 100: (192, 144), 400: (256, 192)}
# Patients and their class: seven at 100X, of whom two have other pictures too, and two that have none at 100X.
SEEN = {"11": "B", "12": "B", "13": "B", "21": "M", "22": "M", "23": "M", "24": "M"}
FURTHER = {("11", 400): "B", ("21", 40): "M", ("31", 400): "B", ("41", 40): "M"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("breakhis")
    pictures = [(p, 100, c, n) for p, c in SEEN.items() for n in (1, 2)]
    pictures += [(p, zoom, c, 1) for (p, zoom), c in FURTHER.items()]
    for k, (patient, zoom, kind, n) in enumerate(pictures):
        tumour = {"B": "A", "M": "DC"}[kind]
        name = f"SOB_{kind}_{tumour}-14-{patient}-{zoom}-{n:03}.png"
        phantom.make(k, kind == "M", SIZES[zoom]).picture.save(root / name)
    return root


@pytest.fixture(scope="module")
def settings(tree, tmp_path_factory):
    return Settings.from_options(
        data=tree, also="40X,400X", init=str(pretrained.SHIPPED / serialization.FILE),
        out=tmp_path_factory.mktemp("run"), height=144, width=192, crop=96, split="holdout", final=False, views=1,
        probe="linear", epochs=0, batch=4, precision="fp32", workers=0, device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def report(settings):
    return train(settings)


def test_none_of_them_is_scored(report, settings):
    predictions = Predictions.read(settings.runtime.out / "predictions.csv")
    assert set(predictions.magnification) == {"100X"}
    assert len(predictions.picture) == report["scores"]["images"] == 2 * len(set(predictions.patient))


@pytest.mark.parametrize("inner", [False, True])
def test_a_held_out_patient_is_held_out_at_every_scale(settings, monkeypatch, tmp_path, inner):
    sides = []
    fit = FeatureBaseline.fit

    def spy(baseline, fitted, out, scored):
        sides.append([{baseline.items[i] for i in side} for side in (fitted, scored)])
        return fit(baseline, fitted, out, scored)

    monkeypatch.setattr(FeatureBaseline, "fit", spy)
    train(settings.with_options(out=tmp_path, network="colour", split="patient", folds=3, inner=inner))
    folds = json.loads((tmp_path / "split.json").read_text())["partitions"][0]
    everybody = {*SEEN, *(patient for patient, _ in FURTHER)}
    for fold, (fitted, scored) in enumerate(sides):
        after = folds[(fold + 1) % 3]
        out = {*folds[fold], *(after if inner else ())}
        assert {i.patient for i in fitted} == everybody - out
        others = {(i.patient, int(i.magnification[:-1])) for i in fitted if i.magnification != "100X"}
        assert others == {key for key in FURTHER if key[0] not in out}
        assert {i.patient for i in scored} == {*(after if inner else folds[fold])}
        assert {i.magnification for i in scored} == {"100X"}


def test_the_report_and_the_weights_state_them(report, settings):
    whole = report["provenance"]
    assert whole["also"] == {"magnification": "40X,400X", "images": 4, "patients": 9}
    assert (whole["images"], whole["patients"]) == (14, 7)
    held = set(Predictions.read(settings.runtime.out / "predictions.csv").patient)
    provenance = json.loads((settings.runtime.out / "fold-0-0" / "config.json").read_text())["provenance"]
    assert provenance["images"] == 2 * provenance["patients"] == 14 - 2 * len(held)
    assert provenance["also"]["images"] == sum(patient not in held for patient, _ in FURTHER)
    assert provenance["also"]["patients"] == 9 - len(held)


@pytest.mark.parametrize(("zoom", "size"), [("40X", (385, 288)), ("200X", (96, 72)), ("400X", (64, 48))])
def test_tissue_is_as_large_as_at_the_training_scale(tmp_path, zoom, size):
    about = preprocessing.Preprocessing(144, 192, magnification="100X")
    file = tmp_path / "one.png"
    phantom.make(0, True, SIZES.get(int(zoom[:-1]), (192, 144))).picture.save(file)
    seen = loading.at_scale(Item(file, 0, "p", "p", zoom), about)
    assert seen.size == size
    if zoom == "40X":  # the middle: a patch shows at most four times what the network sees
        whole = np.asarray(reading.read(file).resize((480, 360), 3), float)
        middle = whole[(360 - size[1]) // 2 :, (480 - size[0]) // 2 :][: size[1], : size[0]]
        assert np.abs(middle - np.asarray(seen, float)).mean() < 6


def test_too_little_tissue_is_refused(tmp_path):
    file = tmp_path / "one.png"
    phantom.make(0, True, (100, 75)).picture.save(file)
    with pytest.raises(DataError, match="too little tissue"):
        loading.at_scale(Item(file, 0, "p", "p", "400X"), preprocessing.Preprocessing(144, 192, magnification="100X"))


@pytest.mark.parametrize(
    "change",
    [
        {"also": "100X"},
        {"also": "40X", "format": "folder"},
        {"also": "40X", "magnification": "100X,200X"},
    ],
)
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(SettingsError, match="`also`"):
        Settings.from_options(**change)
