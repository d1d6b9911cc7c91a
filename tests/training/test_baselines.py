"""Baselines without a network."""

from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from dala.data.items import Item
from dala.images import stain
from dala.training.baselines import FeatureBaseline


def test_colour_features_do_not_see_structure():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (30, 40, 3), np.uint8)
    shuffled = rng.permutation(pixels.reshape(-1, 3)).reshape(30, 40, 3)
    assert stain.colour_features(pixels).shape == (15,)
    np.testing.assert_allclose(stain.colour_features(pixels), stain.colour_features(shuffled), rtol=1e-5)


def test_a_class_that_is_not_trained_on_is_nearly_impossible(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.array([0, 1, 2] * 20)
    x = rng.normal(size=(60, 15)) + labels[:, None]
    items = [Item(Path(f"{k}.png"), int(label), f"p{k}", f"p{k}") for k, label in enumerate(labels)]
    baseline = FeatureBaseline("colour", x, items, {"name": "random"}, lambda some: x[[items.index(i) for i in some]])
    train = [k for k in range(30) if labels[k] < 2]
    test = [k for k in range(30, 60) if labels[k] < 2]
    baseline.fit(train, tmp_path)
    logits = baseline.logits(test)
    assert logits.shape == (20, 3)
    assert (logits[:, 2] == -30).all()
    np.testing.assert_allclose(np.exp(logits[:, :2]).sum(1), 1)
    # Pictures that it was not given are scored by the same features.
    np.testing.assert_array_equal(baseline.score([items[k] for k in test]), logits)
    assert roc_auc_score(labels[test], logits[:, 1] - logits[:, 0]) > 0.9
