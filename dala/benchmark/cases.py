"""Cases of the benchmark: explained phantoms, mosaics of real patches, and real patches."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image

from dala.benchmark import grid_pointing
from dala.benchmark.measures import Case, methods, without_gradient
from dala.data import splits
from dala.data.items import DataError, Item
from dala.explain.explainer import Explainer
from dala.explain.question import Question
from dala.hub.layout import FILE, SPLIT
from dala.images import preprocessing, reading
from dala.phantoms import phantom

__all__ = ["CLASS", "Fold", "explained", "folds", "mosaics", "patches", "phantoms"]

CLASS = "malignant"
# Seed of the first phantom; training uses seeds far below.
SEED = 1_000_000
Tick = Callable[[], None]


class Fold:
    """A network of a cross-validation, and the pictures of its held-out patients."""

    def __init__(self, explainer: Explainer, held: Sequence[Item]) -> None:
        self.explainer, self.held = explainer, list(held)


def folds(run: Path, items: Sequence[Item], device: str | None = None) -> list[Fold]:
    """Load the networks of the first partition of a run.

    Raises:
        DataError: a run without networks, of other pictures, or split by picture.
        LeakageError: a patient on both sides.
    """
    split = splits.read(run / SPLIT, items)
    if split.protocol != "patient":
        raise DataError(
            f"{run}: split by {split.protocol}, so that its networks have seen the patients; name a run split by "
            "patient."
        )
    result = []
    for k in range(len(split.partitions[0])):
        folder = run / f"fold-0-{k}"
        if not (folder / FILE).is_file():
            raise DataError(f"{folder}: has no network; train with --network dala.")
        result.append(Fold(Explainer.load(folder, device), split.sides(items, 0, k)[1]))
    return result


def phantoms(explainer: Explainer, count: int, tick: Tick = lambda: None) -> list[Case]:
    """Draw malignant phantoms that no network was trained on, and explain them for the class of the planted focus."""
    size = explainer.preprocessing
    cases = []
    for i in range(count):
        drawn = phantom.make(SEED + i, size=(size.width, size.height))
        cases.append(explained(explainer, drawn.picture, torch.from_numpy(drawn.mask), f"phantom {i}"))
        tick()
    return cases


def mosaics(fold: Fold, count: int, seed: int = 0, tick: Tick = lambda: None) -> list[Case]:
    """Compose mosaics of two malignant and two benign patches of held-out patients, at the network's own scale.

    The group of a mosaic is the patients of its malignant patches.
    """
    positive = fold.explainer.class_names.index(CLASS)
    malignant = [i for i in fold.held if i.label == positive]
    benign = [i for i in fold.held if i.label != positive]
    if min(len(malignant), len(benign)) < 2:
        return []
    size = fold.explainer.preprocessing
    cases = []
    for (a, b), (c, d), layout in grid_pointing.draw(
        [i.patient for i in malignant], [i.patient for i in benign], count, seed
    ):
        items = malignant[a], malignant[b], benign[c], benign[d]
        fitted = [preprocessing.fit(reading.read(item.path), size) for item in items]
        if len({p.size for p in fitted}) > 1:
            continue
        picture, mask = grid_pointing.compose(fitted[:2], fitted[2:], layout)
        group = " ".join(sorted({malignant[a].patient, malignant[b].patient}))
        cases.append(explained(fold.explainer, picture, torch.from_numpy(mask), group))
        tick()
    return cases


def patches(fold: Fold, count: int, tick: Tick = lambda: None) -> list[Case]:
    """Explain held-out malignant patches, spread evenly over the patients; they have no mask."""
    malignant = [i for i in fold.held if i.label == fold.explainer.class_names.index(CLASS)]
    by_patient: dict[str, list[Item]] = {}
    for item in malignant:
        by_patient.setdefault(item.patient, []).append(item)
    turns = [items[k] for k in range(count) for items in by_patient.values() if k < len(items)]
    cases = []
    for item in turns[:count]:
        picture = preprocessing.fit(reading.read(item.path), fold.explainer.preprocessing)
        cases.append(explained(fold.explainer, picture, None, item.patient))
        tick()
    return cases


def explained(explainer: Explainer, picture: Image.Image, mask: torch.Tensor | None, group: str) -> Case:
    """Explain a picture at its own size by every method, for the class `CLASS`.

    Args:
        explainer: the network.
        picture: RGB, at the size in which it enters the network.
        mask: (H, W) bool of the evidence, or None.
        group: see `Case`.
    """
    e = explainer.explain_image(picture, Question(CLASS, methods()), zoom=1.0)
    return without_gradient(Case(explainer, e, mask, group))
