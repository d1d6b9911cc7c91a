"""A head that starts as a linear function."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier

from dala.data.items import Item
from dala.images.preprocessing import Preprocessing
from dala.training import probes
from dala.training.networks import build


@pytest.mark.parametrize("name", ["dala", "dala:no-attention", "dala:one-activation", "resnet50"])
@pytest.mark.parametrize("classes", [2, 3, 8])
def test_a_head_is_exactly_the_linear_function(name, classes):
    torch.manual_seed(0)
    head = build(name, [str(i) for i in range(classes)], Preprocessing()).head.eval()
    weight, bias = torch.randn(classes, 2048) / 40, torch.randn(classes)
    probes.write(head, weight, bias)
    x = torch.randn(16, 2048)
    expected = x @ weight.T + bias
    got = head(x[:, :, None, None])
    assert (got - expected).abs().max() < 1e-4 * expected.abs().max()


def test_dropout_takes_little_away():
    torch.manual_seed(0)
    head = build("dala", ["a", "b"], Preprocessing(), dropout=0.3).head.train()
    probes.write(head, torch.randn(2, 2048) / 40, torch.zeros(2))
    x = torch.randn(64, 2048)
    clean, noisy = head.eval()(x[:, :, None, None]), head.train()(x[:, :, None, None])
    assert (noisy - clean).std() < 0.15 * clean.std()


@pytest.mark.parametrize("classes", [2, 3])
def test_the_fit_is_scikit_learns_on_what_leaves_the_attention(classes):
    torch.manual_seed(0)
    names = [str(i) for i in range(classes)]
    network = build("dala:no-attention", names, Preprocessing()).eval()
    labels = np.array([min(i % 5, classes - 1) for i in range(40)])
    pooled = torch.rand(40, 2, 2048) + 0.2 * torch.tensor(labels)[:, None, None] * (torch.arange(2048) < 100)
    items = [Item(Path(f"{i}.png"), label, f"p{i}", f"p{i}") for i, label in enumerate(labels)]
    probes.fit(network, pooled, items, 0.001)
    x = pooled.reshape(80, 2048).double()
    scaled = ((x - x.mean(0)) / (x.std(0) + 1e-4).sqrt()).numpy()
    expected = RidgeClassifier(alpha=1000, class_weight="balanced").fit(scaled, np.repeat(labels, 2))
    logits = network.head(x.float()[:, :, None, None]).detach().numpy()
    if classes == 2:
        logits = logits[:, 1] - logits[:, 0]
    told = probes.ODDS * expected.decision_function(scaled)
    assert np.abs(logits - told).max() < 1e-3 * np.abs(told).max()
