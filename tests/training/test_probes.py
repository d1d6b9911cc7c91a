"""Probes: a linear function written into the head, and attention and head trained on pooled features."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeClassifier

from dala.data.items import Item, balanced_weights
from dala.images.preprocessing import Preprocessing
from dala.training import probes
from dala.training.config_parts import ProbeConfig, SettingsError, TuningConfig
from dala.training.networks import build
from dala.training.places import Places


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
    probes.fit_linear(network, pooled, items, ProbeConfig(penalty=2.0))
    x = pooled.reshape(80, 2048).double().numpy()
    share = np.repeat(balanced_weights(items), 2) / 2
    variance = (share @ (x - share @ x) ** 2).mean()
    expected = RidgeClassifier(alpha=2.0 * variance).fit(x, np.repeat(labels, 2), share)
    logits = network.head(torch.from_numpy(x).float()[:, :, None, None]).detach().numpy()
    if classes == 2:
        logits = logits[:, 1] - logits[:, 0]
    margins = probes.ODDS * expected.decision_function(x)
    assert np.abs(logits - margins).max() < 1e-3 * np.abs(margins).max()


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_a_fixed_offset_leaves_the_score_to_the_map(offset):
    torch.manual_seed(0)
    network = build("dala:no-attention", ["0", "1"], Preprocessing()).eval()
    pooled, labels, items = separable(2)
    probes.fit_linear(network, pooled, items, ProbeConfig(penalty=0.1, offset=offset))
    assert margins(network, torch.zeros(1, 2048)) == pytest.approx(offset, abs=1e-4)
    x = pooled.flatten(0, 1).double().numpy()
    share = np.repeat(balanced_weights(items), 2) / 2
    alpha = 0.1 * (share @ (x - share @ x) ** 2).mean()
    expected = Ridge(alpha=alpha, fit_intercept=False).fit(x, np.repeat(2 * labels - 1, 2) - offset, share)
    scores = margins(network, pooled.flatten(0, 1))
    assert np.abs(scores - offset - expected.predict(x)).max() < 1e-3


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


def margins(network, x):
    with torch.no_grad():
        logits = network.head(x[:, :, None, None])
    return (logits[:, 1] - logits[:, 0]).numpy() / probes.ODDS


def test_alignment_makes_the_classes_score_alike_in_every_set():
    torch.manual_seed(0)
    pooled, labels, items = separable(2)
    items = [replace(item, source="ab"[k % 2]) for k, item in enumerate(items)]
    pooled[::2, :, 500:600] += torch.tensor(labels)[::2, None, None]  # a mark of the class in the first set alone
    differences = []
    for alignment in (0.0, 100.0):
        network = build("dala:no-attention", ["0", "1"], Preprocessing()).eval()
        probes.fit_linear(network, pooled, items, ProbeConfig(alignment=alignment))
        scores = margins(network, pooled[:, 0])
        means = [[scores[c::2][labels[c::2] == k].mean() for c in (0, 1)] for k in (0, 1)]
        differences.append(max(abs(a - b) for a, b in means))
        assert scores[labels == 1].mean() > scores[labels == 0].mean() + 1
    assert differences[1] < 0.1 * differences[0]


def test_patients_of_a_class_score_alike():
    torch.manual_seed(0)
    pooled, _, items = separable(2)
    items = [replace(item, patient=f"{item.label}{k % 3}") for k, item in enumerate(items)]
    marks = torch.tensor([3 * int(i.patient) % 7 for i in items], dtype=torch.float)  # of the patient, not of the class
    pooled[..., 500:600] += 0.2 * marks[:, None, None]
    apart = []
    for strength in (0.0, 100.0):
        network = build("dala:no-attention", ["0", "1"], Preprocessing()).eval()
        probes.fit_linear(network, pooled, items, ProbeConfig(patients=strength))
        scores = margins(network, pooled[:, 0])
        means = {p: scores[[i.patient == p for i in items]].mean() for p in sorted({i.patient for i in items})}
        apart.append(max(np.ptp([m for p, m in means.items() if p[0] == c]) for c in "01"))
    assert apart[1] < 0.5 * apart[0]


def test_evidence_is_pulled_to_nuclei_of_the_second_class():
    torch.manual_seed(0)
    pooled, labels, items = separable(2)
    nuclei = torch.rand(40, 24) - 0.5
    evidence = 0.1 * torch.randn(40, 24, 2048)
    evidence[..., 1000:1100] += nuclei[..., None]
    evidence[labels == 0] *= -1  # of the first class no place counts
    slopes = []
    for strength in (0.0, 1.0):
        network = build("dala:no-attention", ["0", "1"], Preprocessing()).eval()
        places = Places(evidence.half(), nuclei)
        probes.fit_linear(network, pooled, items, ProbeConfig(nuclei=strength, nuclei_gain=4.0), places)
        weight = margins(network, torch.eye(2048)) - margins(network, torch.zeros(1, 2048))
        rows = labels == 1
        slopes.append(np.polyfit(nuclei[rows].flatten().numpy(), (evidence[rows].flatten(0, 1).numpy() @ weight), 1)[0])
    assert abs(slopes[0]) < 0.5
    assert slopes[1] == pytest.approx(4, rel=0.2)


def test_places_need_two_classes():
    network = build("dala:no-attention", ["0", "1", "2"], Preprocessing())
    pooled, _, items = separable(3)
    places = Places(torch.zeros(40, 24, 2048).half(), torch.zeros(40, 24))
    with pytest.raises(SettingsError, match="two classes"):
        probes.fit_linear(network, pooled, items, ProbeConfig(nuclei=1.0), places)
