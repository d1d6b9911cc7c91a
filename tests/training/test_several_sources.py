"""Training on several sets: one is scored, the others are resized to its scale and trained on only."""

import json

import numpy as np
import pytest

from dala import cli
from dala.data.items import DataError
from dala.evaluation.predictions import Predictions
from dala.hub import report as hub_report
from dala.phantoms import phantom
from dala.training.baselines import FeatureBaseline
from dala.training.config import Settings, SettingsError
from dala.training.cross_validation import train
from tests.support.tiny_run import SHIPPED

SIZES = {40: (192, 144), 100: (192, 144), 400: (256, 192)}
# Patients and their class: seven at 100X, of whom two have other pictures too, and two that have none at 100X.
SEEN = {"11": "B", "12": "B", "13": "B", "21": "M", "22": "M", "23": "M", "24": "M"}
FURTHER = {("11", 400): "B", ("21", 40): "M", ("31", 400): "B", ("41", 40): "M"}
TILES = {"Stroma": 2, "Tumor": 3, "Necrosis": 1}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """BreakHis at three magnifications, and tiles of another laboratory, 40 px wide, with a source file of each."""
    root = tmp_path_factory.mktemp("sets")
    (root / "breakhis").mkdir()
    pictures = [(p, 100, c, n) for p, c in SEEN.items() for n in (1, 2)]
    pictures += [(p, zoom, c, 1) for (p, zoom), c in FURTHER.items()]
    for k, (patient, zoom, kind, n) in enumerate(pictures):
        tumour = {"B": "A", "M": "DC"}[kind]
        name = f"SOB_{kind}_{tumour}-14-{patient}-{zoom}-{n:03}.png"
        phantom.make(k, kind == "M", SIZES[zoom]).picture.save(root / "breakhis" / name)
    rng = np.random.default_rng(0)
    for kind, count in TILES.items():
        (root / "tiles" / kind).mkdir(parents=True)
        for k in range(count):
            noise = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            phantom.Image.fromarray(noise).save(root / "tiles" / kind / f"{k}.png")
    layout = {"folder": "breakhis", "format": "breakhis", "laboratory": "Brazil", "patients": "named", "licence": "CC"}
    describe(root, "first", title="BreakHis", magnifications=["100X"], **layout)
    describe(root, "others", title="other zooms", magnifications=["40X", "400X"], weight=0.5, **layout)
    classes = {"Stroma": "benign", "Tumor": "malignant", "Necrosis": None}
    describe(
        root, "tiles", title="tiles", folder="tiles", classes=classes, zoom=0.8, laboratory="Elsewhere",
        patients="unknown", licence="Apache-2.0",
    )  # fmt: skip
    return root


def describe(root, name, **keys):
    (root / f"{name}.json").write_text(json.dumps(keys))


@pytest.fixture(scope="module")
def settings(root, tmp_path_factory):
    return Settings.from_options(
        data=[root / f"{name}.json" for name in ("first", "others", "tiles")], root=root, init=SHIPPED,
        out=tmp_path_factory.mktemp("run"), height=144, width=192, crop=96, split="holdout", final=False, views=1,
        probe="linear", epochs=0, batch=4, precision="fp32", workers=0, device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def report(settings):
    return train(settings)


@pytest.fixture
def sides(monkeypatch):
    """What the colour baseline is fitted to and scored on, by fold."""
    seen = []
    fit = FeatureBaseline.fit

    def spy(baseline, fitted, out, scored=()):
        seen.append([{baseline.items[i] for i in side} for side in (fitted, scored)])
        return fit(baseline, fitted, out, scored)

    monkeypatch.setattr(FeatureBaseline, "fit", spy)
    return seen


def test_only_the_first_set_is_scored(report, settings):
    predictions = Predictions.read(settings.runtime.out / "predictions.csv")
    assert set(predictions.magnification) == {"100X"}
    assert all(name.startswith("SOB_") and "/" not in name for name in predictions.picture)
    assert len(predictions.picture) == report["scores"]["images"] == 2 * len(set(predictions.patient))


@pytest.mark.parametrize("inner", [False, True])
def test_a_held_out_patient_is_held_out_in_every_set(settings, sides, tmp_path, inner):
    train(settings.with_options(out=tmp_path, network="colour", split="patient", folds=3, inner=inner))
    folds = json.loads((tmp_path / "split.json").read_text())["partitions"][0]
    everybody = {*SEEN, *(patient for patient, _ in FURTHER)}
    for fold, (fitted, scored) in enumerate(sides):
        after = folds[(fold + 1) % 3]
        out = {*folds[fold], *(after if inner else ())}
        assert {i.patient for i in fitted if i.source != "tiles"} == everybody - out
        others = {(i.patient, int(i.magnification[:-1])) for i in fitted if i.source == "other zooms"}
        assert others == {key for key in FURTHER if key[0] not in out}
        assert sum(i.source == "tiles" for i in fitted) == 5
        assert {i.patient for i in scored} == {*(after if inner else folds[fold])}
        assert {i.source for i in scored} == {"BreakHis"}


def test_a_laboratory_is_left_out(settings, sides, tmp_path):
    report = train(settings.with_options(out=tmp_path, network="colour", leave_out="Elsewhere"))
    assert {i.source for i in sides[0][0]} == {"BreakHis", "other zooms"}
    assert [row["title"] for row in report["provenance"]["sources"]] == ["BreakHis", "other zooms"]
    assert report["provenance"]["left_out"] == ["Elsewhere"]


def test_with_the_first_laboratory_left_out_all_its_pictures_are_scored(settings, sides, tmp_path):
    report = train(settings.with_options(out=tmp_path, network="colour", leave_out="Brazil"))
    (fitted, scored), *more = sides
    assert not more and {i.source for i in fitted} == {"tiles"}
    assert {i.patient for i in scored} == {*SEEN} and report["scores"]["images"] == len(scored) == 14
    with pytest.raises(SettingsError, match="there are no folds"):
        train(settings.with_options(out=tmp_path, leave_out="Brazil", split="patient", inner=True))


def test_the_report_the_settings_and_the_weights_list_the_sets(report, settings):
    first, others, tiles = report["provenance"]["sources"]
    assert (first["images"], first["patients"], first["zoom"], first["weight"]) == (14, 7, None, 1)
    assert (others["images"], others["patients"], others["zoom"], others["weight"]) == (4, 4, [0.25, 2.5], 0.5)
    assert tiles == {
        "title": "tiles", "laboratory": "Elsewhere", "images": 5, "patients": None, "weight": 1, "zoom": 0.8,
        "classes": {"benign": 2, "malignant": 3}, "licence": "Apache-2.0",
    }  # fmt: skip
    out = settings.runtime.out
    assert json.loads((out / "settings.json").read_text())["sources"] == [first, others, tiles]
    assert report["settings"]["sources"] == "BreakHis + 0.5 other zooms + tiles"
    assert hub_report.read(out / "report.json", required=hub_report.RUN) == report
    assert str(settings.data.root) not in (out / "report.json").read_text()
    held = set(Predictions.read(out / "predictions.csv").patient)
    provenance = json.loads((out / "fold-0-0" / "config.json").read_text())["provenance"]
    assert provenance["images"] == 2 * provenance["patients"] == 14 - 2 * len(held)
    rows = {row["title"]: row["images"] for row in provenance["sources"]}
    assert rows["other zooms"] == sum(patient not in held for patient, _ in FURTHER) and rows["tiles"] == 5


def test_the_left_out_set_is_scored_at_the_scale_of_the_weights(report, settings, root, tmp_path, capsys):
    command = ["evaluate", "--model", settings.runtime.out / "fold-0-0", "--data", root / "tiles.json", "--root", root]
    assert cli.main([str(part) for part in [*command, "--bootstrap", 20, "--out", tmp_path / "out"]]) == 0
    scored = hub_report.read(tmp_path / "out" / "report.json")["provenance"]
    assert scored["data"] == "tiles" and scored["images"] == 5
    assert [row["zoom"] for row in scored["sources"]] == [0.8]
    assert "5 pictures" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("tiles", {"zoom": None}, "tiles: its scale is not stated"),
        ("tiles", {"classes": {"Stroma": "benign", "Tumor": "malignant"}}, "no map names Necrosis"),
        ("first", {"evaluation_only": True}, "BreakHis is for evaluation only"),
        ("others", {"laboratory": "Chile"}, "The patient 11 is in BreakHis and in other zooms, of two laboratories"),
        ("others", {"magnifications": ["100X"]}, "are one picture"),
    ],
)
def test_sets_that_cannot_be_used_together_are_refused_before_anything_runs(
    settings, root, tmp_path, name, change, sentence
):
    keys = json.loads((root / f"{name}.json").read_text()) | change
    (tmp_path / "changed.json").write_text(json.dumps({k: v for k, v in keys.items() if v is not None}))
    data = [str(tmp_path / "changed.json") if name in value else value for value in settings.data.data]
    with pytest.raises(DataError, match=sentence) as caught:
        train(settings.with_options(data=data, out=tmp_path / "out"))
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "out").iterdir())


def test_a_wrong_source_on_the_command_line_is_one_sentence(root, tmp_path, capsys):
    first = ["train", "--data", str(root / "first.json"), "--root", str(root), "--out", str(tmp_path)]
    assert cli.main([*first, "--data", str(root / "tiles"), "--format", "folder"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert cli.main([*first, "--leave-out", "Chile"]) == 2
    assert "no laboratory 'Chile' to leave out: there are Brazil." in capsys.readouterr().err
