"""What was asked of a map, as a page: the verdict, its reasons, and under each reason what it was taken from."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from dala import cam
from dala.explain.explanation import Explanation
from dala.heatmaps import render
from dala.lessons import contact_sheet, svg
from dala.lessons.contact_sheet import Tile
from dala.lessons.svg import Series
from dala.trust import verdict
from dala.trust.verdict import Checked, Reason

__all__ = ["page", "tiles"]

WIDTH = 168
MARKS = {True: ("✓", "for"), False: ("✗", "against"), None: ("?", "nothing")}
STAGES = {"head": "head", "attention": "attention", "stem": "everything"}


def page(found: Checked, explanation: Explanation) -> str:
    """The markup; text of a config is escaped."""
    told = verdict.verdict(found)
    weights, changes = tiles(found, explanation)
    parts = (_curves(found), _strip(weights), _strip(changes))
    sections = "".join(_section(reason, part) for reason, part in zip(told.reasons, parts, strict=True))
    return f"<p class='verdict'>{escape(told.sentence)}</p>{sections}"


def tiles(found: Checked, explanation: Explanation) -> tuple[list[Tile], list[Tile]]:
    """Small overlays: the map as the weights become random, and the map of every changed picture, mapped back."""
    raw, title = explanation.maps[found.method], cam.METHODS[found.method].title
    first = _tile(explanation, raw, f"{title}", "trained weights")
    weights = [
        _tile(explanation, s.raw, _down_to(s.stage), _agreement(s.correlation, s.blind)) for s in found.sanity.steps
    ]
    changes = [
        _tile(explanation, s.heat, s.label, f"{_agreement(s.correlation)} · p {s.probability:.2f}")
        for s in found.stability.values()
    ]
    return [first, *weights], [first, *changes]


def _down_to(stage: str) -> str:
    return f"random: {STAGES.get(stage, f'down to {stage}')}"


def _agreement(correlation: float, blind: bool = False) -> str:
    return f"agrees {correlation:.2f}".replace("-", "−") + (", never asked" if blind else "")


def _tile(e: Explanation, raw: Tensor, title: str, caption: str) -> Tile:
    height = round(WIDTH * e.picture.height / e.picture.width)
    small = interpolate(raw[None, None], (height, WIDTH), mode="bilinear", align_corners=False, antialias=True)[0, 0]
    drawn = render.overlay(e.picture.resize((WIDTH, height)), small, float(small.max()))
    where = f"strongest at the {render.place(small)}" if small.max() > 0 else "zero everywhere"
    return Tile(title, caption, f"{title}: {where}; {caption}", drawn)


def _curves(found: Checked) -> str:
    c = found.curves
    names = [found.method, *(name for name in c.curves if name != found.method)]
    shown = ""
    for side, (head, meaning) in enumerate((("Insertion", "keep-only"), ("Deletion", "remove-only"))):
        series = [Series(cam.METHODS[n].title, c.curves[n].pair("margin")[side]) for n in names]
        areas = ", ".join(
            f"{cam.METHODS[n].title} {(c.insertion, c.deletion)[side](n, 'margin'):+.2f}".replace("-", "−")
            for n in names
        )
        alt = f"{head}: logit margin over the area shown or hidden. Mean over the areas: {areas}."
        axis = "% of the area shown" if side == 0 else "% of the area hidden"
        drawn = svg.lines(c.areas, series, (f"logit margin of {c.target}", axis), alt)
        shown += f"<figure><figcaption><b>{head}</b> ({meaning}); mean: {escape(areas)}</figcaption>{drawn}</figure>"
    return f"<div class='curves'>{shown}</div>{_legend(cam.METHODS[n].title for n in names)}"


def _legend(names: Iterable[str]) -> str:
    drawn = "".join(
        f"<span><svg width='34' height='8' aria-hidden='true'><path d='M0 4H34' {style}/></svg>{escape(name)}</span>"
        for style, name in zip(svg.STYLES, names, strict=False)
    )
    return f"<p class='legend'>{drawn}</p>"


def _strip(shown: Sequence[Tile]) -> str:
    figures = "".join(
        f"<figure><img src='{_source(tile.picture)}' width='{tile.picture.width}' height='{tile.picture.height}' "
        f"alt='{escape(tile.alt)}'><figcaption><b>{escape(tile.title)}</b><span>{escape(tile.caption)}</span>"
        "</figcaption></figure>"
        for tile in shown
    )
    return f"<div class='strip'>{figures}</div>"


def _source(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=85)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()


def _section(reason: Reason, content: str) -> str:
    mark, kind = MARKS[reason.speaks_for]
    return (
        f"<section class='asked {kind}'><h3><i aria-hidden='true'>{mark}</i>{escape(reason.check)}</h3>"
        f"<p>{escape(reason.words)}</p>{content}</section>"
    )


def sheet(found: Checked, explanation: Explanation) -> Image.Image:
    """Both strips as one picture, for a download."""
    weights, changes = (contact_sheet.sheet(shown, 7) for shown in tiles(found, explanation))
    made = Image.new("RGB", (max(weights.width, changes.width), weights.height + changes.height), "white")
    made.paste(weights, (0, 0))
    made.paste(changes, (0, weights.height))
    return made
