"""Candidates: what cross-validation fits on one side of a split and scores on the other.

DALAResNet50 and its ablations (`DALACandidate`), networks of torchvision and timm (`LibraryCandidate`), and classifiers
without a network of their own (`FeatureBaseline`) share two methods, `fit` and `logits`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn

from dala.data.items import Item
from dala.hub.report import Start
from dala.training import baselines, networks
from dala.training.backbone import cached, initialization_name, initialize_and_extract, preprocessing_for
from dala.training.config import Settings
from dala.training.distributed import SINGLE, Ranks
from dala.training.feature_cache import extract
from dala.training.fit import DALACandidate, LibraryCandidate

__all__ = ["Candidate", "create"]


class Candidate(Protocol):
    """A classifier of a fixed list of pictures, which are named by their index.

    Attributes:
        initialization: what it starts from, for the report.
        network: the fitted network; None before `fit`, and for a classifier without one.
    """

    initialization: Start
    network: nn.Module | None

    def fit(self, train: Sequence[int], out: Path, held_out: Sequence[int] = ()) -> None:
        """Fit to the pictures in `train`, with files in the folder `out`; log scores of those in `held_out`."""

    def logits(self, test: Sequence[int]) -> np.ndarray:
        """(len(test), classes) logits of the last fit."""
        ...

    def score(self, items: Sequence[Item]) -> np.ndarray:
        """(len(items), classes) logits of the last fit on other pictures than those of the list."""
        ...


def create(
    settings: Settings, items: list[Item], class_names: list[str], device: torch.device, ranks: Ranks = SINGLE
) -> Candidate:
    """Create the candidate that `settings.features.network` names, with the features that all its fits share.

    Raises:
        DataError, WeightsError: pictures or an initialization that cannot be used.
        DiskError: no room for the features.
    """
    features, runtime = settings.features, settings.runtime
    name = features.network
    if name == "colour":
        colours = baselines.colour(items)
        return baselines.FeatureBaseline(name, colours, items, initialization_name(features), baselines.colour)
    if name == "probe":
        preprocessing = preprocessing_for(items, settings.data, features)
        model, source, cache = initialize_and_extract(
            items, class_names, preprocessing, features, runtime, device, ranks
        )

        def features_of(others: Sequence[Item]) -> np.ndarray:
            return baselines.pooled(extract(model, others, cached(features), runtime).pooled)

        return baselines.FeatureBaseline(name, baselines.pooled(cache.pooled), items, source, features_of)
    kind = DALACandidate if name in networks.DALA else LibraryCandidate
    return kind(settings, items, class_names, device, ranks)
