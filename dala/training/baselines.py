"""What a classifier reaches without a network of its own: from colour alone, and from frozen ImageNet features."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from dala.data import loading
from dala.data.items import Item, balanced_weights
from dala.images import stain
from dala.training.feature_cache import POOLED

__all__ = ["BASELINES", "colour", "log_probabilities", "pooled"]

BASELINES = ("colour", "probe")
# Weak for 15 statistics, strong for 3584 features of a few hundred pictures.
STRENGTH = {"colour": 1.0, "probe": 0.01}


def colour(items: Sequence[Item]) -> np.ndarray:
    """(n, 15): `dala.images.stain.colour_features` of every picture."""
    return np.stack([stain.colour_features(np.asarray(loading.read(i))) for i in items])


def pooled(features: dict[str, Tensor]) -> np.ndarray:
    """(n, 3584): the means of layer2 to layer4 over each picture, averaged over its flips."""
    return np.concatenate([features[s][:, :4].mean(1).numpy() for s in POOLED], axis=1)


def log_probabilities(
    name: str, x: np.ndarray, items: Sequence[Item], train: Sequence[int], test: Sequence[int]
) -> np.ndarray:
    """Log-probabilities (len(test), classes) of a logistic regression; classes and patients weigh the same.

    Args:
        name: one of `BASELINES`.
        x: (n, d) features of all items.
        items: the n pictures.
        train: indices of those to fit.
        test: indices of those to score.
    """
    chosen = [items[i] for i in train]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH[name], max_iter=5000))
    weights = balanced_weights(chosen) * len(chosen)
    model.fit(x[list(train)], [i.label for i in chosen], logisticregression__sample_weight=weights)
    classes = max(i.label for i in items) + 1
    result = np.full((len(test), classes), -30.0)
    result[:, model.classes_] = np.maximum(model.predict_log_proba(x[list(test)]), -30.0)
    return result
