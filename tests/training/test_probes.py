"""Probes: a linear function written into the head, and attention and head trained on pooled features."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier

from dala.data.items import Item
from dala.images.preprocessing import Preprocessing
from dala.training import probes
from dala.training.config_parts import ProbeConfig, TuningConfig
from dala.training.networks import build


@pytest.mark.parametrize("name", ["dala", "dala:no-attention", "dala:one-activation", "resnet50"])
@pytest.mark.parametrize("classes", [2, 3, 8])
def test_a_head_is_exactly_the_linear_function(name, classes):
    torch.manual_seed(0)
    head = build(name, [str(i) for i in range(classes)], Preprocessing()).head.eval()
    weight, bias = torch.randn(classes, 2048) / 40, torch.randn(classes)
    probes.write_linear(head, weight, bias)
    x = torch.randn(16, 2048)
    expected = x @ weight.T + bias
    logits = head(x[:, :, None, None])
    assert (logits - expected).abs().max() < 1e-4 * expected.abs().max()


def test_dropout_takes_little_away():
    torch.manual_seed(0)
    head = build("dala", ["a", "b"], Preprocessing(), dropout=0.3).head.train()
    probes.write_linear(head, torch.randn(2, 2048) / 40, torch.zeros(2))
    x = torch.randn(64, 2048)
    clean, noisy = head.eval()(x[:, :, None, None]), head.train()(x[:, :, None, None])
    assert (noisy - clean).std() < 0.15 * clean.std()


def separable(classes):
    """40 pictures in two views whose class raises the first 100 features."""
    labels = np.array([min(i % 5, classes - 1) for i in range(40)])
    pooled = torch.rand(40, 2, 2048) + 0.2 * torch.tensor(labels)[:, None, None] * (torch.arange(2048) < 100)
    items = [Item(Path(f"{i}.png"), label, f"p{i}", f"p{i}") for i, label in enumerate(labels)]
    return pooled, labels, items


@pytest.mark.parametrize("classes", [2, 3])
def test_the_fit_is_scikit_learns_on_what_leaves_the_attention(classes):
    torch.manual_seed(0)
    names = [str(i) for i in range(classes)]
    network = build("dala:no-attention", names, Preprocessing()).eval()
    pooled, labels, items = separable(classes)
    probes.fit_linear(network, pooled, items, 0.001)
    x = pooled.reshape(80, 2048).double()
    scaled = ((x - x.mean(0)) / (x.std(0) + 1e-4).sqrt()).numpy()
    expected = RidgeClassifier(alpha=1000, class_weight="balanced").fit(scaled, np.repeat(labels, 2))
    logits = network.head(x.float()[:, :, None, None]).detach().numpy()
    if classes == 2:
        logits = logits[:, 1] - logits[:, 0]
    margins = probes.ODDS * expected.decision_function(scaled)
    assert np.abs(logits - margins).max() < 1e-3 * np.abs(margins).max()


@pytest.mark.parametrize("mixup", [0.0, 1.0])
def test_the_trained_probe_separates_what_it_was_trained_on(mixup):
    torch.manual_seed(0)
    network = build("dala", ["0", "1"], Preprocessing())
    pooled, labels, items = separable(2)
    config = ProbeConfig(epochs=30, lr=1e-3, mixup=mixup)
    losses = probes.fit_network(network, pooled, items, config, TuningConfig(), seed=0)
    assert len(losses) == 30
    assert losses[-1] < losses[0]
    network.eval()
    with torch.no_grad():
        logits = network.head(network.attention(pooled[:, 0, :, None, None])).numpy()
    assert (logits.argmax(1) == labels).mean() >= 0.9
