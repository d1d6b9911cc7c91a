"""Does a map stay where it is when the picture changes in a way that means nothing? Mapped back and compared by rank.

Histology has no up and no left, and stains vary from laboratory to laboratory: a flip, a quarter turn, a shift by two
pixels or a little more of one stain changes no diagnosis. A map that moves tells of the network or of the method, and
not of the tissue. That a map stays does not make it right: the centred Gaussian is perfectly stable.
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

__all__ = ["CHANGES", "Change", "Stability", "StabilityError", "stable", "steps"]

SHIFT = 2
STAIN = 0.08


class StabilityError(DalaError):
    """A map that cannot be compared with itself."""


@dataclass(frozen=True)
class Change:
    """A change of the picture that means nothing.

    Attributes:
        label: what people call it.
        kind: "flip", "turn", "shift" or "stain".
        there: RGB picture -> changed picture.
        back: (h, w) map of the changed picture -> where it lies on the picture itself.
        seen: (H, W) -> the part of a map that both pictures show.
    """

    label: str
    kind: str
    there: Callable[[Image.Image], Image.Image]
    back: Callable[[Tensor], Tensor]
    seen: Callable[[Tensor], Tensor] = lambda heat: heat


@dataclass(frozen=True)
class Stability:
    """One change: rank correlation of the map, mapped back, with the map; and the probability of the class then.

    The correlation is 0 where the map is gone. `heat` is the map of the changed picture, mapped back to the network's
    input grid, (H, W).
    """

    label: str
    kind: str
    correlation: float
    probability: float
    heat: Tensor


def _shift(dx: int, dy: int) -> Change:
    def there(picture: Image.Image) -> Image.Image:
        # What comes in at the edge is the edge's own row, repeated.
        pixels = np.pad(np.asarray(picture), ((SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
        height, width = pixels.shape[0] - 2 * SHIFT, pixels.shape[1] - 2 * SHIFT
        top, left = SHIFT - dy, SHIFT - dx
        return Image.fromarray(pixels[top : top + height, left : left + width])

    def seen(heat: Tensor) -> Tensor:
        return heat[SHIFT:-SHIFT, SHIFT:-SHIFT]

    name = {(SHIFT, 0): "right", (-SHIFT, 0): "left", (0, SHIFT): "down", (0, -SHIFT): "up"}[dx, dy]
    return Change(f"{SHIFT} px {name}", "shift", there, lambda heat: heat.roll((-dy, -dx), (0, 1)), seen)


def _stain(name: str, haematoxylin: float, eosin: float) -> Change:
    def there(picture: Image.Image) -> Image.Image:
        return restained(picture, haematoxylin, eosin)

    return Change(name, "stain", there, lambda heat: heat)


def _turn(times: int) -> Change:
    method = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)[times - 1]
    return Change(f"{90 * times}° turn", "turn", lambda p: p.transpose(method), lambda m: m.rot90(-times))


CHANGES: dict[str, Change] = {
    "flip_x": Change(
        "left–right flip", "flip", lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT), lambda m: m.flip(1)
    ),
    "flip_y": Change(
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
    """Every one of `CHANGES` on a picture; see `steps`."""
    run = steps(explainer, explanation, methods)
    return finish(run)


def steps(
    explainer: Explainer, explanation: Explanation, methods: Sequence[str] | None = None
) -> Generator[tuple[int, int], None, dict[str, dict[str, Stability]]]:
    """A generator of (done, total) that returns, by method and change, how far the map stays.

    Args:
        explainer: the network that made the explanation.
        explanation: whose picture, target, evidence and layer are kept.
        methods: of its maps; None for all of them.

    Raises:
        StabilityError: a map that is zero everywhere, or a target that is not a class.
    """
    e, methods = explanation, tuple(methods or explanation.maps)
    if e.target not in e.class_names:
        raise StabilityError(f"The changes follow a class, and {e.target!r} is none: explain a class.")
    for method in methods:
        if not e.maps[method].max() > 0:
            title = cam.METHODS[method].title
            raise StabilityError(f"{title} for {e.words()} is zero everywhere: there is nothing to compare.")
    plain = {method: e.heat(method) for method in methods}
    asked = Question(e.target, methods, e.layer, e.evidence)
    found: dict[str, dict[str, Stability]] = {method: {} for method in methods}
    for done, (name, change) in enumerate(CHANGES.items(), 1):
        seen = explainer.explain_image(change.there(e.picture), asked, zoom=1.0)
        for method in methods:
            heat = change.back(seen.heat(method))
            pair = torch.stack([change.seen(plain[method]), change.seen(heat)])
            # A map that is gone ranks nothing.
            stays = float(rank_correlation(pair)[0, 1].nan_to_num(0))
            found[method][name] = Stability(change.label, change.kind, stays, seen.probabilities[e.target], heat)
        yield done, len(CHANGES)
    return found
