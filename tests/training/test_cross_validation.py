"""Training end to end on generated patches, small enough for a minute."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dala import models
from dala.data import datasets
from dala.evaluation import inference
from dala.evaluation.predictions import Predictions
from dala.models import pretrained, serialization
from dala.training.checkpoint import CheckpointError
from dala.training.config import SettingsError
from dala.training.cross_validation import train
from dala.training.trainer import Trainer
from tests.support.tiny_run import SHIPPED, tiny_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return tiny_settings(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="module")
def whole(settings):
    return train(settings)


def fold_state(out):
    return serialization.read_state(out / "fold-0-0" / "model.safetensors")


def test_the_loss_falls_and_everything_is_written(whole, settings):
    rows = list(csv.DictReader((settings.runtime.out / "fold-0-0" / "log.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    assert float(rows[-1]["loss"]) < float(rows[1]["loss"])
    assert all(0 <= float(row["auc"]) <= 1 for row in rows)
    assert whole == json.loads((settings.runtime.out / "report.json").read_text())
    loaded = models.load(settings.runtime.out)
    assert loaded.sha256 == whole["sha256"]
    assert loaded.model.provenance["start"]["loaded"] > 200
    assert whole["versions"]["torch"] == torch.__version__
    assert list((settings.runtime.out / "fold-0-0" / "tensorboard").iterdir())
    assert len(Predictions.read(settings.runtime.out / "predictions.csv").picture) == 6
    assert not (settings.runtime.out / "fold-0-0" / "last.pt").exists()


def test_the_report_names_no_path(whole, settings):
    text = json.dumps(whole) + (settings.runtime.out / "config.json").read_text()
    for path in (settings.data.data[0], settings.runtime.out, pretrained.SHIPPED):
        assert str(path) not in text


def test_what_is_scored_is_the_network_that_is_kept(whole, settings):
    items = datasets.read(Path(settings.data.data[0]), "folder").items
    written = Predictions.read(settings.runtime.out / "predictions.csv")
    test = [next(i for i in items if i.path.name == name) for name in written.picture]
    logits = inference.logits(models.load(settings.runtime.out / "fold-0-0").model, test)
    # The weights are fp16 on disk.
    np.testing.assert_allclose(logits, written.logits, atol=0.02)


def interrupted(settings, monkeypatch, after):
    """Ctrl-C during step `after` of the fold."""
    step = Trainer._step

    def press(trainer, *batch):
        if trainer.step == after:
            os.kill(os.getpid(), signal.SIGINT)
        return step(trainer, *batch)

    monkeypatch.setattr(Trainer, "_step", press)
    with pytest.raises(KeyboardInterrupt):
        train(settings)
    monkeypatch.undo()


@pytest.mark.parametrize("after", [4, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_resumed_after_an_interrupt_equals_an_uninterrupted_one_to_the_bit(
    whole, settings, tmp_path, monkeypatch, after
):
    out = settings.with_options(out=tmp_path)
    interrupted(out, monkeypatch, after)
    assert torch.load(tmp_path / "fold-0-0" / "last.pt", weights_only=True)["step"] == after + 1
    assert not (tmp_path / "model.safetensors").exists()
    resumed = train(out.with_options(resume=True))
    assert resumed["sha256"] == whole["sha256"]
    assert resumed["fold_sha256"] == whole["fold_sha256"]
    assert (tmp_path / "predictions.csv").read_text() == (settings.runtime.out / "predictions.csv").read_text()


@pytest.mark.slow
def test_a_run_of_kept_views_can_be_resumed_after_its_features_are_gone(whole, settings, tmp_path):
    shutil.copytree(settings.runtime.out, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "features")
    again = train(settings.with_options(out=tmp_path / "run", resume=True))
    assert again["sha256"] == whole["sha256"]


@pytest.mark.parametrize(("change", "words"), [({"seed": 1}, "other settings"), ({"epochs": 5}, "other settings")])
def test_a_run_is_not_resumed_under_other_settings(whole, settings, change, words):
    split = (settings.runtime.out / "split.json").read_text()
    with pytest.raises(SettingsError, match=words):
        train(settings.with_options(resume=True, **change))
    assert (settings.runtime.out / "split.json").read_text() == split


@pytest.mark.slow
def test_a_damaged_checkpoint_is_refused(settings, tmp_path, monkeypatch):
    out = settings.with_options(out=tmp_path)
    interrupted(out, monkeypatch, 1)
    last = tmp_path / "fold-0-0" / "last.pt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="not a complete checkpoint"):
        train(out.with_options(resume=True))


def test_a_broken_picture_is_named_and_left_out(settings, tmp_path, capsys):
    broken = tmp_path / "tree"
    shutil.copytree(settings.data.data[0], broken)
    file = next(broken.rglob("*.png"))
    file.write_bytes(file.read_bytes()[:500])
    report = train(settings.with_options(data=broken, out=tmp_path / "out", epochs=0))
    assert file.name in capsys.readouterr().out
    assert report["skipped"] == 1
    assert report["provenance"]["images"] == 23


def test_frozen_stages_stay_and_batch_norm_keeps_its_statistics(whole, settings):
    before, after = serialization.read_state(pretrained.SHIPPED / "model.safetensors"), fold_state(settings.runtime.out)
    changed = {k.split(".")[0] for k in before if not torch.equal(before[k], after[k])}
    assert changed == {"layer4", "attention", "head"}
    assert all(torch.equal(before[k], after[k]) for k in before if "running" in k)


def two_processes(settings, out, *more):
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29611", "-m", "dala",
        "train", "--data", settings.data.data[0], "--format", "folder", "--init", SHIPPED, "--out", out, "--split",
        "holdout", "--height", "96", "--width", "128", "--crop", "64", "--probe-epochs", "3", "--epochs", "2",
        "--batch", "6", "--lr", "1e-4", "--head-lr", "1e-3", "--stain", "0.05", "--precision", "fp32", "--workers",
        "0", "--device", "cpu", "--dropout", "0", *more,
    ]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("views", ["4", "0"])
def test_two_processes_train_what_one_does(settings, tmp_path, views):
    two_processes(settings, tmp_path / "two", "--views", views)
    alone = settings.with_options(
        out=tmp_path / "one", dropout=0, views=int(views), epochs=2, ema=0, score_every=0, tensorboard=False
    )
    train(alone)
    one, two = fold_state(tmp_path / "one"), fold_state(tmp_path / "two")
    start = serialization.read_state(pretrained.SHIPPED / "model.safetensors")
    # Adam turns a gradient of nearly nothing into a whole step of either sign: so in the norm, not everywhere.
    trained = [k for k in one if k.startswith("layer4") and one[k].ndim == 4]
    moved, apart = (sum(float((one[k] - other[k]).pow(2).sum()) for k in trained) ** 0.5 for other in (start, two))
    assert apart < 0.1 * moved
    single, double = (Predictions.read(tmp_path / n / "predictions.csv") for n in ("one", "two"))
    assert single.picture.tolist() == double.picture.tolist()
    np.testing.assert_allclose(single.logits, double.logits, atol=5e-3)


@pytest.mark.slow
def test_folds_an_inner_choice_and_a_final_network(settings, tmp_path):
    s = settings.with_options(split="patient", folds=3, probe_epochs=2, epochs=0, score_every=0, tensorboard=False)
    cache = settings.runtime.out / "features"
    report = train(s.with_options(out=tmp_path / "folds", cache=cache))
    assert sorted(report["fold_sha256"]) == ["0/0", "0/1", "0/2"]
    assert report["scores"]["images"] == 24
    assert models.load(tmp_path / "folds").model.temperature == report["temperature"]
    inner = train(s.with_options(out=tmp_path / "inner", inner=True, cache=cache))
    assert inner["sha256"] is None
    outer, chosen = (Predictions.read(tmp_path / n / "predictions.csv") for n in ("folds", "inner"))
    for fold in range(3):
        scored = set(chosen.picture[chosen.fold == fold])
        assert scored == set(outer.picture[outer.fold == (fold + 1) % 3])
    # A fold that was done is not done again.
    done = tmp_path / "folds" / "fold-0-1" / "predictions.csv"
    before = done.stat().st_mtime_ns
    train(s.with_options(out=tmp_path / "folds", cache=cache, resume=True))
    assert done.stat().st_mtime_ns == before
