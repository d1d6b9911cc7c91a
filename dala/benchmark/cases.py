"""The pictures of the study: phantoms, mosaics of real patches, and real patches, each with the network explained."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image

from dala.benchmark import grid_pointing
from dala.benchmark.measures import METHODS, Case, without_gradient
from dala.data import splits
from dala.data.items import DataError, Item
from dala.explain.explainer import Explainer
from dala.explain.question import Question
from dala.images import preprocessing, reading
from dala.phantoms import phantom

__all__ = ["CLASS", "Fold", "folds", "mosaics", "patches", "phantoms"]

CLASS = "malignant"
# Far above the seeds of any data set that is trained on.
SEED = 1_000_000
Tick = Callable[[], None]


class Fold:
    """A network of a cross-validation, and the pictures whose patients it never saw."""

    def __init__(self, explainer: Explainer, held: Sequence[Item]) -> None:
        self.explainer, self.held = explainer, list(held)


def folds(run: Path, items: Sequence[Item], device: str | None = None) -> list[Fold]:
    """The networks of a run's first partition.

    Raises:
        DataError: a run without them, or one of other pictures.
        LeakageError: a patient on both sides.
    """
    split = splits.read(run / "split.json", items)
    if split.protocol != "patient":
        raise DataError(f"{run}: dealt out by {split.protocol}, so that its networks have seen the patients.")
    found = []
    for k in range(len(split.partitions[0])):
        folder = run / f"fold-0-{k}"
        if not (folder / "model.safetensors").is_file():
            raise DataError(f"{folder}: no network is kept there; train with --network dala.")
        found.append(Fold(Explainer.load(folder, device), split.sides(items, 0, k)[1]))
    return found


def phantoms(explainer: Explainer, count: int, tick: Tick = lambda: None) -> list[Case]:
    """Malignant phantoms that no network was trained on, explained for the planted focus's class."""
    size = explainer.preprocessing
    cases = []
    for i in range(count):
        made = phantom.make(SEED + i, size=(size.width, size.height))
        cases.append(_case(explainer, made.picture, torch.from_numpy(made.mask), f"phantom {i}"))
        tick()
    return cases


def mosaics(fold: Fold, count: int, seed: int = 0, tick: Tick = lambda: None) -> list[Case]:
    """Two malignant and two benign patches of patients that the fold's network never saw, at its own scale.

    A mosaic counts for the patients of its malignant patches.
    """
    bad, good = ([i for i in fold.held if (i.label == fold.explainer.class_names.index(CLASS)) is own]
                 for own in (True, False))  # fmt: skip
    if min(len(bad), len(good)) < 2:
        return []
    size = fold.explainer.preprocessing
    cases = []
    for (a, b), (c, d), layout in grid_pointing.deal([i.patient for i in bad], [i.patient for i in good], count, seed):
        fitted = [preprocessing.fit(reading.read(item.path), size) for item in (bad[a], bad[b], good[c], good[d])]
        if len({p.size for p in fitted}) > 1:
            continue
        picture, mask = grid_pointing.compose(fitted[:2], fitted[2:], layout)
        group = " ".join(sorted({bad[a].patient, bad[b].patient}))
        cases.append(_case(fold.explainer, picture, torch.from_numpy(mask), group))
        tick()
    return cases


def patches(fold: Fold, count: int, tick: Tick = lambda: None) -> list[Case]:
    """Held-out malignant patches, spread evenly over the patients; there is no mask of what should be found."""
    bad = [i for i in fold.held if i.label == fold.explainer.class_names.index(CLASS)]
    by_patient: dict[str, list[Item]] = {}
    for item in bad:
        by_patient.setdefault(item.patient, []).append(item)
    turns = [items[k] for k in range(count) for items in by_patient.values() if k < len(items)]
    cases = []
    for item in turns[:count]:
        picture = preprocessing.fit(reading.read(item.path), fold.explainer.preprocessing)
        cases.append(_case(fold.explainer, picture, None, item.patient))
        tick()
    return cases


def _case(explainer: Explainer, picture: Image.Image, mask: torch.Tensor | None, group: str) -> Case:
    e = explainer.explain_image(picture, Question(CLASS, METHODS), zoom=1.0)
    return without_gradient(Case(explainer, e, mask, group))
