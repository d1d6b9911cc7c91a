"""Training end to end on generated patches, small enough for a minute."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dala.data import datasets
from dala.evaluation import inference
from dala.evaluation.predictions import Predictions
from dala.images import preprocessing, reading, stain
from dala.models import pretrained, serialization
from dala.models.dala_resnet import DALAResNet50
from dala.phantoms import dataset as phantoms_dataset
from dala.training import fit, phantom_data
from dala.training.checkpoint import CheckpointError
from dala.training.config import Settings, SettingsError
from dala.training.cross_validation import train
from dala.training.datasets import quarter_turns
from dala.training.networks import Upper, build, trained_parameters
from dala.training.trainer import Run, freeze_batch_norm

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = str(pretrained.SHIPPED / "model.safetensors")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "phantoms"
    phantoms_dataset.make_folder(root, phantoms_dataset.Recipe(24, size=(128, 96)))
    return root


@pytest.fixture(scope="module")
def settings(tree, tmp_path_factory):
    return Settings(
        data=tree, format="folder", init=SHIPPED, out=tmp_path_factory.mktemp("run"), split="holdout",
        height=96, width=128, crop=64, probe_epochs=3, epochs=3, batch=6, lr=1e-4, head_lr=1e-3, jitter=0.05,
        precision="fp32", workers=0, device="cpu", ema=0.5, score_every=1, tensorboard=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(settings):
    return train(settings)


def fold_state(out):
    return serialization.read_state(out / "fold-0-0" / "model.safetensors")


def test_the_loss_falls_and_everything_is_written(whole, settings):
    rows = list(csv.DictReader((settings.out / "fold-0-0" / "log.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    assert float(rows[-1]["loss"]) < float(rows[1]["loss"])
    assert all(0 <= float(row["auc"]) <= 1 for row in rows)
    assert whole == json.loads((settings.out / "report.json").read_text())
    loaded = pretrained.load(settings.out)
    assert loaded.sha256 == whole["sha256"]
    assert loaded.model.provenance["start"]["loaded"] > 200
    assert whole["versions"]["torch"] == torch.__version__
    assert list((settings.out / "fold-0-0" / "tensorboard").iterdir())
    assert len(Predictions.read(settings.out / "predictions.csv").picture) == 6
    assert not (settings.out / "fold-0-0" / "last.pt").exists()


def test_the_report_names_no_path(whole, settings):
    text = json.dumps(whole) + (settings.out / "config.json").read_text()
    for path in (settings.data, settings.out, pretrained.SHIPPED):
        assert str(path) not in text


def test_what_is_scored_is_the_network_that_is_kept(whole, settings):
    items = datasets.read(settings.data, "folder").items
    told = Predictions.read(settings.out / "predictions.csv")
    held = [next(i for i in items if i.path.name == name) for name in told.picture]
    again = inference.logits(pretrained.load(settings.out / "fold-0-0").model, held)
    # fp16 on the disk
    np.testing.assert_allclose(again, told.logits, atol=0.02)


def interrupted(settings, monkeypatch, after):
    """Ctrl-C during step `after` of the fold."""
    step = Run._step

    def press(run, *batch):
        if run.step == after:
            os.kill(os.getpid(), signal.SIGINT)
        return step(run, *batch)

    monkeypatch.setattr(Run, "_step", press)
    with pytest.raises(KeyboardInterrupt):
        train(settings)
    monkeypatch.undo()


@pytest.mark.parametrize("after", [4, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_resumed_after_an_interrupt_equals_an_uninterrupted_one_to_the_bit(
    whole, settings, tmp_path, monkeypatch, after
):
    out = replace(settings, out=tmp_path)
    interrupted(out, monkeypatch, after)
    assert torch.load(tmp_path / "fold-0-0" / "last.pt", weights_only=True)["step"] == after + 1
    assert not (tmp_path / "model.safetensors").exists()
    resumed = train(replace(out, resume=True))
    assert resumed["sha256"] == whole["sha256"]
    assert resumed["fold_sha256"] == whole["fold_sha256"]
    assert (tmp_path / "predictions.csv").read_text() == (settings.out / "predictions.csv").read_text()


def test_a_run_of_kept_views_can_be_resumed_after_its_features_are_gone(whole, settings, tmp_path):
    shutil.copytree(settings.out, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "features")
    again = train(replace(settings, out=tmp_path / "run", resume=True))
    assert again["sha256"] == whole["sha256"]


@pytest.mark.parametrize(("change", "words"), [({"seed": 1}, "other settings"), ({"epochs": 5}, "other settings")])
def test_a_run_is_not_resumed_under_other_settings(whole, settings, change, words):
    split = (settings.out / "split.json").read_text()
    with pytest.raises(SettingsError, match=words):
        train(replace(settings, resume=True, **change))
    assert (settings.out / "split.json").read_text() == split


def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path):
    pytest.importorskip("resource")
    code = f"""
import resource, signal
from pathlib import Path, PosixPath
from dala import checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = Path({str(tmp_path)!r}) / "last.pt"
import torch
checkpoint.write({{"step": 1}}, file)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    checkpoint.write({{"step": 2, "x": torch.zeros(1_000_000)}}, file)
except checkpoint.CheckpointError as error:
    print(error)
print(checkpoint.read(file)["step"], [p.name for p in file.parent.iterdir()])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "the one before it is kept" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "1 ['last.pt']"


def test_a_damaged_checkpoint_is_refused(settings, tmp_path, monkeypatch):
    out = replace(settings, out=tmp_path)
    interrupted(out, monkeypatch, 1)
    last = tmp_path / "fold-0-0" / "last.pt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="not a complete checkpoint"):
        train(replace(out, resume=True))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch": 0}, "--batch"),
        ({"held_out": 0}, "--held-out"),
        ({"crop": 128}, "--crop"),
        ({"height": 8}, "--height"),
        ({"inner": True}, "--inner"),
        ({"train_from": "stem"}, "--views 0"),
        ({"freeze_batch_norm": False}, "--views 0"),
    ],
)
def test_settings_that_cannot_be_run_are_refused(settings, change, words):
    with pytest.raises(SettingsError, match=words):
        replace(settings, **change)


def test_defaults_fit_the_device_and_the_size():
    small = Settings(height=224, width=224).on(torch.device("cpu"))
    assert (small.crop, small.workers) == (224, 0)
    assert small.precision in ("bf16", "fp32")


def test_a_broken_picture_is_named_and_left_out(tree, settings, tmp_path, capsys):
    broken = tmp_path / "tree"
    shutil.copytree(tree, broken)
    file = next(broken.rglob("*.png"))
    file.write_bytes(file.read_bytes()[:500])
    report = train(replace(settings, data=broken, out=tmp_path / "out", epochs=0))
    assert file.name in capsys.readouterr().out
    assert report["skipped"] == 1
    assert report["provenance"]["images"] == 23


def test_frozen_stages_stay_and_batch_norm_keeps_its_statistics(whole, settings):
    before, after = serialization.read_state(pretrained.SHIPPED / "model.safetensors"), fold_state(settings.out)
    changed = {k.split(".")[0] for k in before if not torch.equal(before[k], after[k])}
    assert changed == {"layer4", "attention", "head"}
    assert all(torch.equal(before[k], after[k]) for k in before if "running" in k)


def prepared(settings):
    dataset = datasets.read(settings.data, "folder")
    cpu = torch.device("cpu")
    return fit.prepare(settings.on(cpu), dataset.items, dataset.class_names, cpu)


def test_kept_features_give_what_the_pictures_give(whole, settings):
    job = prepared(settings)
    items, names = job.items, job.class_names
    torch.manual_seed(0)
    network = build("dala", names, job.preprocessing)
    network.load_state_dict({**network.state_dict(), **job.state})
    network.eval()
    kept = fit.logits(job, Upper(network, "layer4").eval(), range(4))
    x = torch.cat([preprocessing.to_tensor(reading.read(i.path), job.preprocessing) for i in items[:4]])
    with torch.no_grad():
        np.testing.assert_allclose(kept, network(x).numpy(), atol=1e-5)
        pooled = job.pooled["layer4"][:4, 0, :, None, None]
        np.testing.assert_allclose(network.head(network.attention(pooled)).numpy(), kept, atol=1e-4)
    # Every view is the picture turned over, and a crop is a part of one of them.
    maps = [job.source.frozen.map(0, v) for v in range(4)]
    crop, label = job.source[0, 5]
    assert label == items[0].label
    side = job.source.side
    windows = [
        m[t : t + side, left : left + side].permute(2, 0, 1)
        for m in maps
        for t in range(m.shape[0] - side + 1)
        for left in range(m.shape[1] - side + 1)
    ]
    assert sum(torch.equal(crop, w) for w in windows) == 1


def two_processes(settings, out, *more):
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29611", "-m", "dala",
        "train", "--data", str(settings.data), "--format", "folder", "--init", SHIPPED, "--out", str(out), "--split",
        "holdout", "--height", "96", "--width", "128", "--crop", "64", "--probe-epochs", "3", "--epochs", "2",
        "--batch", "6", "--lr", "1e-4", "--head-lr", "1e-3", "--jitter", "0.05", "--precision", "fp32", "--workers",
        "0", "--device", "cpu", "--dropout", "0", *more,
    ]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("views", ["4", "0"])
def test_two_processes_train_what_one_does(settings, tmp_path, views):
    two_processes(settings, tmp_path / "two", "--views", views)
    alone = replace(
        settings, out=tmp_path / "one", dropout=0, views=int(views), epochs=2, ema=0, score_every=0, tensorboard=False
    )
    train(alone)
    one, two = fold_state(tmp_path / "one"), fold_state(tmp_path / "two")
    start = serialization.read_state(pretrained.SHIPPED / "model.safetensors")
    # Adam turns a gradient of nearly nothing into a whole step of either sign: so in the norm, not everywhere.
    trained = [k for k in one if k.startswith("layer4") and one[k].ndim == 4]
    moved, apart = (sum(float((one[k] - other[k]).pow(2).sum()) for k in trained) ** 0.5 for other in (start, two))
    assert apart < 0.1 * moved
    told = [Predictions.read(tmp_path / n / "predictions.csv") for n in ("one", "two")]
    assert told[0].picture.tolist() == told[1].picture.tolist()
    np.testing.assert_allclose(told[0].logits, told[1].logits, atol=5e-3)


def test_a_batch_that_two_processes_cannot_share(settings, tmp_path):
    from dala.training.distributed import Ranks

    job = prepared(settings)
    network = build("dala", job.class_names, job.preprocessing)
    with pytest.raises(SettingsError, match="--batch 6 cannot be shared"):
        Run(settings, network, job.source, [0, 1], tmp_path, ranks=Ranks(0, 4))


def test_folds_an_inner_choice_and_a_final_network(settings, tmp_path):
    s = replace(settings, split="patient", folds=3, probe_epochs=2, epochs=0, score_every=0, tensorboard=False)
    cache = settings.out / "features"
    report = train(replace(s, out=tmp_path / "folds", cache=cache))
    assert sorted(report["fold_sha256"]) == ["0/0", "0/1", "0/2"]
    assert report["scores"]["images"] == 24
    assert pretrained.load(tmp_path / "folds").model.temperature == report["temperature"]
    inner = train(replace(s, out=tmp_path / "inner", inner=True, cache=cache))
    assert inner["sha256"] is None
    outer, chosen = (Predictions.read(tmp_path / n / "predictions.csv") for n in ("folds", "inner"))
    for fold in range(3):
        scored = set(chosen.picture[chosen.fold == fold])
        assert scored == set(outer.picture[outer.fold == (fold + 1) % 3])
    # A fold that was done is not done again.
    done = tmp_path / "folds" / "fold-0-1" / "predictions.csv"
    before = done.stat().st_mtime_ns
    train(replace(s, out=tmp_path / "folds", cache=cache, resume=True))
    assert done.stat().st_mtime_ns == before


OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in ("resnet50", "dala:one-activation")]


@pytest.mark.parametrize("network", ["colour", "probe", "dala:no-attention", *OTHERS])
def test_every_row_of_the_comparison_can_be_trained(settings, tmp_path, network):
    s = replace(settings, network=network, epochs=1, out=tmp_path, cache=settings.out / "features", tensorboard=False)
    report = train(s)
    assert report["sha256"] is None
    assert 0 <= report["scores"]["figures"]["auc"][0] <= 1


@pytest.mark.parametrize("network", ["torchvision:resnet18", "timm:resnet10t"])
def test_a_librarys_network_can_be_trained(settings, tmp_path, network):
    s = replace(settings, network=network, init=None, epochs=1, views=0, out=tmp_path, tensorboard=False)
    assert train(s)["scores"]["images"] == 6


def test_stages_from_the_chosen_one_up_are_trained():
    model = DALAResNet50()
    every = sum(p.numel() for p in model.parameters())
    assert sum(p.numel() for p in trained_parameters(model, "stem")) == every
    trained_parameters(model, "attention")
    assert {n.split(".")[0] for n, p in model.named_parameters() if p.requires_grad} == {"attention", "head"}


def test_batch_norm_is_frozen_in_training_mode():
    model = DALAResNet50().train()
    freeze_batch_norm(model)
    before = model.bn1.running_mean.clone()
    model(torch.rand(2, 3, 64, 64))
    assert torch.equal(model.bn1.running_mean, before)
    assert model.head.training


def test_a_quarter_turn_moves_pixels_and_changes_none():
    x = torch.arange(48.0).reshape(3, 4, 4)
    torch.manual_seed(0)
    seen = {tuple(quarter_turns(x).flatten().tolist()) for _ in range(50)}
    assert len(seen) == 4
    assert all(sorted(s) == x.flatten().tolist() for s in seen)


def test_colour_features_do_not_see_structure():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (30, 40, 3), np.uint8)
    shuffled = rng.permutation(pixels.reshape(-1, 3)).reshape(30, 40, 3)
    assert stain.colour_features(pixels).shape == (15,)
    np.testing.assert_allclose(stain.colour_features(pixels), stain.colour_features(shuffled), rtol=1e-5)


@pytest.mark.slow
def test_everybody_can_try_the_script_on_generated_patches(tmp_path):
    report = train(Settings(data=Path("phantom"), out=tmp_path))
    assert report["provenance"]["data"] == "phantoms"
    assert report["seconds"] < 300
    assert report["scores"]["figures"]["auc"][0] >= 0.95
    assert report["scores"]["figures"]["balanced_accuracy"][0] >= 0.95


def test_generated_patches_can_carry_a_decoy(tmp_path, monkeypatch):
    monkeypatch.setattr(phantom_data, "COUNT", 8)
    asked = Settings(data=Path("phantom:ink"), out=tmp_path, height=128, width=192, folds=2, probe_epochs=1, epochs=0)
    report = train(asked)
    assert report["provenance"]["data"] == "phantoms-ink"
    told = json.loads((tmp_path / "phantoms-ink" / phantoms_dataset.ABOUT).read_text())
    assert told["command"].endswith("--size 96x64 --decoy ink --decoy-class malignant --weak")
    with pytest.raises(SettingsError, match="no decoy 'dust': choose one of ink, fold, bright"):
        train(replace(asked, data=Path("phantom:dust")))
