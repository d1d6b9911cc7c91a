"""The result of explaining one image: logits, maps, and the features that they were made from."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from PIL import Image
from torch import Tensor

from dala import cam
from dala.errors import DalaError
from dala.explain.form import Form
from dala.heatmaps import resize, thresholds
from dala.images import detail, laboratory, stain_statistics, tissue

__all__ = ["Explanation", "Features", "FeaturesError"]

POOLED = "the head pools globally first: the gradient is equal everywhere"


class FeaturesError(DalaError):
    """Features that an explanation was stored without."""


@dataclass(frozen=True, eq=False)
class Features:
    """What the network computed at the layer that is explained.

    Attributes:
        activations: (1, C, h, w), the feature maps.
        gate: (C,), the factor in (0, 1) by which the layer's attention scaled each channel; None if it has none.
        gradient: (1, C, h, w), of the score with respect to the activations; None if it was dropped. The network above
            the layer computes it again in milliseconds (`Explainer.retarget`).
        form: how the head of a network of one's own takes the activations; None for a DALAResNet50.
    """

    activations: Tensor
    gate: Tensor | None = None
    gradient: Tensor | None = None
    form: Form | None = None

    def cpu(self) -> "Features":
        """The same on the CPU."""
        gate, gradient = (None if t is None else t.cpu() for t in (self.gate, self.gradient))
        form = self.form and self.form.to(torch.device("cpu"))
        return Features(self.activations.cpu(), gate, gradient, form)

    def flat_gradient(self) -> bool:
        """Whether the gradient is known to be the same at every position, but for rounding."""
        if self.gradient is None:
            return False
        spread = (self.gradient - self.gradient.mean((2, 3), keepdim=True)).abs().max()
        return bool(spread <= 1e-5 * self.gradient.abs().max())


@dataclass(frozen=True, eq=False)
class Explanation:
    """What one forward pass and one small backward pass say about an image.

    Attributes:
        picture: RGB, in the size (W, H) in which it entered the network.
        original_size: (width, height) of the image before it was resized.
        class_names: in the order of the logits.
        logits: (classes,).
        target: title of the score that is explained: a class, or "a over b" for a margin.
        evidence: "for" the target, or "against" it, which turns the score's sign.
        layer: the stage whose feature maps are explained.
        signed: maps by method before the ReLU, (h, w), in units of the score.
        temperature: by which the logits are divided before the softmax; maps explain the undivided logits. A single
            logit z is given as -z and z at temperature 2, whose softmax is the sigmoid of z.
        device: type of the device that the network ran on.
        seconds: duration of the passes, for the whole batch.
        features: what the maps were made from; None if only the maps are kept.
        thumbnail: the image, or the part of it that was chosen, before it was resized; at most 256 px a side.
        laboratories: that the network was trained on; None if they are not known, so that nothing is compared.
        multi_label: classes do not exclude each other, and probabilities are sigmoids that do not add up to 1.
    """

    picture: Image.Image
    original_size: tuple[int, int]
    class_names: tuple[str, ...]
    logits: Tensor
    target: str
    evidence: str
    layer: str
    signed: dict[str, Tensor]
    temperature: float
    device: str
    seconds: float
    features: Features | None = None
    thumbnail: Image.Image | None = None
    laboratories: laboratory.Laboratories | None = None
    multi_label: bool = False

    @property
    def activations(self) -> Tensor:
        """(1, C, h, w), see `Features`; FeaturesError if they are not kept."""
        if self.features is None:
            raise FeaturesError("This explanation holds its maps alone: explain the picture again for its features.")
        return self.features.activations

    @property
    def gradient(self) -> Tensor:
        """(1, C, h, w), see `Features`; FeaturesError if it is not kept."""
        if self.features is None or self.features.gradient is None:
            raise FeaturesError("This explanation is kept without its gradient: Explainer.retarget computes it again.")
        return self.features.gradient

    @property
    def gate(self) -> Tensor | None:
        """(C,), see `Features`; None also if the features are not kept."""
        return self.features.gate if self.features else None

    def without_gradient(self) -> "Explanation":
        """The same with less memory: its features on the CPU, and without the gradient."""
        return replace(self, features=self.features and replace(self.features, gradient=None).cpu())

    @cached_property
    def maps(self) -> dict[str, Tensor]:
        """Maps by method, (h, w), at least 0: the positive part of `signed`, which is shown."""
        return {name: signed.relu() for name, signed in self.signed.items()}

    @cached_property
    def probabilities(self) -> dict[str, float]:
        """Softmax (if `multi_label`, sigmoid) of the logits divided by the temperature, by class name."""
        return dict(zip(self.class_names, self.to_probabilities(self.logits).tolist(), strict=True))

    def to_probabilities(self, logits: Tensor) -> Tensor:
        """Logits (classes,) of the network that made this explanation -> probabilities (classes,), float64."""
        scaled = logits.double() / self.temperature
        return scaled.sigmoid() if self.multi_label else scaled.softmax(0)

    @cached_property
    def warning(self) -> str | None:
        """One sentence if the image does not look like haematoxylin-eosin tissue, else None."""
        result = tissue.known().check(self._stain)
        return result.sentence() if result.unlike else None

    @property
    def shift(self) -> str | None:
        """One sentence if the image is from a laboratory unlike those in training; None also if they are not known."""
        return self.comparison.sentence() if self.comparison and self.comparison.unlike else None

    @cached_property
    def comparison(self) -> laboratory.Shift | None:
        """The image compared with the laboratories in training; None if they are not known."""
        if self.laboratories is None:
            return None
        small = self.thumbnail or self.picture
        return self.laboratories.shift(self._stain | detail.detail(small), laboratory.side(self.original_size))

    @cached_property
    def _stain(self) -> dict[str, float]:
        """Statistics of the pixels, which both checks use: they take longer than the rest of the checks."""
        return stain_statistics.statistics(self.thumbnail or self.picture)

    def heat(self, method: str | None = None) -> Tensor:
        """A map resized to the network's input, (H, W), for thresholds and overlays. None: the first map."""
        return resize.upsample(self.maps[method or next(iter(self.maps))], self.picture.size[::-1])

    def threshold(
        self, rule: str = thresholds.DEFAULT_RULE, strength: float | None = None, method: str | None = None
    ) -> thresholds.Threshold:
        """DT Grad-CAM: a map with one of `dala.heatmaps.thresholds.RULES` applied; None: the first map."""
        return thresholds.apply(self.heat(method), rule, strength)

    def words(self) -> str:
        """Target and evidence as part of a sentence: "malignant", "against malignant", "malignant over benign"."""
        return self.target if self.evidence == "for" else f"against {self.target}"

    def coinciding(self) -> list[list[str]]:
        """Groups of methods, in order, whose signed maps are equal to within 1e-4 of their largest value."""
        groups: list[list[str]] = []
        for name, signed in self.signed.items():
            for group in groups:
                other = self.signed[group[0]]
                if signed.shape == other.shape and (signed - other).abs().max() <= 1e-4 * other.abs().max():
                    group.append(name)
                    break
            else:
                groups.append([name])
        return groups

    def coincidence(self) -> str:
        """A sentence for each group of methods with equal maps, and the reason; empty if there is none."""
        sentences = []
        for group in self.coinciding():
            if len(group) > 1:
                titles = [cam.METHODS[name].title for name in group]
                linear = {*group} <= {"grad_cam", "hires_cam", "xgrad_cam"}
                flat = self.features is not None and self.features.flat_gradient()
                why = f", because {POOLED}" if linear and flat else " for this picture"
                sentences.append(f"{', '.join(titles[:-1])} and {titles[-1]} are the same map at {self.layer}{why}.")
        return " ".join(sentences)
