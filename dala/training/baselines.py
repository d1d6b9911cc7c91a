"""Baseline classifiers without a network of their own: logistic regression on colour or on frozen ImageNet features."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from dala.data import loading
from dala.data.items import Item, balanced_weights
from dala.hub.report import Start
from dala.images import stain
from dala.training.feature_cache import POOLED

__all__ = ["BASELINES", "FeatureBaseline", "colour", "log_probabilities", "pooled"]

BASELINES = ("colour", "probe")
# Inverse regularisation: weak for 15 statistics, strong for 3584 features of a few hundred pictures.
STRENGTH = {"colour": 1.0, "probe": 0.01}


class FeatureBaseline:
    """A logistic regression on fixed features as a `Candidate`; classes, and in them patients, weigh the same.

    Args:
        name: one of `BASELINES`.
        x: (n, d) features of all items.
        items: the n pictures.
        initialization: of the network that gave the features, for the report.
        features: computes these features of other pictures, for `score`.

    Attributes:
        network: None.
    """

    def __init__(
        self,
        name: str,
        x: np.ndarray,
        items: Sequence[Item],
        initialization: Start,
        features: Callable[[Sequence[Item]], np.ndarray],
    ) -> None:
        self.name, self.x, self.items, self.initialization = name, x, items, initialization
        self.features = features
        self.network: nn.Module | None = None
        self._model: Pipeline

    def fit(self, train: Sequence[int], out: Path, held_out: Sequence[int] = ()) -> None:
        """Fit the regression to the pictures of these indices; nothing is written to `out`."""
        chosen = [self.items[i] for i in train]
        regression = LogisticRegression(C=STRENGTH[self.name], max_iter=5000)
        weights = balanced_weights(chosen) * len(chosen)
        self._model = make_pipeline(StandardScaler(), regression).fit(
            self.x[list(train)], [i.label for i in chosen], logisticregression__sample_weight=weights
        )

    def logits(self, test: Sequence[int]) -> np.ndarray:
        """(len(test), classes) log-probabilities, at least -30."""
        return self._predict(self.x[list(test)])

    def score(self, items: Sequence[Item]) -> np.ndarray:
        """(len(items), classes) log-probabilities of other pictures."""
        return self._predict(self.features(items))

    def _predict(self, x: np.ndarray) -> np.ndarray:
        classes = max(i.label for i in self.items) + 1
        result = np.full((len(x), classes), -30.0)
        result[:, self._model.classes_] = np.maximum(self._model.predict_log_proba(x), -30.0)
        return result


def colour(items: Sequence[Item]) -> np.ndarray:
    """(n, 15): `dala.images.stain.colour_features` of every picture."""
    return np.stack([stain.colour_features(np.asarray(loading.read(i))) for i in items])


def pooled(features: dict[str, Tensor]) -> np.ndarray:
    """(n, 3584): the means of layer2 to layer4 over each picture, averaged over its flips."""
    return np.concatenate([features[s][:, :4].mean(1).numpy() for s in POOLED], axis=1)


def log_probabilities(
    name: str, x: np.ndarray, items: Sequence[Item], train: Sequence[int], test: Sequence[int]
) -> np.ndarray:
    """Fit a `FeatureBaseline` to one side of a split and score the other: (len(test), classes) log-probabilities."""
    baseline = FeatureBaseline(name, x, items, {}, lambda _: x)
    baseline.fit(train, Path())
    return baseline.logits(test)
