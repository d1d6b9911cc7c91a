"""Candidates of cross-validation: their inputs, and that each of them trains."""

import numpy as np
import pytest
import torch

from dala.data import datasets
from dala.images import preprocessing, reading
from dala.training.config import SettingsError
from dala.training.cross_validation import train
from dala.training.distributed import Ranks
from dala.training.fit import DALACandidate, predict_logits
from dala.training.networks import UpperStages, build
from dala.training.trainer import Trainer
from tests.support.tiny_run import tiny_settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return tiny_settings(tmp_path_factory.mktemp("fitting"))


def candidate_of(settings):
    dataset = datasets.read(settings.data.data[0], "folder")
    cpu = torch.device("cpu")
    return DALACandidate(settings.resolve(cpu), dataset.items, dataset.class_names, cpu)


@pytest.mark.slow
def test_cached_features_give_what_the_pictures_give(settings):
    candidate = candidate_of(settings)
    items, source = candidate.items, candidate.source
    torch.manual_seed(0)
    network = build("dala", candidate.class_names, candidate.preprocessing)
    network.load_state_dict({**network.state_dict(), **candidate.backbone})
    network.eval()
    cached = predict_logits(UpperStages(network, "layer4").eval(), source, range(4))
    x = torch.cat([preprocessing.to_tensor(reading.read(i.path), candidate.preprocessing) for i in items[:4]])
    with torch.no_grad():
        np.testing.assert_allclose(cached, network(x).numpy(), atol=1e-5)
        pooled = candidate.pooled[:4, 0, :, None, None]
        np.testing.assert_allclose(network.head(network.attention(pooled)).numpy(), cached, atol=1e-4)
    # Every view is the flipped picture, and a crop is a part of one of them.
    maps = [source.cache.map(0, v) for v in range(4)]
    (crop,), (label,) = source[[(0, 5)], [0]]
    assert label == items[0].label
    side = source.side
    windows = [
        m[t : t + side, left : left + side].permute(2, 0, 1)
        for m in maps
        for t in range(m.shape[0] - side + 1)
        for left in range(m.shape[1] - side + 1)
    ]
    assert sum(torch.equal(crop, w) for w in windows) == 1


def test_a_batch_that_two_processes_cannot_share(settings, tmp_path):
    candidate = candidate_of(settings)
    network = build("dala", candidate.class_names, candidate.preprocessing)
    with pytest.raises(SettingsError, match="`batch` is 6, which 4 processes cannot share"):
        Trainer(network, candidate.source, [0, 1], tmp_path, settings.tuning, settings.runtime, ranks=Ranks(0, 4))


OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in ("resnet50", "dala:one-activation")]


@pytest.mark.parametrize("network", ["colour", "probe", "dala:no-attention", *OTHERS])
def test_every_row_of_the_comparison_can_be_trained(settings, tmp_path, network):
    s = settings.with_options(
        network=network, epochs=1, out=tmp_path, cache=settings.runtime.out / "features", tensorboard=False
    )
    report = train(s)
    assert report["sha256"] is None
    assert 0 <= report["scores"]["figures"]["auc"][0] <= 1


@pytest.mark.parametrize("network", ["torchvision:resnet18", "timm:resnet10t"])
def test_a_librarys_network_can_be_trained(settings, tmp_path, network):
    s = settings.with_options(network=network, init=None, epochs=1, views=0, out=tmp_path, tensorboard=False)
    assert train(s)["scores"]["images"] == 6
