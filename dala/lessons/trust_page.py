"""The checks of one map as a page: the verdict, its reasons, and under each reason the curves or maps behind it."""

from pathlib import Path

from markupsafe import Markup
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from dala import cam, markup
from dala.explain.explanation import Explanation
from dala.heatmaps import render
from dala.images import encoding
from dala.lessons import contact_sheet, svg
from dala.lessons.contact_sheet import Tile
from dala.lessons.svg import Series
from dala.trust import verdict
from dala.trust.verdict import Checked

__all__ = ["page", "sheet", "tiles"]

WIDTH = 168
TEMPLATE = Path(__file__).with_name("trust_page.html")
# By `Reason.speaks_for`: the mark, and the CSS class of the section.
MARKS = {True: ("✓", "for"), False: ("✗", "against"), None: ("–", "nothing")}
MEANINGS = {True: "speaks for the map", False: "speaks against the map", None: "tells little"}
STAGES = {"head": "head", "attention": "attention", "stem": "everything"}


def page(result: Checked, explanation: Explanation) -> Markup:
    """The checks as HTML.

    Args:
        result: of `dala.trust.verdict.check`.
        explanation: the one that was checked.
    """
    weights, changes = tiles(result, explanation)
    return markup.render(
        TEMPLATE,
        verdict=verdict.verdict(result),
        marks=MARKS,
        meanings=MEANINGS,
        curves=[_curves(result, side) for side in (0, 1)],
        legend=[(svg.STYLES[0], cam.METHODS[result.method].title)],
        random=len(result.ranked.random),
        weights=weights,
        changes=changes,
        source=_source,
    )


def tiles(result: Checked, explanation: Explanation) -> tuple[list[Tile], list[Tile]]:
    """Small overlays: the map as weights are randomized, and the map of every perturbed picture, mapped back."""
    raw, title = explanation.maps[result.method], cam.METHODS[result.method].title
    first = _tile(explanation, raw, title, "trained weights")
    weights = [
        _tile(explanation, s.raw, _randomized(s.stage), _agreement(s.correlation, s.blind)) for s in result.sanity.steps
    ]
    changes = [
        _tile(explanation, s.heat, s.label, f"{_agreement(s.correlation)} · probability {s.probability:.2f}")
        for s in result.stability.values()
    ]
    return [first, *weights], [first, *changes]


def sheet(result: Checked, explanation: Explanation) -> Image.Image:
    """Both rows of `tiles` as one picture, for a download."""
    weights, changes = (contact_sheet.sheet(shown, 7) for shown in tiles(result, explanation))
    both = Image.new("RGB", (max(weights.width, changes.width), weights.height + changes.height), "white")
    both.paste(weights, (0, 0))
    both.paste(changes, (0, weights.height))
    return both


def _curves(result: Checked, side: int) -> dict[str, str]:
    """Insertion (side 0) or deletion (side 1) of the map, with the random maps at their one area."""
    c, r = result.curves, result.ranked
    head, meaning = (("Insertion", "only the map's highest pixels shown"), ("Deletion", "these pixels hidden"))[side]
    series = [Series(cam.METHODS[result.method].title, c.curves[result.method].pair("margin")[side])]
    random = [(one.keep_margin, one.remove_margin)[side] for one in r.random]
    mean = (c.insertion, c.deletion)[side](result.method, "margin")
    axis = f"% of the area {('shown', 'hidden')[side]}"
    alt = (
        f"{head}: logit margin over the area shown or hidden, {verdict.signed(mean)} on average. At "
        f"{100 * r.area:.0f} % random maps reach {verdict.signed(min(random))} to {verdict.signed(max(random))}."
    )
    drawn = svg.lines(c.areas, series, (f"logit margin of {c.target}", axis), alt, dots=(r.area, random))
    return {"head": head, "meaning": meaning, "areas": verdict.signed(mean), "svg": drawn}


def _randomized(stage: str) -> str:
    return f"random: {STAGES.get(stage, f'down to {stage}')}"


def _agreement(correlation: float, blind: bool = False) -> str:
    return f"agrees {correlation:.2f}".replace("-", "−") + (", not used" if blind else "")


def _tile(e: Explanation, raw: Tensor, title: str, caption: str) -> Tile:
    height = round(WIDTH * e.picture.height / e.picture.width)
    small = interpolate(raw[None, None], (height, WIDTH), mode="bilinear", align_corners=False, antialias=True)[0, 0]
    drawn = render.overlay(e.picture.resize((WIDTH, height)), small, float(small.max()))
    where = f"strongest at the {render.place(small)}" if small.max() > 0 else "zero everywhere"
    return Tile(title, caption, f"{title}: {where}; {caption}", drawn)


def _source(picture: Image.Image) -> str:
    return encoding.data_url(encoding.encode(picture, "WEBP", quality=85), "image/webp")
