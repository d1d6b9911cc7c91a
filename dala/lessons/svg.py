"""Charts as SVG in the colours and letters of the page around them; in a file of their own, dark on light."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from torch import Tensor

from dala.heatmaps.render import number

__all__ = ["Series", "bars", "curve", "lines", "scatter"]

FOR, AGAINST = "var(--for, #b2182b)", "var(--against, #2166ac)"
LINE, QUIET = "var(--border-color-primary, #d9d4cc)", "var(--body-text-color-subdued, #5f5a53)"
ACCENT = "var(--color-accent, #0f766e)"
ROW, WIDTH = 22, 420
# The one that counts, then what it is compared with: told apart without colour, too.
STYLES = (
    f'stroke="{ACCENT}" stroke-width="2.4"',
    f'stroke="{QUIET}" stroke-width="1.5" stroke-dasharray="5 3"',
    f'stroke="{QUIET}" stroke-width="1.5" stroke-dasharray="1.5 3" stroke-linecap="round"',
)


@dataclass(frozen=True)
class Series:
    """A line of a chart: its name, and a value for each place on the horizontal axis."""

    name: str
    values: Sequence[float]


def bars(
    heads: tuple[str, str, str], names: Sequence[str], values: Sequence[float], notes: Sequence[str], alt: str
) -> str:
    """Horizontal bars from a common zero, to the right where positive, with a name before and a note behind each.

    Args:
        heads: of the names, values and notes.
        names, values, notes: one a bar.
        alt: what the chart says.
    """
    top = max(map(abs, values), default=0.0)
    left, right, reads = 62, 260, 344
    middle, half = (left + right) / 2, (right - left) / 2
    height = ROW * (len(values) + 1) + 6
    parts = [
        _text(left - 10, 14, heads[0], "end", QUIET),
        _text(reads, 14, heads[1], "end", QUIET),
        _text(WIDTH, 14, heads[2], "end", QUIET),
        f'<path d="M{middle} {ROW}V{height}" stroke="{QUIET}"/>',
    ]
    for i, (name, value, note) in enumerate(zip(names, values, notes, strict=True)):
        long = half * abs(value) / top if top else 0
        y, start = ROW * (i + 1) + 4, middle if value >= 0 else middle - long
        parts.append(_text(left - 10, y + 12, name, "end"))
        parts.append(f'<rect x="{start:.1f}" y="{y}" width="{long:.1f}" height="15" fill="{_side(value)}"/>')
        parts.append(_text(reads, y + 12, number(value, top, sign=True), "end"))
        parts.append(_text(WIDTH, y + 12, note, "end", QUIET))
    return _svg(height, alt, parts)


def curve(values: Tensor, chosen: Sequence[int], title: str, alt: str, height: int = 270) -> str:
    """All values (n,), from the largest to the smallest, as a curve about zero; the chosen ones as dots on it."""
    order = values.argsort(descending=True, stable=True)
    place = np.empty(len(order))
    place[order.numpy()] = np.arange(len(order))
    top = float(values.abs().max()) or 1.0
    left, low = 12, height - 34

    def x(rank: float) -> float:
        return left + (WIDTH - left - 12) * rank / max(len(order) - 1, 1)

    def y(value: float) -> float:
        return 12 + (low - 24) * (0.5 - 0.5 * value / top)

    shown = np.unique(np.linspace(0, len(order) - 1, 400).astype(int))  # more than the eye can tell apart
    points = " ".join(f"{x(i):.1f},{y(float(values[order[i]])):.1f}" for i in shown)
    parts = [
        f'<path d="M{left} {y(0):.1f}H{WIDTH - 12}" stroke="{LINE}"/>',
        f'<polyline points="{points}" fill="none" stroke="{QUIET}" stroke-width="1.5"/>',
        _text(left + 12, 22, f"{number(float(values.max()), top, sign=True)}", "start"),
        _text(WIDTH - 24, low - 14, f"{number(float(values.min()), top, sign=True)}", "end"),
        _text(left, height - 8, title, "start", QUIET),
    ]
    for k in chosen:
        value = float(values[k])
        parts.append(
            f'<circle cx="{x(place[k]):.1f}" cy="{y(value):.1f}" r="4.5" fill="{_side(value)}">'
            f"<title>{k}: {number(value, top, sign=True)}</title></circle>"
        )
    return _svg(height, alt, parts)


def scatter(x: Tensor, y: Tensor, chosen: Sequence[int], titles: tuple[str, str], alt: str) -> str:
    """Values y over values x, (n,) each and from 0 to 1, with the diagonal on which both are equal; some stand out."""
    left, size, top = 34, 350, 24
    across, up = (left + size * x).tolist(), (top + size * (1 - y)).tolist()
    # One path of dots: two thousand elements would slow the page.
    dots = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(across, up, strict=True))
    parts = [
        f'<path d="M{left} {top}V{top + size}H{left + size}" fill="none" stroke="{QUIET}"/>',
        f'<path d="M{left} {top + size}L{left + size} {top}" stroke="{QUIET}" stroke-dasharray="3 4"/>',
        f'<path d="{dots}" stroke="{QUIET}" stroke-opacity="0.5" stroke-width="2.6" stroke-linecap="round"/>',
        *(
            f'<circle cx="{across[k]:.1f}" cy="{up[k]:.1f}" r="4.5" fill="{ACCENT}"><title>{k}</title></circle>'
            for k in chosen
        ),
        *(_text(left - 8, top + size * (1 - v) + 4, f"{v:g}", "end", QUIET) for v in (0, 0.5, 1)),
        *(_text(left + size * v, top + size + 18, f"{v:g}", "middle", QUIET) for v in (0.5, 1)),
        _text(left, 12, f"↑ {titles[1]}", "start"),
        _text(left + size, top + size + 38, f"{titles[0]} →", "end"),
    ]
    return _svg(top + size + 46, alt, parts)


def lines(x: Sequence[float], series: Sequence[Series], heads: tuple[str, str], alt: str, height: int = 220) -> str:
    """Up to three lines over shares from 0 to 1, on one vertical axis that holds them all.

    Args:
        x: rising, 0 to 1.
        series: the one that counts first.
        heads: of the vertical and the horizontal axis.
        alt: what the chart says.
    """
    low, high = (f(v for s in series for v in s.values) for f in (min, max))
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    left, right, top, base = 44, WIDTH - 8, 24, height - 34

    def at(share: float, value: float) -> str:
        return f"{left + (right - left) * share:.1f},{base - (base - top) * (value - low) / (high - low):.1f}"

    size = max(abs(low), abs(high))
    parts = [
        f'<path d="M{left} {top}V{base}H{right}" fill="none" stroke="{QUIET}"/>',
        _text(0, 12, heads[0], "start", QUIET),
        _text(right, height - 2, heads[1], "end", QUIET),
        *(_text(left - 6, y + 4, number(v, size), "end", QUIET) for y, v in ((top, high), (base, low))),
        *(_text(left + (right - left) * v, base + 16, f"{100 * v:g}", "middle", QUIET) for v in (0, 0.5)),
        _text(right, base + 16, "100", "end", QUIET),
    ]
    for style, one in reversed(list(zip(STYLES, series, strict=False))):
        points = " ".join(map(at, x, one.values))
        parts.append(f'<polyline points="{points}" fill="none" {style}><title>{escape(one.name)}</title></polyline>')
    return _svg(height, alt, parts)


def _side(value: float) -> str:
    return FOR if value >= 0 else AGAINST


def _text(x: float, y: float, words: str, anchor: str, fill: str = "currentColor") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{fill}">{escape(words)}</text>'


def _svg(height: float, alt: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        f'aria-label="{escape(alt)}" font-family="system-ui, sans-serif" font-size="13" '
        f'style="font-variant-numeric: tabular-nums">{"".join(parts)}</svg>'
    )
