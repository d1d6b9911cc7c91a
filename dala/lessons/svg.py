"""Charts as SVG in the colours and font of the page that contains them; in a file of their own, dark on light.

Every element is built by `Markup.format`, which escapes its arguments.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from torch import Tensor

from dala.heatmaps.render import number

__all__ = ["STYLES", "Series", "bars", "curve", "lines", "plane", "scatter"]

FOR, AGAINST = "var(--for, #b2182b)", "var(--against, #2166ac)"
LINE, QUIET = "var(--border-color-primary, #d9d4cc)", "var(--body-text-color-subdued, #5f5a53)"
ACCENT = "var(--color-accent, #0f766e)"
ROW, WIDTH = 22, 420
# The series of interest, then those for comparison. Dashes distinguish them without colour.
STYLES = (
    Markup('stroke="{}" stroke-width="2.4"').format(ACCENT),
    Markup('stroke="{}" stroke-width="1.5" stroke-dasharray="5 3"').format(QUIET),
    Markup('stroke="{}" stroke-width="1.5" stroke-dasharray="1.5 3" stroke-linecap="round"').format(QUIET),
)


@dataclass(frozen=True)
class Series:
    """A line of a chart: its name, and a value for each position on the horizontal axis."""

    name: str
    values: Sequence[float]


def bars(
    heads: tuple[str, str, str], names: Sequence[str], values: Sequence[float], notes: Sequence[str], alt: str
) -> Markup:
    """Draw horizontal bars from a common zero, positive values to the right.

    Args:
        heads: titles of the columns of names, values and notes.
        names, values, notes: one for each bar; the name is to its left, the value and the note to its right.
        alt: text alternative.
    """
    top = max(map(abs, values), default=0.0)
    left, right, reads = 62, 260, 344
    middle, half = (left + right) / 2, (right - left) / 2
    height = ROW * (len(values) + 1) + 6
    parts = [
        _text(left - 10, 14, heads[0], "end", QUIET),
        _text(reads, 14, heads[1], "end", QUIET),
        _text(WIDTH, 14, heads[2], "end", QUIET),
        Markup('<path d="M{} {}V{}" stroke="{}"/>').format(middle, ROW, height, QUIET),
    ]
    bar = Markup('<rect x="{:.1f}" y="{}" width="{:.1f}" height="15" fill="{}"/>')
    for i, (name, value, note) in enumerate(zip(names, values, notes, strict=True)):
        length = half * abs(value) / top if top else 0
        y, start = ROW * (i + 1) + 4, middle if value >= 0 else middle - length
        parts.append(_text(left - 10, y + 12, name, "end"))
        parts.append(bar.format(start, y, length, _side(value)))
        parts.append(_text(reads, y + 12, number(value, top, sign=True), "end"))
        parts.append(_text(WIDTH, y + 12, note, "end", QUIET))
    return _svg(height, alt, parts)


def curve(values: Tensor, chosen: Sequence[int], title: str, alt: str, height: int = 270) -> Markup:
    """Draw all values (n,), from the largest to the smallest, as a curve about zero, with dots at the chosen ones."""
    order = values.argsort(descending=True, stable=True)
    place = np.empty(len(order))
    place[order.numpy()] = np.arange(len(order))
    top = float(values.abs().max()) or 1.0
    left, low = 12, height - 34

    def x(rank: float) -> float:
        return left + (WIDTH - left - 12) * rank / max(len(order) - 1, 1)

    def y(value: float) -> float:
        return 12 + (low - 24) * (0.5 - 0.5 * value / top)

    shown = np.unique(np.linspace(0, len(order) - 1, 400).astype(int))  # more than the chart can resolve
    points = " ".join(f"{x(i):.1f},{y(float(values[order[i]])):.1f}" for i in shown)
    parts = [
        Markup('<path d="M{} {:.1f}H{}" stroke="{}"/>').format(left, y(0), WIDTH - 12, LINE),
        Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="1.5"/>').format(points, QUIET),
        _text(left + 12, 22, number(float(values.max()), top, sign=True), "start"),
        _text(WIDTH - 24, low - 14, number(float(values.min()), top, sign=True), "end"),
        _text(left, height - 8, title, "start", QUIET),
    ]
    for k in chosen:
        value = float(values[k])
        parts.append(_dot(x(place[k]), y(value), _side(value), f"{k}: {number(value, top, sign=True)}"))
    return _svg(height, alt, parts)


def scatter(x: Tensor, y: Tensor, chosen: Sequence[int], titles: tuple[str, str], alt: str) -> Markup:
    """Draw y over x, (n,) each and from 0 to 1, with the diagonal where both are equal; the chosen ones stand out."""
    left, size, top = 34, 350, 24
    across, up = (left + size * x).tolist(), (top + size * (1 - y)).tolist()
    # One path of dots: two thousand elements would slow the page.
    dots = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(across, up, strict=True))
    cloud = Markup('<path d="{}" stroke="{}" stroke-opacity="0.5" stroke-width="2.6" stroke-linecap="round"/>')
    right, base = left + size, top + size
    parts = [
        Markup('<path d="M{} {}V{}H{}" fill="none" stroke="{}"/>').format(left, top, base, right, QUIET),
        Markup('<path d="M{} {}L{} {}" stroke="{}" stroke-dasharray="3 4"/>').format(left, base, right, top, QUIET),
        cloud.format(dots, QUIET),
        *(_dot(across[k], up[k], ACCENT, str(k)) for k in chosen),
        *(_text(left - 8, top + size * (1 - v) + 4, f"{v:g}", "end", QUIET) for v in (0, 0.5, 1)),
        *(_text(left + size * v, base + 18, f"{v:g}", "middle", QUIET) for v in (0.5, 1)),
        _text(left, 12, f"↑ {titles[1]}", "start"),
        _text(right, base + 38, f"{titles[0]} →", "end"),
    ]
    return _svg(base + 46, alt, parts)


def plane(places: Sequence[tuple[float, float]], titles: tuple[str, str], alt: str) -> Markup:
    """Draw numbered points (x, y) up to 1, the first in the accent colour, with the diagonal and 0.5 as chance.

    Points that lie on each other get one number for all of them, such as "1, 3".
    """
    left, size, top = 40, 330, 24
    low = min(0.5, *(v for place in places for v in place)) - 0.03
    right, base = left + size, top + size
    dots = [(left + size * (x - low) / (1 - low), base - size * (y - low) / (1 - low)) for x, y in places]
    chance, ticks = (0.5 - low) / (1 - low), [k / 10 for k in range(11) if k / 10 >= low]
    parts = [
        Markup('<path d="M{} {}V{}H{}" fill="none" stroke="{}"/>').format(left, top, base, right, QUIET),
        Markup('<path d="M{} {}L{} {}" stroke="{}"/>').format(left, base, right, top, LINE),
        Markup('<path d="M{0:.1f} {1}V{2}M{3} {4:.1f}H{5}" stroke="{6}" stroke-dasharray="3 4"/>').format(
            left + size * chance, base, top, left, base - size * chance, right, QUIET
        ),
        *(_text(left - 8, base - size * (v - low) / (1 - low) + 4, f"{v:g}", "end", QUIET) for v in ticks),
        *(_text(left + size * (v - low) / (1 - low), base + 18, f"{v:g}", "middle", QUIET) for v in ticks),
        _text(left, 12, f"↑ {titles[1]}", "start"),
        _text(right, base + 38, f"{titles[0]} →", "end"),
    ]
    for k, (x, y) in reversed(list(enumerate(dots))):
        parts.append(_dot(x, y, ACCENT if k == 0 else QUIET, str(k + 1)))
    for x, y, label in _together(dots):
        parts.append(_text(x + 9, y + 4, label, "start"))
    return _svg(base + 46, alt, parts)


def _together(
    dots: Sequence[tuple[float, float]], near: tuple[float, float] = (26, 13)
) -> list[tuple[float, float, str]]:
    """The place and the numbers, from 1, of every group of dots that are nearer than their labels are wide and high."""
    groups: list[list[int]] = []
    for k, (x, y) in enumerate(dots):
        group = next((g for g in groups if abs(x - dots[g[0]][0]) < near[0] and abs(y - dots[g[0]][1]) < near[1]), None)
        if group is None:
            groups.append([k])
        else:
            group.append(k)
    return [(*dots[g[0]], ", ".join(str(k + 1) for k in g)) for g in groups]


def lines(
    x: Sequence[float],
    series: Sequence[Series],
    heads: tuple[str, str],
    alt: str,
    height: int = 220,
    dots: tuple[float, Sequence[float]] = (0.0, ()),
) -> Markup:
    """Draw up to three lines over shares from 0 to 1, on one vertical axis that holds them all.

    Args:
        x: rising, 0 to 1.
        series: the one of interest first.
        heads: titles of the vertical and the horizontal axis.
        alt: text alternative.
        height: of the chart.
        dots: a share of the horizontal axis, and values that are dots there.
    """
    values = [v for s in series for v in s.values] + list(dots[1])
    low, high = min(values), max(values)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    left, right, top, base = 44, WIDTH - 8, 24, height - 34

    def at(share: float, value: float) -> str:
        return f"{left + (right - left) * share:.1f},{base - (base - top) * (value - low) / (high - low):.1f}"

    size = max(abs(low), abs(high))
    parts = [
        Markup('<path d="M{} {}V{}H{}" fill="none" stroke="{}"/>').format(left, top, base, right, QUIET),
        _text(0, 12, heads[0], "start", QUIET),
        _text(right, height - 2, heads[1], "end", QUIET),
        *(_text(left - 6, y + 4, number(v, size), "end", QUIET) for y, v in ((top, high), (base, low))),
        *(_text(left + (right - left) * v, base + 16, f"{100 * v:g}", "middle", QUIET) for v in (0, 0.5)),
        _text(right, base + 16, "100", "end", QUIET),
    ]
    line = Markup('<polyline points="{}" fill="none" {}><title>{}</title></polyline>')
    for style, one in reversed(list(zip(STYLES, series, strict=False))):
        parts.append(line.format(" ".join(map(at, x, one.values)), style, one.name))
    for value in dots[1]:
        cx, cy = at(dots[0], value).split(",")
        parts.append(Markup('<circle cx="{}" cy="{}" r="3" fill="{}" fill-opacity="0.7"/>').format(cx, cy, QUIET))
    return _svg(height, alt, parts)


def _side(value: float) -> str:
    return FOR if value >= 0 else AGAINST


def _text(x: float, y: float, words: str, anchor: str, fill: str = "currentColor") -> Markup:
    element = Markup('<text x="{:g}" y="{:g}" text-anchor="{}" fill="{}">{}</text>')
    return element.format(x, y, anchor, fill, words)


def _dot(x: float, y: float, fill: str, title: str) -> Markup:
    element = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="4.5" fill="{}"><title>{}</title></circle>')
    return element.format(x, y, fill, title)


def _svg(height: float, alt: str, parts: Sequence[Markup]) -> Markup:
    element = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {:g}" role="img" '
        'aria-label="{}" font-family="system-ui, sans-serif" font-size="13" '
        'style="font-variant-numeric: tabular-nums">{}</svg>'
    )
    return element.format(WIDTH, height, alt, Markup().join(parts))
