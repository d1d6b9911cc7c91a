"""Fine-tuning: frozen statistics, and a pull and an average that a resumed run shares to the bit."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from dala.data.items import Item
from dala.models.dala_resnet import DALAResNet50
from dala.training.config_parts import FeatureConfig, RuntimeConfig, TuningConfig
from dala.training.datasets import FeatureDataset
from dala.training.frozen_features import FeatureCache
from dala.training.trainer import Trainer, freeze_batch_norm

TUNING = TuningConfig(batch=4, epochs=2, lr=0.01, head_lr=0.01, ema=0.5, pull=10.0, average=0.7, weight_decay=0.0)


class Tiny(nn.Module):
    """Attention and head of eight channels."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.attention = nn.Conv2d(8, 8, 1)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))


@pytest.fixture
def source():
    """Features of twelve pictures of two classes from two sets."""
    features = torch.rand(12 * 2 * 3 * 8, generator=torch.Generator().manual_seed(0))
    cache = FeatureCache((features,), [0] * 12, [[(48 * k, 2, 3)] for k in range(12)], 8, {})
    items = [Item(Path(f"{k}.png"), k % 2, f"p{k}", f"p{k}", source="ab"[k // 6]) for k in range(12)]
    source = FeatureDataset(items, cache, FeatureConfig(crop=32, views=1, class_mixup=1.0))
    source.first_stage = "attention"
    return source


def trainer(source, out, tuning=TUNING, seed=0, resume=False):
    out.mkdir(exist_ok=True)
    return Trainer(Tiny(seed), source, range(12), out, tuning, RuntimeConfig(out=out, resume=resume))


def trained(run):
    while run.epoch < run.tuning.epochs:
        run.one_epoch()
    return run.trained.network.state_dict()


def distance(one, other):
    return sum(float((one[k] - other[k]).pow(2).sum()) for k in one) ** 0.5


def test_batch_norm_is_frozen_in_training_mode():
    model = DALAResNet50().train()
    freeze_batch_norm(model)
    before = model.bn1.running_mean.clone()
    model(torch.rand(2, 3, 64, 64))
    assert torch.equal(model.bn1.running_mean, before)
    assert model.head.training


def test_a_resumed_run_has_the_start_of_the_first(source, tmp_path):
    whole = trained(trainer(source, tmp_path / "whole"))
    trainer(source, tmp_path / "parts").one_epoch()
    # A resumed network is not fitted by the probe: its own weights are not the start.
    resumed = trainer(source, tmp_path / "parts", seed=1, resume=True)
    assert resumed.epoch == 1
    again = trained(resumed)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_the_average_is_of_start_and_end(source, tmp_path):
    start = Tiny(0).state_dict()
    ends = {
        share: trained(trainer(source, tmp_path / f"{share}", TuningConfig(batch=4, epochs=2, lr=0.01, average=share)))
        for share in (1.0, 0.25, 0.0)
    }
    for name, value in start.items():
        assert torch.equal(ends[0.0][name], value) and not torch.equal(ends[1.0][name], value)
        torch.testing.assert_close(ends[0.25][name], 0.25 * ends[1.0][name] + 0.75 * value)


def test_a_pulled_network_stays_nearer_to_its_start(source, tmp_path):
    start = copy.deepcopy(Tiny(0).state_dict())
    far, near, nearest = (
        distance(trained(trainer(source, tmp_path / f"{pull}", tuning)), start)
        for pull in (0.0, 10.0, 100.0)
        for tuning in [TuningConfig(batch=4, epochs=4, lr=0.01, head_lr=0.01, pull=pull)]
    )
    assert far > 1.1 * near > 1.5 * nearest
