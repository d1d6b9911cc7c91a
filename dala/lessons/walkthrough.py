"""Grad-CAM in six steps, from the input to the thresholded map: a sentence and pictures for each."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from markupsafe import Markup
from torch import Tensor

from dala.explain.decomposition import MOST, Steps
from dala.explain.explanation import Explanation
from dala.explain.gate import AverageGate
from dala.heatmaps import render
from dala.heatmaps.render import number
from dala.lessons import contact_sheet, svg
from dala.lessons.contact_sheet import Tile

__all__ = ["TITLES", "Step", "describe", "gate"]

TITLES = ("Input", "Feature maps", "Gradients", "Weights", "Weighted sum", "Upsampling")
FEW = 5  # channels named at either end
NARROW = 0.1  # a chart of gates that differ by less would show one dot


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        sentence: what happens, plain text.
        tiles: pictures.
        charts: SVG.
        signed: the argument of `dala.lessons.contact_sheet.colours` for the tiles; None if they are not maps.
        scale: labels of the two ends of the colour scale.
        note: further measurements, plain text; may be empty.
    """

    sentence: str
    tiles: tuple[Tile, ...] = ()
    charts: tuple[Markup, ...] = ()
    signed: bool | None = None
    scale: tuple[str, str] = ("", "")
    note: str = ""


def describe(explanation: Explanation, steps: Steps, chosen: Sequence[int] = ()) -> list[Step]:
    """Describe the six steps of an explanation.

    Args:
        explanation: of a class, by Grad-CAM.
        steps: its decomposition.
        chosen: channels by number; empty for the `MOST` with the largest contributions.
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
    """Compare the attention gate for this picture with the average gate.

    Args:
        explanation: its `gate` may be None.
        average: may be None.
        shown: channels to highlight.
    """
    if explanation.gate is None or average is None:
        return Step(f"This network has no gate at {explanation.layer}.")
    own, mean = explanation.gate, average.mean
    low, high = (float(f(torch.cat([own, mean]))) for f in (torch.min, torch.max))
    if high - low < NARROW:
        return Step(
            "The attention multiplies every feature map by a gate value σ between 0 and 1, which it computes from this "
            f"patch. In this network all {len(own):,} values lie between {low:.2f} and {high:.2f}, for this patch as "
            f"on average over {average.pictures:,} pictures ({average.data}): the attention hardly does anything."
        )
    moved = own - mean
    order = moved.argsort(descending=True, stable=True).tolist()
    few = min(FEW, len(order))
    above, below = order[:few], order[::-1][:few]
    extremes = "; ".join(
        f"{name}: " + ", ".join(f"{k} ({mean[k]:.2f} → {own[k]:.2f})" for k in channels)
        for name, channels in (("Furthest above the average", above), ("furthest below it", below))
    )
    sentence = (
        "The attention multiplies every feature map by a gate value σ between 0 and 1, which it computes from this "
        f"patch. Above the dashed line, σ is larger than the average over {average.pictures:,} pictures "
        f"({average.data})."
    )
    alt = f"Gate values of {len(own)} channels for this patch against the average patch. {extremes}."
    note = f"In colour: the channels shown above. {extremes}."
    titles = ("σ of the average patch", "σ of this patch")
    return Step(sentence, charts=(svg.scatter(mean, own, shown, titles, alt),), note=note)


def _input(e: Explanation) -> Step:
    across, down = e.picture.size
    score = f": here {_score(e)}" if e.target in e.class_names else ""
    sentence = (
        f"The network receives this patch as {across}×{down} pixels, each colour channel shifted and scaled by "
        f"constants, and returns one score y for every class{score}."
    )
    return Step(sentence, (Tile("", "", f"The patch as the network sees it, {across}×{down} pixels", e.picture),))


def _score(e: Explanation) -> str:
    value = f"{float(e.logits[e.class_names.index(e.target)]):.2f}".replace("-", "−")
    return f"y = {value} for {e.target}"


def _maps(steps: Steps, shown: Sequence[int], own: bool) -> Step:
    count, down, across = steps.activations.shape
    signed = bool((steps.activations < 0).any())
    tiles = []
    for k in shown:
        values = steps.activations[k]
        top = float(values.abs().max())
        caption = f"maximum {number(top, top)}" if top > 0 else "zero everywhere"
        at = f", strongest at the {render.place(values.abs())}" if top > 0 else ""
        alt = f"Feature map of channel {k}, {across}×{down} cells: {caption}{at}"
        tiles.append(Tile(f"channel {k}", caption, alt, contact_sheet.draw(values, top, signed)))
    names = f"the {len(shown)} that you chose" if own else f"the {len(shown)} largest in weight times mean activation"
    sentence = (
        f"The explained layer has {count:,} feature maps of {across}×{down} cells, each high where the network detects "
        f"one pattern; {names} contribute {100 * steps.share(shown):.0f} % of the whole."
    )
    return Step(sentence, tuple(tiles), signed=signed, scale=_ends(signed, "each map's own maximum"))


def _gradients(e: Explanation, steps: Steps, shown: Sequence[int]) -> Step:
    _, down, across = steps.gradient.shape
    values = steps.gradient[list(shown)]
    top = float(values.abs().max())
    tiles = []
    for k, gradient in zip(shown, values, strict=True):
        caption = number(float(gradient.mean()), top, sign=True)
        alt = (
            f"Gradient of channel {k}, {across}×{down} cells: {caption} {'everywhere' if steps.flat else 'on average'}"
        )
        tiles.append(Tile(f"channel {k}", caption, alt, contact_sheet.draw(gradient, top, True)))
    verb = "rise" if e.evidence == "for" else "fall"
    question = f"How much does the score for {e.target} {verb} if a feature map increases slightly at one position?"
    if not steps.flat:
        sentence = f"{question} Here this depends on the position."
        note = f"Within a map the gradient varies by up to {100 * steps.unevenness:.0f} % of the largest value."
    else:
        sentence = f"{question} By the same amount at every position, because the head first averages every map."
        note = (
            f"Over {across * down} positions of {len(steps.weights):,} maps, the gradient differs from the mean of its "
            f"map by at most {_part(steps.unevenness)} of the largest value, which is rounding."
        )
    return Step(sentence, tuple(tiles), signed=True, scale=(f"−{number(top, top)}", f"+{number(top, top)}"), note=note)


def _part(share: float) -> str:
    return f"one part in {1 / share:,.0f}" if share else "nothing"


def _weights(e: Explanation, steps: Steps, shown: Sequence[int]) -> Step:
    values = [float(steps.weights[k]) for k in shown]
    ranks = [f"{int(steps.places[k]):,}" for k in shown]
    count, top = len(steps.weights), float(steps.weights.abs().max())
    listed = ", ".join(f"{k}: {number(v, top, sign=True)}" for k, v in zip(shown, values, strict=True))
    sides = ("for", "against") if e.evidence == "for" else ("against", "for")
    sentence = (
        f"The weight α of a map is the mean of its gradient{', here its only value' if steps.flat else ''}: a channel "
        f"with a positive weight is evidence {sides[0]} {e.target}, one with a negative weight evidence {sides[1]} it."
    )
    if top == 0:
        sentence = f"Every weight is zero: the score for {e.target} depends on no feature map."
    alt = f"Weights of the channels shown. {listed}"
    heads = "channel", "weight α", "rank"
    ranked = svg.bars(heads, [str(k) for k in shown], values, ranks, alt)
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
        _signed("negative part: removed", -(-total).relu(), top),
    ]
    if total.max() > 0:
        sentence = (
            f"The sum of all maps, each times its weight, is one signed map; the ReLU keeps the evidence {e.evidence} "
            f"{e.target} and removes the {100 * against:.0f} % of the cells with evidence to the contrary."
        )
    else:
        sentence = (
            f"The sum of all maps, each times its weight, is one signed map. Here it is positive nowhere: the ReLU "
            f"removes all of it, and no evidence {e.evidence} {e.target} is left at {e.layer}."
        )
    return Step(sentence, tuple(tiles), signed=True, scale=(f"−{number(top, top)}", f"+{number(top, top)}"))


def _signed(title: str, values: Tensor, top: float) -> Tile:
    low, high = float(values.min()), float(values.max())
    empty = low == high == 0
    caption = "zero everywhere" if empty else f"{number(low, top, sign=True)} to {number(high, top, sign=True)}"
    at = "" if empty else f", largest at the {render.place(values.abs())}"
    alt = f"{title.capitalize()}, {values.shape[1]}×{values.shape[0]} cells: {caption}{at}"
    return Tile(title, caption, alt, contact_sheet.draw(values, 0 if empty else top, True))


def _upsampling(e: Explanation) -> Step:
    down, across = next(iter(e.maps.values())).shape
    size = f"{e.picture.width}×{e.picture.height}"
    if next(iter(e.maps.values())).max() <= 0:
        return Step(f"There is nothing to enlarge: no evidence {e.evidence} {e.target} at {e.layer}.")
    return Step(
        f"The {across}×{down} cells are enlarged to {size} pixels, which makes the map smooth and adds no information; "
        "DT Grad-CAM shows the pixels at or above a threshold τ that is derived from the map itself."
    )


def _ends(signed: bool, top: str) -> tuple[str, str]:
    return (f"−{top}", f"+{top}") if signed else ("0", top)
