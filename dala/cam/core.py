"""What a CAM method is: its signature, the registry, and the gradient that all methods share."""

import os
import runpy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from dala.cam.targets import Score, total_score
from dala.errors import DalaError

__all__ = ["DEFAULT_METHOD", "METHODS", "Method", "MethodsError", "load_own", "method", "score_gradient"]

Head = Callable[[Tensor], Tensor]
MapFunction = Callable[..., Tensor]
EPS = 1e-8


class MethodsError(DalaError):
    """A file of methods that cannot be used."""


@dataclass(frozen=True)
class Method:
    """A registered method.

    Attributes:
        function: `(activations, gradient, heads)` -> map; or, if it `reruns`, see `dala.cam.perturbation`.
        title: its usual name.
        paper: its source.
        meaning: one line for a learner.
        reruns: it runs the whole network many times, and takes minutes rather than milliseconds.
        per_channel: it runs the head once for each channel: milliseconds if the head pools first, minutes at lower
            layers.
        control: it uses neither the image nor the network; a real method should do better.
    """

    function: MapFunction
    title: str
    paper: str
    meaning: str = ""
    reruns: bool = False
    per_channel: bool = False
    control: bool = False

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """Apply `function`."""
        return self.function(*args, **kwargs)


METHODS: dict[str, Method] = {}
DEFAULT_METHOD = "grad_cam"


def method(
    name: str, title: str, paper: str = "", meaning: str = "", **flags: bool
) -> Callable[[MapFunction], MapFunction]:
    """Decorator that registers a method under a name. A file of your own, named by `DALA_METHODS`, may use it, too."""

    def register(function: MapFunction) -> MapFunction:
        METHODS[name] = Method(function, title, paper, meaning, **flags)
        return function

    return register


def score_gradient(head: Head, activations: Tensor, scores: Sequence[Score]) -> tuple[Tensor, Tensor]:
    """Logits, and the gradient of each image's score with respect to its feature maps.

    The graph starts at the feature maps; no parameter receives a gradient.

    Args:
        head: (N, C, h, w) -> (N, classes) logits.
        activations: (N, C, h, w), with no graph below.
        scores: one for each image, (M, classes) logits -> (M,) scores.

    Returns:
        logits (N, classes) and gradient (N, C, h, w), both detached.
    """
    with torch.enable_grad():
        start = (activations.clone() if activations.is_inference() else activations.detach()).requires_grad_()
        logits = head(start)
        total = total_score(scores, logits)
        (gradient,) = torch.autograd.grad(total, start)
    return logits.detach(), gradient


def load_own() -> None:
    """Register the methods of the file named by the environment variable `DALA_METHODS`, once.

    Raises:
        MethodsError: the file does not exist or does not run.
    """
    if file := os.environ.get("DALA_METHODS"):
        _load(file)


@lru_cache
def _load(file: str) -> None:
    try:
        runpy.run_path(file)
    except Exception as error:  # a user's code can raise anything
        raise MethodsError(f"DALA_METHODS={file}: {type(error).__name__}: {error}.") from error
