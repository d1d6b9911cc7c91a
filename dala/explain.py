"""Picture in, explanation out: the network runs once, every class and every threshold is asked of what it left."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from dala import cam, images, threshold, weights
from dala.errors import DalaError
from dala.model import DALAResNet50

__all__ = ["ExplainError", "Explainer", "Explanation", "find_device"]


class ExplainError(DalaError):
    """A class, method or device that does not exist."""


@dataclass(frozen=True)
class Explanation:
    """All that one forward pass and one small backward pass say about a picture.

    Attributes:
        picture: RGB, at the size (W, H) at which the network saw it.
        original_size: (width, height) of the picture that was given.
        class_names: in the order of the logits.
        logits: (classes,).
        target: name of the class explained.
        layer: the stage whose feature maps are explained.
        activations, gradient: (1, C, h, w), the feature maps and the gradient of the target's logit.
        maps: raw maps by method, (h, w), at least 0, in units of the logit.
        device: what the network ran on.
        seconds: that the forward pass took.
    """

    picture: Image.Image
    original_size: tuple[int, int]
    class_names: tuple[str, ...]
    logits: Tensor
    target: str
    layer: str
    activations: Tensor
    gradient: Tensor
    maps: dict[str, Tensor]
    device: str
    seconds: float

    @cached_property
    def probabilities(self) -> dict[str, float]:
        """Softmax of the logits by class name: of this network on this preprocessing, no more."""
        return dict(zip(self.class_names, self.logits.double().softmax(0).tolist(), strict=True))

    def heat(self, method: str = "grad_cam") -> Tensor:
        """A map on the network's input grid, (H, W): what thresholds and pictures are made of."""
        return cam.upsample(self.maps[method], self.picture.size[::-1])

    def threshold(self, rule: str = threshold.DEFAULT_RULE, strength: float | None = None) -> threshold.Threshold:
        """DT Grad-CAM: the Grad-CAM map under one of `dala.threshold.RULES`."""
        return threshold.apply(self.heat(), rule, strength)


class Explainer:
    """Runs a network once per picture and explains it as often as asked. Safe to call from several threads.

    Args:
        model: in evaluation mode; moved to the device, otherwise left as it is.
        device: "cpu", "cuda", "mps", ...; None finds the best, or takes the environment's `DALA_DEVICE`.
        origin: where the weights came from, for the record.
    """

    def __init__(
        self, model: DALAResNet50, device: str | None = None, origin: weights.LoadedModel | None = None
    ) -> None:
        self.device = find_device(device)
        self.model = model.eval().to(memory_format=torch.channels_last).to(self.device)
        self.origin = origin

    @classmethod
    def load(cls, source: str | Path | None = None, device: str | None = None) -> "Explainer":
        """From a folder, a file or a Hub id; see `dala.weights.load`."""
        origin = weights.load(source)
        return cls(origin.model, device, origin)

    def preprocess(self, picture: Image.Image) -> Tensor:
        """RGB picture -> (1, 3, H, W) float32 on the CPU: the one way into the network."""
        return images.to_tensor(picture, self.model.preprocessing)

    def explain(
        self, image: images.Source, target: str | None = None, methods: Sequence[str] = ("grad_cam",)
    ) -> Explanation:
        """Explain one picture.

        Args:
            image: a path, the bytes of a file, a PIL image, or an (H, W, 3) uint8 array.
            target: name of the class to explain; None for the predicted one.
            methods: names from `dala.cam.METHODS`.

        Raises:
            ImageError, ExplainError: a picture that cannot be used; a class or method that does not exist.
        """
        names = self.model.class_names
        if target is not None:
            _index(names, target)
        original = images.read(image)
        picture = images.fit(original, self.model.preprocessing)
        x = self.preprocess(picture).to(self.device, memory_format=torch.channels_last)
        began = time.perf_counter()
        with torch.no_grad():
            activations = self.model.features(x)
            logits = self.model.head(activations)[0].float().cpu()
        seconds = time.perf_counter() - began
        blank = Explanation(
            picture=picture,
            original_size=original.size,
            class_names=names,
            logits=logits,
            target=target or names[int(logits.argmax())],
            layer="attention",
            activations=activations,
            gradient=activations.new_empty(0),
            maps={},
            device=self.device.type,
            seconds=seconds,
        )
        return self.retarget(blank, blank.target, methods)

    def retarget(self, explanation: Explanation, target: str, methods: Sequence[str] = ("grad_cam",)) -> Explanation:
        """The same picture explained for another class: the head alone runs again, which takes milliseconds."""
        unknown = [m for m in methods if m not in cam.METHODS]
        if unknown:
            raise ExplainError(f"There is no method {unknown[0]!r}: choose one of {', '.join(cam.METHODS)}.")
        activations, index = explanation.activations.to(self.device), _index(explanation.class_names, target)
        _, gradient = cam.head_gradient(self.model.head, activations, index)
        maps = {m: cam.METHODS[m](activations, gradient, self.model.head)[0].float().cpu() for m in methods}
        return replace(explanation, target=target, gradient=gradient, maps=maps)


def find_device(name: str | None = None) -> torch.device:
    """The device asked for, by argument or `DALA_DEVICE`, else CUDA, else MPS, else the CPU.

    Raises:
        ExplainError: a device that does not exist here.
    """
    name = name or os.environ.get("DALA_DEVICE")
    if not name:
        return torch.device(
            "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        )
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ExplainError(f"The device {name!r} is not to be had here: leave it out, or use cpu.") from error
    return device


def _index(names: Sequence[str], target: str) -> int:
    if target not in names:
        raise ExplainError(f"There is no class {target!r}: choose one of {', '.join(names)}.")
    return list(names).index(target)
