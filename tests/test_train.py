"""Training end to end on generated patches, small enough for a minute."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dala import data, evaluate, images, phantom, start, weights
from dala.finetune import Run, freeze_batch_norm, quarter_turns, trained_parameters
from dala.model import DALAResNet50
from dala.settings import Settings, SettingsError
from dala.train import train


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "phantoms"
    phantom.make_folder(root, 24, size=(128, 96))
    return root


@pytest.fixture(scope="module")
def settings(tree, tmp_path_factory):
    return Settings(
        data=tree, format="folder", init=str(weights.SHIPPED / "model.safetensors"), out=tmp_path_factory.mktemp("run"),
        height=96, width=128, crop=64, probe_epochs=3, epochs=3, batch=6, lr=1e-4, head_lr=1e-3, jitter=0.05,
        precision="fp32", workers=0, device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(settings):
    return train(settings)


def test_the_loss_falls_and_everything_is_written(whole, settings):
    losses = [row["loss"] for row in whole["log"][1:]]
    assert losses[-1] < losses[0]
    assert whole == json.loads((settings.out / "report.json").read_text())
    rows = list(csv.DictReader((settings.out / "log.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    loaded = weights.load(settings.out)
    assert loaded.sha256 == whole["sha256"]
    assert loaded.model.provenance["start"]["loaded"] > 200
    for side in json.loads((settings.out / "split.json").read_text()).values():
        assert side
    assert whole["held_out"]["images"] == whole["held_out_colour_only"]["images"] == 6


def test_the_report_names_no_path(whole, settings):
    text = json.dumps(whole) + (settings.out / "config.json").read_text()
    assert str(settings.data) not in text
    assert str(settings.out) not in text
    assert str(weights.SHIPPED) not in text


def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(whole, settings, tmp_path, monkeypatch):
    out = replace(settings, out=tmp_path)
    one_epoch, stop = Run.one_epoch, KeyboardInterrupt
    monkeypatch.setattr(Run, "one_epoch", lambda run: one_epoch(run) if run.epoch < 1 else (_ for _ in ()).throw(stop))
    with pytest.raises(KeyboardInterrupt):
        train(out)
    monkeypatch.undo()
    assert not (tmp_path / "model.safetensors").exists()
    resumed = train(replace(out, resume=True))
    assert resumed["sha256"] == whole["sha256"]
    last = [torch.load(folder / "last.pt", weights_only=True)["model"] for folder in (tmp_path, settings.out)]
    assert all(torch.equal(last[0][k], last[1][k]) for k in last[0])


@pytest.mark.parametrize("change", [{"seed": 1}, {"epochs": 5}, {"held_out": 0.5}])
def test_a_run_is_not_resumed_under_other_settings_or_with_other_patients(whole, settings, change):
    split = (settings.out / "split.json").read_text()
    with pytest.raises(SettingsError, match="other settings or other patients"):
        train(replace(settings, resume=True, **change))
    assert (settings.out / "split.json").read_text() == split


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch": 0}, "--batch"),
        ({"held_out": 0}, "--held-out"),
        ({"crop": 128}, "--crop"),
        ({"height": 8}, "--height"),
    ],
)
def test_settings_that_cannot_be_run_are_refused(settings, change, words):
    with pytest.raises(SettingsError, match=words):
        replace(settings, **change)


def test_defaults_fit_the_device_and_the_size():
    small = Settings(height=224, width=224).on(torch.device("cpu"))
    assert (small.crop, small.workers) == (224, 0)
    assert small.precision in ("bf16", "fp32")


def test_a_broken_picture_is_named(tree, settings, tmp_path):
    broken = tmp_path / "tree"
    shutil.copytree(tree, broken)
    file = next(broken.rglob("*.png"))
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(data.DataError, match=file.name):
        train(replace(settings, data=broken, out=tmp_path / "out"))


def test_what_is_reported_is_what_is_shipped(whole, settings):
    items, _ = data.folder(settings.data)
    _, held_out = data.split(items, settings.held_out, settings.seed)
    scores = evaluate.probabilities(weights.load(settings.out).model, held_out)
    assert evaluate.report(held_out, scores).to_json() == whole["held_out"]


def test_frozen_stages_stay_and_batch_norm_keeps_its_statistics(whole, settings):
    before = weights.read_state(weights.SHIPPED / "model.safetensors")
    after = torch.load(settings.out / "last.pt", weights_only=True)["model"]
    changed = {k.split(".")[0] for k in before if not torch.equal(before[k], after[k].cpu())}
    assert changed == {"layer4", "attention", "head"}
    assert all(torch.equal(before[k], after[k]) for k in before if "running" in k)


def test_stages_from_the_chosen_one_up_are_trained():
    model = DALAResNet50()
    every = sum(p.numel() for p in model.parameters())
    assert sum(p.numel() for p in trained_parameters(model, "stem")) == every
    names = {n.split(".")[0] for n, p in model.named_parameters() if p.requires_grad}
    trained_parameters(model, "attention")
    assert {n.split(".")[0] for n, p in model.named_parameters() if p.requires_grad} == {"attention", "head"}
    assert "conv1" in names


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


def test_the_probes_pooled_features_are_exact(tree):
    torch.manual_seed(0)
    model = DALAResNet50(preprocessing=images.Preprocessing(96, 128)).eval()
    start.load_imagenet(model, str(weights.SHIPPED / "model.safetensors"))
    items, _ = data.folder(tree)
    pooled = start.pooled_features(model, items[:2], views=1)[:, 0]
    x = torch.cat([images.to_tensor(images.read(i.path), model.preprocessing) for i in items[:2]])
    with torch.no_grad():
        short = model.head(model.attention(pooled[:, :, None, None]))
        torch.testing.assert_close(short, model(x), rtol=1e-4, atol=1e-5)


def test_missing_and_left_over_keys_are_counted(tmp_path, capsys):
    state = weights.read_state(weights.SHIPPED / "model.safetensors")
    state["fc.weight"] = state.pop("conv1.weight")
    save_file(state, tmp_path / "start.safetensors")
    told = start.load_imagenet(DALAResNet50(), str(tmp_path / "start.safetensors"))
    assert told["missing"] == ["conv1.weight"]
    assert "fc.weight" in told["left_over"]
    assert "1 keys missing: conv1.weight" in capsys.readouterr().out


def test_a_start_of_other_shapes_is_refused(tmp_path):
    state = weights.read_state(weights.SHIPPED / "model.safetensors")
    state["conv1.weight"] = state["conv1.weight"][:, :1].clone()
    save_file(state, tmp_path / "start.safetensors")
    with pytest.raises(weights.WeightsError, match=r"conv1.weight does not fit"):
        start.load_imagenet(DALAResNet50(), str(tmp_path / "start.safetensors"))


@pytest.mark.parametrize("init", ["nowhere.safetensors", "IMAGENET1K_V9"])
def test_a_start_that_is_none(init):
    with pytest.raises(weights.WeightsError, match=init):
        start.load_imagenet(DALAResNet50(), init)


def test_colour_features_do_not_see_structure():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (30, 40, 3), np.uint8)
    shuffled = rng.permutation(pixels.reshape(-1, 3)).reshape(30, 40, 3)
    assert evaluate.colour_features(pixels).shape == (15,)
    np.testing.assert_allclose(evaluate.colour_features(pixels), evaluate.colour_features(shuffled), rtol=1e-5)
