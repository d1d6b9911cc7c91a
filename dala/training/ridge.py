"""Ridge regression of the classes on pooled features, with terms that ask for more than a fit to the pictures.

Every term is quadratic in the weights, so that the solution is exact.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dala.data.items import Item, balanced_weights
from dala.training.config_parts import ProbeConfig, SettingsError
from dala.training.places import Places

__all__ = ["solve"]


def solve(
    x: Tensor, items: Sequence[Item], probe: ProbeConfig, places: Places | None = None
) -> tuple[Tensor, Tensor, list[int]]:
    """Regress the classes, as -1 and 1, on features.

    A discriminant of this kind needs fewer patients than a logistic one (Efron 1975,
    doi 10.1080/01621459.1975.10480319). Sets by their weights, in them classes, and in these patients, weigh the same.

    With `probe.offset` the bias is not fitted but fixed: the mean of a picture's map is then its score minus the
    offset. A fitted bias may hold any part of the score, and the map lacks it.

    Args:
        x: (n, views, C) features of the pictures in several views.
        items: the n pictures.
        probe: strengths of the terms.
        places: of the n pictures; needed if `probe.nuclei` is not 0.

    Returns:
        weights (s, C), biases (s,), and the classes that occur; with two of them s is 1, else their number.

    Raises:
        SettingsError: `probe.nuclei` with more than two classes.
    """
    n, views, channels = x.shape
    rows = x.reshape(n * views, channels).double()
    labels = np.repeat([item.label for item in items], views)
    share = torch.from_numpy(np.repeat(balanced_weights(items) / views, views))
    targets, classes = _targets(labels)
    mean = share @ rows
    variance = (share @ (rows - mean) ** 2).mean()
    centre = share @ targets
    if probe.offset is not None:
        mean, centre = torch.zeros_like(mean), torch.full_like(centre, probe.offset)
    rows = rows - mean
    gram, moments = (rows.T * share) @ rows, (rows.T * share) @ (targets - centre)
    gram += probe.penalty * variance * torch.eye(channels, dtype=torch.double)
    if probe.patients:
        apart = _patients(rows, share, items, views)
        gram += probe.patients * apart.T @ apart
    if probe.alignment:
        apart = _differences(rows, share, labels, np.repeat([item.source for item in items], views))
        gram += probe.alignment * apart.T @ apart / len(apart)
    if probe.nuclei and places is not None:
        evidence, nuclei = _places(places, items)
        gram += probe.nuclei * (evidence.T @ evidence).double()
        moments += probe.nuclei * probe.nuclei_gain * (evidence.T @ nuclei).double()
    solution = torch.linalg.solve(gram, moments)
    return solution.T, centre - solution.T @ mean, classes


def _targets(labels: np.ndarray) -> tuple[Tensor, list[int]]:
    """(n, classes) targets -1 and 1 of the classes that occur, (n, 1) of the second of two; and these classes."""
    classes = sorted(set(labels.tolist()))
    shown = classes[1:] if len(classes) == 2 else classes
    return torch.from_numpy(np.where(labels[:, None] == np.array(shown), 1.0, -1.0)), classes


def _patients(rows: Tensor, share: Tensor, items: Sequence[Item], views: int) -> Tensor:
    """Mean features of each patient, minus those of the class in the set, times the root of their weight: (p, C)."""
    keys = np.repeat([f"{item.source}\n{item.label}\n{item.patient}" for item in items], views)
    patients, position = np.unique(keys, return_inverse=True)
    classes, of_class = np.unique([key.rpartition("\n")[0] for key in patients], return_inverse=True)
    weight = _sums(share[:, None], position, len(patients))
    sums = _sums(share[:, None] * rows, position, len(patients))
    means = _sums(sums, of_class, len(classes)) / _sums(weight, of_class, len(classes))
    return weight.sqrt() * (sums / weight - means[of_class])


def _sums(values: Tensor, groups: np.ndarray, count: int) -> Tensor:
    return values.new_zeros(count, values.shape[1]).index_add_(0, torch.from_numpy(groups), values)


def _differences(rows: Tensor, share: Tensor, labels: np.ndarray, sources: np.ndarray) -> Tensor:
    """Mean features of each class in each set, minus the mean over the sets: (classes x sets, C)."""
    parts = []
    for label in sorted(set(labels)):
        groups = [(labels == label) & (sources == s) for s in sorted(set(sources))]
        means = torch.stack([share[g] @ rows[g] / share[g].sum() for g in map(torch.from_numpy, groups) if g.any()])
        parts.append(means - means.mean(0))
    return torch.cat(parts)


def _places(places: Places, items: Sequence[Item]) -> tuple[Tensor, Tensor]:
    """Places of the pictures of the second class, (m, C), and their nuclei, (m, 1), times the root of their weights."""
    if max(item.label for item in items) > 1:
        raise SettingsError("`probe_nuclei` needs two classes: the second is the one whose evidence it places.")
    share = torch.from_numpy(balanced_weights(items) * np.array([item.label == 1 for item in items]))
    root = (share / share.sum() / places.nuclei.shape[1]).sqrt().float()[:, None, None]
    chosen = share > 0
    evidence, nuclei = places.evidence[chosen].float(), places.nuclei[chosen].float()[..., None]
    return (evidence * root[chosen]).flatten(0, 1), (nuclei * root[chosen]).flatten(0, 1)
