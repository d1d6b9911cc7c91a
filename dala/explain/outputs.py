"""What a head returns, as logits (N, classes)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dala.explain.form import entries, shapes
from dala.explain.question import ExplainError

__all__ = ["as_classes", "logits"]

LOGITS = ("logits", "out", "output")  # of several tensors, the logits, as libraries name them


def logits(output: Any, images: int, count: int) -> Tensor:
    """Logits (N, outputs) from what a head returns.

    Args:
        output: a tensor, or one in a dictionary, tuple or object: named as in `LOGITS`, the only one, or the only one
            with `count` values for each image.
        images: N.
        count: of class names.

    Raises:
        ExplainError: no such tensor.
    """
    x = _found(output, images, count)
    if not x.is_floating_point():
        kind = str(x.dtype).removeprefix("torch.")
        raise ExplainError(f"head returns {kind} values, not logits: let it end before an argmax or the like.")
    shape = tuple(x.shape)
    if images == 1 and (x.ndim == 0 or len(x) != 1) and sum(side != 1 for side in shape) <= 1:
        x = x.reshape(1, -1)  # squeezed
    if x.ndim == 0 or len(x) != images or not x.numel():
        raise ExplainError(f"head returns {shape} for {images} pictures: let it return (N, classes) logits.")
    if sum(side != 1 for side in x.shape[1:]) > 1:
        raise ExplainError(
            f"head returns {shape}, more than one value for a class: let it return (N, classes) logits, such as their "
            "mean over the positions."
        )
    return x.reshape(images, -1)


def as_classes(x: Tensor, names: Sequence[str], multi_label: bool, probabilities: bool) -> Tensor:
    """A head's outputs (N, outputs) as float32 logits (N, classes).

    One output with two names is the logit z of the second against the first: -z and z, whose softmax at temperature 2
    is the sigmoid of z. Probabilities become the logits that belong to them, but for a constant.

    Raises:
        ExplainError: another number of outputs than of names; probabilities outside 0 to 1.
    """
    single = x.shape[1] == 1 and len(names) <= 2 and not (multi_label and len(names) == 2)
    if x.shape[1] != len(names) and not single:
        raise ExplainError(
            f"The network has {x.shape[1]} output{'s' * (x.shape[1] != 1)}, and class_names has {len(names)} "
            f"name{'s' * (len(names) != 1)}: give one for each output"
            f"{', or both classes of a single output' if x.shape[1] == 1 and not multi_label else ''}."
        )
    x = x.float()
    if probabilities:
        each = multi_label or single
        if not ((x >= 0) & (x <= 1)).all() or not (each or ((x.sum(1) - 1).abs() <= 0.02).all()):
            sum_ = "" if each else " that add up to 1 (multi_label=True is for those that do not)"
            raise ExplainError(f"The head's outputs are no probabilities{sum_}: leave out probabilities=True.")
        # The smallest distance from 0 and 1 in float32: beyond it, there is no gradient left to explain.
        x = x.logit(6e-8) if each else x.clamp(min=1e-38).log()
    return torch.cat([-x, x], 1) if single and len(names) == 2 else x


def _found(output: Any, images: int, count: int) -> Tensor:
    if isinstance(output, Tensor):
        return output
    tensors = {key: value for key, value in entries(output).items() if isinstance(value, Tensor)}
    named = [tensors[key] for key in LOGITS if key in tensors]
    if named:
        return named[0]
    fit = [x for x in tensors.values() if x.ndim and len(x) == images and x.numel() == images * count]
    if len(tensors) == 1 or len(fit) == 1:
        return (fit or list(tensors.values()))[0]
    if not tensors:
        raise ExplainError(f"head returns no tensor but a {type(output).__name__}: let it return the logits.")
    raise ExplainError(f"head returns {len(tensors)} tensors, {shapes(tensors)}: let it return the logits alone.")
