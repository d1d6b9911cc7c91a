"""Scoring weights on labelled pictures."""

import argparse
import json
import shutil

import numpy as np
import pytest

from dala import cli, models
from dala.commands import evaluate as command
from dala.data.items import DataError
from dala.evaluation.predictions import Predictions
from dala.models import serialization
from dala.phantoms import phantom
from tests.support.runs import PLOTS, files, predictions, save


def run(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(a) for a in (*arguments, "--bootstrap", 40)]))


@pytest.fixture(scope="module")
def small_weights(explainer, tmp_path_factory):
    """The shipped weights for small pictures, with a temperature."""
    from dala import DALAResNet50
    from dala.images.preprocessing import Preprocessing

    model = DALAResNet50(explainer.model.class_names, Preprocessing(height=64, width=96), temperature=2.0)
    model.load_state_dict(explainer.model.state_dict())
    folder = tmp_path_factory.mktemp("small")
    serialization.save(model.eval(), folder)
    return folder


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    root = tmp_path_factory.mktemp("patches")
    for seed in range(6):
        made = phantom.make(seed, size=(96, 64))
        label = "malignant" if seed % 2 else "benign"
        (root / label).mkdir(exist_ok=True)
        # The same name in both folders.
        made.picture.save(root / label / f"{seed // 2}.png")
    return root


def test_weights_are_scored_on_pictures(small_weights, patches, tmp_path, capsys):
    import torch

    from dala.images import preprocessing, reading

    out = tmp_path / "out"
    assert run("--model", small_weights, "--data", patches, "--format", "folder", "--out", out) == 0
    scored = Predictions.read(out / "predictions.csv")
    assert len(scored.picture) == 6 and "benign/0.png" in scored.picture
    loaded = models.load(small_weights)
    for k, picture in enumerate(scored.picture):
        x = preprocessing.to_tensor(reading.read(patches / picture), loaded.model.preprocessing)
        with torch.inference_mode():
            assert np.allclose(loaded.model(x)[0].numpy(), scored.logits[k], atol=1e-4)
    report = json.loads((out / "report.json").read_text())
    assert report["sha256"] == loaded.sha256 and report["temperature"] == 2.0
    own = scored.logits.astype(float) / 2
    chance = 1 / (1 + np.exp(own[:, 0] - own[:, 1]))
    assert report["scores"]["figures"]["brier"][0] == pytest.approx(np.mean((scored.label - chance) ** 2), abs=0.0001)
    assert {p.name for p in out.iterdir()} == {"predictions.csv", "report.json", *PLOTS[:3]}
    out_text = capsys.readouterr().out
    assert "6 pictures, the patients are not known" in out_text and "patient auc" not in out_text
    assert "each picture counts as one" in out_text
    assert report["provenance"]["patients"] is None and report["scores"]["patients"] is None
    assert report["scores"]["figures"]["patient_auc"] == [None] * 3 and report["scores"]["by_patient"] == []
    assert "before citing these scores" in report["note"]


def test_weights_of_other_classes(small_weights, patches, tmp_path):
    root = tmp_path / "renamed"
    shutil.copytree(patches, root)
    (root / "malignant").rename(root / "carcinoma")
    with pytest.raises(DataError, match="distinguish benign, malignant, but the pictures are of benign, carcinoma"):
        run("--model", small_weights, "--data", root, "--format", "folder", "--out", tmp_path / "out")


@pytest.mark.parametrize("given", [(), ("--model", "weights"), ("--data", "x"), ("run", "--model", "weights")])
def test_what_cannot_be_scored(given, tmp_path):
    with pytest.raises(DataError, match="Give --model and --data to score weights, or use `dala report RUN`"):
        run(*given, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_is_still_reported_with_a_note(tmp_path, capsys):
    folder = save(tmp_path / "run", predictions(partitions=1))
    options = [str(folder), "--why", "A reason.", "--bootstrap", "40", "--out"]
    assert cli.main(["report", *options, str(tmp_path / "new")]) == 0
    assert capsys.readouterr().err == ""
    assert cli.main(["evaluate", *options, str(tmp_path / "old")]) == 0
    assert capsys.readouterr().err.count("\n") == 1
    assert files(tmp_path / "old") == files(tmp_path / "new")
