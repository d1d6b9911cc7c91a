"""Images that share a forward pass, their results, and what to do if the GPU's memory is too small for them."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from PIL import Image
from torch import Tensor

from dala.cam.targets import Target
from dala.explain.engine import Pass
from dala.explain.explanation import Explanation, Features
from dala.explain.question import Question
from dala.images import stain_statistics
from dala.images.preprocessing import Preprocessing, fitted_size
from dala.models.dala_resnet import DALAResNet50
from dala.progress import Progress

__all__ = ["Batch", "copy_on_cpu", "explanation", "groups", "within_memory"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class Batch:
    """Images of one fitted size, and the question about them.

    Attributes:
        images: RGB, in their own size.
        targets: one for each image, instead of the question's; None for the predicted class.
        question: methods and kind of evidence, the same for all images.
        layers: names of one or more layers, instead of the question's.
        zoom: factor by which the images are resized; None fits them to the area of the training size.
        progress: called by methods that rerun the network.
    """

    images: Sequence[Image.Image]
    targets: Sequence[Target | None]
    question: Question
    layers: Sequence[str]
    zoom: float | None = None
    progress: Progress | None = None

    def split(self) -> tuple["Batch", "Batch"]:
        """The first and the second half."""
        half = len(self.images) // 2
        first = replace(self, images=self.images[:half], targets=self.targets[:half])
        return first, replace(self, images=self.images[half:], targets=self.targets[half:])


def groups(images: Sequence[Image.Image], preprocessing: Preprocessing, chunk: int) -> Iterator[list[int]]:
    """Indices of images that have the same fitted size, at most `chunk` at a time."""
    by_size: dict[tuple[int, int], list[int]] = {}
    for i, image in enumerate(images):
        by_size.setdefault(fitted_size(image.size, preprocessing), []).append(i)
    for group in by_size.values():
        for start in range(0, len(group), chunk):
            yield group[start : start + chunk]


def explanation(
    batch: Batch, i: int, fitted: Image.Image, done: Pass, layer: str, signed: dict[str, Tensor], **known: Any
) -> Explanation:
    """Of the i-th image of a batch at one layer, from its pass and its maps.

    Args:
        fitted: the image as it entered the network.
        known: class names, temperature and laboratories of the network.
    """
    # Copies: a view would keep the whole batch alive.
    activations, gradient = done.activations[layer][i : i + 1].clone(), done.gradients[layer][i : i + 1].clone()
    gate = done.gates[layer][i].cpu().clone() if layer in done.gates else None
    return Explanation(
        picture=fitted,
        original_size=batch.images[i].size,
        logits=done.logits[i].float().cpu(),
        target=done.titles[i],
        evidence=batch.question.evidence,
        layer=layer,
        signed=signed,
        device=done.device,
        seconds=done.seconds,
        features=Features(activations, gate, gradient, done.forms[i] if done.forms else None),
        thumbnail=stain_statistics.reduced(batch.images[i]),
        multi_label=done.multi_label,
        **known,
    )


def within_memory(
    run: Callable[[Batch], list[Result]], batch: Batch, on_cpu: Callable[[Batch], list[Result]]
) -> list[Result]:
    """`run` a batch; in halves if the GPU's memory is too small for it, and one image alone by `on_cpu`.

    Returns:
        one result for each image.
    """
    try:
        return run(batch)
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
    count = len(batch.images)
    if count == 1:
        warnings.warn("The GPU's memory holds not even one picture: explained on the CPU.", stacklevel=2)
        return on_cpu(batch)
    warnings.warn(f"The GPU's memory is too small for {count} pictures: taken in halves.", stacklevel=2)
    first, second = batch.split()
    return within_memory(run, first, on_cpu) + within_memory(run, second, on_cpu)


def copy_on_cpu(model: DALAResNet50) -> DALAResNet50:
    """A copy of a network, its weights on the CPU, without a second copy on the GPU."""
    copy = DALAResNet50(
        model.class_names, model.preprocessing, model.provenance, model.reduction, model.dropout, model.temperature
    )
    copy.load_state_dict({name: value.cpu() for name, value in model.state_dict().items()})
    return copy
