"""Grad-CAM in six steps, each a sentence with its pictures: from the input to what the threshold keeps."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dala.explain.decomposition import MOST, Steps
from dala.explain.explanation import Explanation
from dala.explain.gate import AverageGate
from dala.heatmaps import render
from dala.heatmaps.render import number
from dala.lessons import contact_sheet, svg
from dala.lessons.contact_sheet import Tile

__all__ = ["TITLES", "Step", "gate", "tell"]

TITLES = ("Input", "Feature maps", "Gradients", "Weights", "Weighted sum", "Upsampling")
FEW = 5  # channels named at either end


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        sentence: what happens, in plain text.
        tiles: its pictures.
        charts: SVG.
        signed: by which of `grids.colours` the tiles are drawn; None where they are not maps.
        scale: what the ends of that colour scale mean.
        note: what else was measured; empty where there is nothing.
    """

    sentence: str
    tiles: tuple[Tile, ...] = ()
    charts: tuple[str, ...] = ()
    signed: bool | None = None
    scale: tuple[str, str] = ("", "")
    note: str = ""


def tell(explanation: Explanation, steps: Steps, chosen: Sequence[int] = ()) -> list[Step]:
    """The six steps of an explanation.

    Args:
        explanation: of a class, by Grad-CAM.
        steps: its parts.
        chosen: channels by number; empty for the `MOST` that contribute most.
    """
    shown = list(chosen) or steps.ranking[:MOST].tolist()
    return [
        _input(explanation),
        _maps(steps, shown, bool(chosen)),
        _gradients(explanation, steps, shown),
        _weights(explanation, steps, shown),
        _sum(explanation, steps, shown),
        _upsampling(explanation),
    ]


def gate(explanation: Explanation, average: AverageGate | None, shown: Sequence[int]) -> Step:
    """What the attention's gate does for this picture, against the average one.

    Args:
        explanation: its `gate` may be None.
        average: likewise.
        shown: channels that stand out.
    """
    if explanation.gate is None or average is None:
        return Step(f"This network has no gate at {explanation.layer}.")
    own, mean = explanation.gate, average.mean
    moved = own - mean
    order = moved.argsort(descending=True, stable=True).tolist()
    few = min(FEW, len(order))
    further, less = order[:few], order[::-1][:few]
    told = "; ".join(
        f"{what}: " + ", ".join(f"{k} ({mean[k]:.2f} → {own[k]:.2f})" for k in channels)
        for what, channels in (("Opened furthest beyond the average", further), ("closed furthest below it", less))
    )
    sentence = (
        "Before they come here, the attention has multiplied every feature map by an opening σ between 0 and 1 that it "
        f"took from this patch; above the dashed line a channel is open further than for the average of "
        f"{average.pictures:,} pictures ({average.data})."
    )
    alt = f"Openings of {len(own)} channels for this patch against the average patch. {told}."
    note = f"In colour: the channels shown above. {told}."
    titles = ("σ of the average patch", "σ of this patch")
    return Step(sentence, charts=(svg.scatter(mean, own, shown, titles, alt),), note=note)


def _input(e: Explanation) -> Step:
    across, down = e.picture.size
    score = f": here {_score(e)}" if e.target in e.class_names else ""
    sentence = (
        f"The network sees this patch at {across}×{down} pixels, each colour shifted and scaled by fixed numbers, "
        f"and answers with one score y for every class{score}."
    )
    return Step(sentence, (Tile("", "", f"The patch as the network sees it, {across}×{down} pixels", e.picture),))


def _score(e: Explanation) -> str:
    value = float(e.logits[e.class_names.index(e.target)])
    return f"y = {value:.2f} for {e.target}".replace("-", "−")


def _maps(steps: Steps, shown: Sequence[int], own: bool) -> Step:
    count, down, across = steps.activations.shape
    signed = bool((steps.activations < 0).any())
    tiles = []
    for k in shown:
        values = steps.activations[k]
        top = float(values.abs().max())
        said = f"maximum {number(top, top)}" if top > 0 else "zero everywhere"
        at = f", strongest at the {render.place(values.abs())}" if top > 0 else ""
        alt = f"Feature map of channel {k}, {across}×{down} cells: {said}{at}"
        tiles.append(Tile(f"channel {k}", said, alt, contact_sheet.draw(values, top, signed)))
    who = f"the {len(shown)} that you chose" if own else f"these {len(shown)}, largest in weight times mean activation,"
    sentence = (
        f"The layer that is explained holds {count:,} feature maps of {across}×{down} cells, each strong where the "
        f"network finds the pattern that it stands for; {who} carry {100 * steps.share(shown):.0f} % of the whole."
    )
    return Step(sentence, tuple(tiles), signed=signed, scale=_ends(signed, "each map's own maximum"))


def _gradients(e: Explanation, steps: Steps, shown: Sequence[int]) -> Step:
    _, down, across = steps.gradient.shape
    values = steps.gradient[list(shown)]
    top = float(values.abs().max())
    tiles = []
    for k, gradient in zip(shown, values, strict=True):
        said = number(float(gradient.mean()), top, sign=True)
        alt = f"Gradient of channel {k}, {across}×{down} cells: {said} {'everywhere' if steps.flat else 'on average'}"
        tiles.append(Tile(f"channel {k}", said, alt, contact_sheet.draw(gradient, top, True)))
    ask = f"How much would the score for {e.words()} rise if a feature map were a little stronger at one position?"
    if not steps.flat:
        sentence = f"{ask} Here that depends on the position."
        note = f"Within a map the gradient strays by up to {100 * steps.unevenness:.0f} % of the largest value."
    else:
        sentence = (
            f"{ask} By the same amount wherever it is, because the head averages every map before it looks at it."
        )
        note = (
            f"Measured over {across * down} positions of {len(steps.weights):,} maps, the gradient strays from each "
            f"map's mean by at most {_part(steps.unevenness)} of the largest value, which is rounding."
        )
    return Step(sentence, tuple(tiles), signed=True, scale=(f"−{number(top, top)}", f"+{number(top, top)}"), note=note)


def _part(share: float) -> str:
    return f"one part in {1 / share:,.0f}" if share else "nothing"


def _weights(e: Explanation, steps: Steps, shown: Sequence[int]) -> Step:
    values = [float(steps.weights[k]) for k in shown]
    places = [int(steps.places[k]) for k in shown]
    count, top = len(steps.weights), float(steps.weights.abs().max())
    told = ", ".join(f"{k}: {number(v, top, sign=True)}" for k, v in zip(shown, values, strict=True))
    sentence = (
        f"A map's weight α is the mean of its gradient{', which is the one value that it has' if steps.flat else ''}: "
        f"above zero the channel speaks for {e.words()}, below zero against it."
    )
    if top == 0:
        sentence = f"Every weight is zero: the score for {e.words()} depends on no feature map."
    alt = f"Weights of the channels shown. {told}"
    heads = "channel", "weight α", "place"
    ranked = svg.bars(heads, [str(k) for k in shown], values, [f"{place:,}" for place in places], alt)
    title = f"all {count:,} channels by weight; the dots are those shown"
    alt = f"Weights of all {count} channels in falling order, from {float(steps.weights.max()):.3g} to "
    alt += f"{float(steps.weights.min()):.3g}; the channels shown are marked."
    return Step(sentence, charts=(ranked, svg.curve(steps.weights, shown, title, alt)))


def _sum(e: Explanation, steps: Steps, shown: Sequence[int]) -> Step:
    total = steps.parts().sum(0)
    some = steps.parts(shown).sum(0)
    top = float(torch.stack([total.abs(), some.abs()]).max())
    against = float((total < 0).float().mean())
    tiles = [
        _signed(f"sum of the {len(shown)} shown", some, top),
        _signed(f"sum of all {len(steps.weights):,}", total, top),
        _signed("positive part: kept", total.relu(), top),
        _signed("negative part: cut away", -(-total).relu(), top),
    ]
    if total.max() > 0:
        sentence = (
            f"All maps, each times its weight, add up to one signed map; the ReLU keeps what speaks for {e.words()} "
            f"and cuts away the {100 * against:.0f} % of the cells that speak against it."
        )
    else:
        sentence = (
            f"All maps, each times its weight, add up to one signed map, and nowhere is it above zero: the ReLU cuts "
            f"all of it away, and no positive evidence for {e.words()} is left at {e.layer}."
        )
    return Step(sentence, tuple(tiles), signed=True, scale=(f"−{number(top, top)}", f"+{number(top, top)}"))


def _signed(title: str, values: Tensor, top: float) -> Tile:
    low, high = float(values.min()), float(values.max())
    empty = low == high == 0
    said = "zero everywhere" if empty else f"{number(low, top, sign=True)} to {number(high, top, sign=True)}"
    at = "" if empty else f", largest at the {render.place(values.abs())}"
    alt = f"{title.capitalize()}, {values.shape[1]}×{values.shape[0]} cells: {said}{at}"
    return Tile(title, said, alt, contact_sheet.draw(values, 0 if empty else top, True))


def _upsampling(e: Explanation) -> Step:
    down, across = next(iter(e.maps.values())).shape
    size = f"{e.picture.width}×{e.picture.height}"
    if next(iter(e.maps.values())).max() <= 0:
        return Step(f"There is nothing to enlarge: no positive evidence for {e.words()} at {e.layer}.")
    return Step(
        f"The {across}×{down} cells are enlarged to {size} pixels, which makes them smooth and adds no knowledge; "
        "DT Grad-CAM shows the pixels that reach a threshold τ taken from the map itself."
    )


def _ends(signed: bool, top: str) -> tuple[str, str]:
    return (f"−{top}", f"+{top}") if signed else ("0", top)
