"""What travels: everything that one pass of the network says about a picture."""

from dataclasses import dataclass
from functools import cached_property

from PIL import Image
from torch import Tensor

from dala import cam
from dala.heatmaps import resize, thresholds
from dala.images import tissue

__all__ = ["Explanation"]

POOLED = "the head pools globally first: the gradient is equal everywhere"


@dataclass(frozen=True, eq=False)
class Explanation:
    """All that one forward pass and one small backward pass say about a picture.

    Attributes:
        picture: RGB, at the size (W, H) at which the network saw it.
        original_size: (width, height) of the picture that was given.
        class_names: in the order of the logits.
        logits: (classes,).
        target: what is explained, in words: a class, or "a over b" for a margin.
        evidence: "for" the target, or "against" it: the same with the score's sign turned.
        layer: the stage whose feature maps are explained.
        activations, gradient: (1, C, h, w), the feature maps and the gradient of the score.
        signed: maps by method before the ReLU, (h, w), in units of the score.
        maps: their positive part: what is shown.
        temperature: by which the logits are divided before the softmax; maps explain the logits as they are.
        device: what the network ran on.
        seconds: that the forward pass took, for the whole batch.
        given: the picture, or the part of it that was chosen, before it was resized; at most 256 px a side.
        gate: by how much the layer's attention scaled each channel, (C,), in (0, 1); None where the layer has none.
    """

    picture: Image.Image
    original_size: tuple[int, int]
    class_names: tuple[str, ...]
    logits: Tensor
    target: str
    evidence: str
    layer: str
    activations: Tensor
    gradient: Tensor
    signed: dict[str, Tensor]
    temperature: float
    device: str
    seconds: float
    gate: Tensor | None = None
    given: Image.Image | None = None

    @cached_property
    def maps(self) -> dict[str, Tensor]:
        """Raw maps by method, (h, w), at least 0: the positive part of `signed`."""
        return {name: signed.relu() for name, signed in self.signed.items()}

    @cached_property
    def probabilities(self) -> dict[str, float]:
        """Softmax of the logits over the temperature, by class name: of this network on this preprocessing, no more."""
        return dict(zip(self.class_names, (self.logits.double() / self.temperature).softmax(0).tolist(), strict=True))

    @cached_property
    def warning(self) -> str | None:
        """One sentence if the picture that was given does not look like haematoxylin-eosin tissue, else None."""
        return tissue.warning(self.given or self.picture)

    def heat(self, method: str | None = None) -> Tensor:
        """A map on the network's input grid, (H, W): what thresholds and pictures are made of. None: the first map."""
        return resize.upsample(self.maps[method or next(iter(self.maps))], self.picture.size[::-1])

    def threshold(
        self, rule: str = thresholds.DEFAULT_RULE, strength: float | None = None, method: str | None = None
    ) -> thresholds.Threshold:
        """DT Grad-CAM: a map under one of `dala.heatmaps.thresholds.RULES`."""
        return thresholds.apply(self.heat(method), rule, strength)

    def words(self) -> str:
        """What is explained, for a sentence: "malignant", "against malignant", "malignant over benign"."""
        return self.target if self.evidence == "for" else f"against {self.target}"

    def coinciding(self) -> list[list[str]]:
        """Groups of methods, in order, whose signed maps are the same here to 1e-4 of their largest value.

        Most groups hold one method; `coincidence` says why some hold more.
        """
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
        """A sentence on methods whose maps are one and the same here, and why; empty where there are none."""
        told = []
        for group in self.coinciding():
            if len(group) > 1:
                titles = [cam.METHODS[name].title for name in group]
                known = {*group} <= {"grad_cam", "hires_cam", "xgrad_cam"} and self._gradient_is_flat()
                why = f", because {POOLED}" if known else " for this picture"
                told.append(f"{', '.join(titles[:-1])} and {titles[-1]} are the same map at {self.layer}{why}.")
        return " ".join(told)

    def _gradient_is_flat(self) -> bool:
        if not self.gradient.numel():  # a page's state does without it
            return False
        spread = (self.gradient - self.gradient.mean((2, 3), keepdim=True)).abs().max()
        return bool(spread <= 1e-5 * self.gradient.abs().max())
