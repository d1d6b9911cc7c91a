"""Robustness: does a map stay the same under perturbations of the picture that do not change its meaning?

Tissue has no orientation, and stains differ between laboratories: a flip, a quarter turn, a shift by two pixels or
slightly more of one stain changes no diagnosis. Maps of perturbed pictures are mapped back and compared by rank
correlation. A map that moves reflects the network or the method rather than the tissue. A stable map is not thereby
right: the centred Gaussian is perfectly stable.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dala import cam
from dala.errors import DalaError
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.explain.question import Question
from dala.heatmaps.similarity import rank_correlation
from dala.images.stain import restained
from dala.progress import finish

__all__ = ["PERTURBATIONS", "Perturbation", "Stability", "StabilityError", "stable", "steps"]

SHIFT = 2
STAIN = 0.08


class StabilityError(DalaError):
    """A map for which the comparison is not defined."""


@dataclass(frozen=True)
class Perturbation:
    """A change of the picture that leaves its meaning as it is.

    Attributes:
        label: its name on the page.
        kind: "flip", "turn", "shift" or "stain".
        apply: RGB picture -> perturbed picture.
        restore: (h, w) map of the perturbed picture -> the same map on the grid of the picture.
        common: (H, W) map -> the part of it that both pictures show.
    """

    label: str
    kind: str
    apply: Callable[[Image.Image], Image.Image]
    restore: Callable[[Tensor], Tensor]
    common: Callable[[Tensor], Tensor] = lambda heat: heat


@dataclass(frozen=True)
class Stability:
    """Result of one perturbation.

    Attributes:
        label, kind: of the perturbation.
        correlation: rank correlation of the restored map with the map; 0 if the restored map is empty.
        probability: of the explained class for the perturbed picture.
        heat: (H, W) the map of the perturbed picture, restored, on the network's input grid.
    """

    label: str
    kind: str
    correlation: float
    probability: float
    heat: Tensor


def _shift(dx: int, dy: int) -> Perturbation:
    def apply(picture: Image.Image) -> Image.Image:
        # The border is filled by repeating the outermost row or column.
        pixels = np.pad(np.asarray(picture), ((SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
        height, width = pixels.shape[0] - 2 * SHIFT, pixels.shape[1] - 2 * SHIFT
        top, left = SHIFT - dy, SHIFT - dx
        return Image.fromarray(pixels[top : top + height, left : left + width])

    def common(heat: Tensor) -> Tensor:
        return heat[SHIFT:-SHIFT, SHIFT:-SHIFT]

    name = {(SHIFT, 0): "right", (-SHIFT, 0): "left", (0, SHIFT): "down", (0, -SHIFT): "up"}[dx, dy]
    return Perturbation(f"{SHIFT} px {name}", "shift", apply, lambda heat: heat.roll((-dy, -dx), (0, 1)), common)


def _stain(name: str, haematoxylin: float, eosin: float) -> Perturbation:
    def apply(picture: Image.Image) -> Image.Image:
        return restained(picture, haematoxylin, eosin)

    return Perturbation(name, "stain", apply, lambda heat: heat)


def _turn(times: int) -> Perturbation:
    method = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)[times - 1]
    return Perturbation(f"{90 * times}° turn", "turn", lambda p: p.transpose(method), lambda m: m.rot90(-times))


PERTURBATIONS: dict[str, Perturbation] = {
    "flip_x": Perturbation(
        "left–right flip", "flip", lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT), lambda m: m.flip(1)
    ),
    "flip_y": Perturbation(
        "up–down flip", "flip", lambda p: p.transpose(Image.Transpose.FLIP_TOP_BOTTOM), lambda m: m.flip(0)
    ),
    "turn_90": _turn(1),
    "turn_180": _turn(2),
    "turn_270": _turn(3),
    "right": _shift(SHIFT, 0),
    "left": _shift(-SHIFT, 0),
    "down": _shift(0, SHIFT),
    "up": _shift(0, -SHIFT),
    "blue": _stain("more haematoxylin", 1 + STAIN, 1 - STAIN),
    "pink": _stain("more eosin", 1 - STAIN, 1 + STAIN),
    "pale": _stain("paler", 1 - STAIN, 1 - STAIN),
    "dark": _stain("darker", 1 + STAIN, 1 + STAIN),
}


def stable(
    explainer: Explainer, explanation: Explanation, methods: Sequence[str] | None = None
) -> dict[str, dict[str, Stability]]:
    """Apply every one of `PERTURBATIONS` to a picture and compare the maps; see `steps`."""
    return finish(steps(explainer, explanation, methods))


def steps(
    explainer: Explainer, explanation: Explanation, methods: Sequence[str] | None = None
) -> Generator[tuple[int, int], None, dict[str, dict[str, Stability]]]:
    """Generator form of `stable`: yields (done, total) and returns the results by method and perturbation.

    Stop iterating to cancel.

    Args:
        explainer: the network that made the explanation.
        explanation: it determines picture, target, evidence and layer.
        methods: maps of the explanation; None for all of them.

    Raises:
        StabilityError: a map that is zero everywhere, or a target that is not a class.
    """
    e, methods = explanation, tuple(methods or explanation.maps)
    if e.target not in e.class_names:
        raise StabilityError(f"This test follows a class, and {e.target!r} is none: explain a class.")
    for method in methods:
        if not e.maps[method].max() > 0:
            title = cam.METHODS[method].title
            raise StabilityError(f"{title} {e.evidence} {e.target} is zero everywhere: there is nothing to compare.")
    plain = {method: e.heat(method) for method in methods}
    question = Question(e.target, methods, e.layer, e.evidence)
    results: dict[str, dict[str, Stability]] = {method: {} for method in methods}
    for done, (name, perturbation) in enumerate(PERTURBATIONS.items(), 1):
        perturbed = explainer.explain_image(perturbation.apply(e.picture), question, zoom=1.0)
        for method in methods:
            heat = perturbation.restore(perturbed.heat(method))
            pair = torch.stack([perturbation.common(plain[method]), perturbation.common(heat)])
            # An empty map has no ranks.
            correlation = float(rank_correlation(pair)[0, 1].nan_to_num(0))
            results[method][name] = Stability(
                perturbation.label, perturbation.kind, correlation, perturbed.probabilities[e.target], heat
            )
        yield done, len(PERTURBATIONS)
    return results
