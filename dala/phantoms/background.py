"""Tissue around a lesion: stroma, fat, ducts, a lobule, fibroblasts and lymphocytes.

All of it is drawn independently of the patch's class, so it contains no evidence.
All lengths are pixels; stain amounts are optical densities (natural logarithm, 0 = clear glass).
"""

from dataclasses import dataclass

import numpy as np

from dala.phantoms.slide import Outline, Slide, smooth

__all__ = ["Spot", "background", "spot"]


@dataclass(frozen=True)
class Spot:
    """Place of a lesion: its centre, the radius of a disc of equal area, and its share of the patch's area (0 to 1)."""

    x: float
    y: float
    radius: float
    share: float


def spot(s: Slide) -> Spot:
    """Draw the place of the lesion: 15 to 25 % of the area, not at the border."""
    share = s.rng.uniform(0.15, 0.25)
    x, y = s.rng.uniform(0.27, 0.73) * s.width, s.rng.uniform(0.3, 0.7) * s.height
    return Spot(x, y, float(np.sqrt(share * s.width * s.height / np.pi)), share)


def background(s: Slide, lesion: Spot) -> None:
    """Paint everything but the lesion, for which space is left."""
    area = s.width * s.height / (700 * 460)
    ducts = []
    for _ in range(max(1, round(area * s.rng.integers(1, 4)))):
        radius = s.rng.uniform(28, 55)
        ducts.append(s.outline(*_beside(s, lesion, radius), radius, s.rng.uniform(12, 18)))
    _stroma(s, ducts)
    _fat(s, s.rng.uniform(0.04, 0.2))
    if s.rng.random() < 0.5:
        radius = s.rng.uniform(60, 95)
        _lobule(s, *_beside(s, lesion, radius), radius)
    for o in ducts:
        _gland(s, o)
    _loose_nuclei(s, round(area * s.rng.uniform(700, 1100)), round(area * s.rng.uniform(800, 3400)))


def _beside(s: Slide, lesion: Spot, radius: float) -> tuple[float, float]:
    """Return the first of twenty random places that the lesion does not cover, else the farthest from it."""
    places = s.rng.uniform(0, 1, (20, 2)) * [s.width, s.height]
    gaps = np.hypot(*(places - [lesion.x, lesion.y]).T) - lesion.radius * 1.2 - radius
    first = int(np.argmax(gaps > 0)) if (gaps > 0).any() else int(np.argmax(gaps))
    return float(places[first, 0]), float(places[first, 1])


def _strands(grid: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Sample the random texture `grid` at positions (u, v) of a bent coordinate system, with smooth interpolation."""
    rows, cols = grid.shape
    u0, v0 = np.floor(u).astype(int), np.floor(v).astype(int)
    fu, fv = (u - u0).astype(np.float32), (v - v0).astype(np.float32)
    fu, fv = fu * fu * (3 - 2 * fu), fv * fv * (3 - 2 * fv)
    r0, r1, c0, c1 = v0 % rows, (v0 + 1) % rows, u0 % cols, (u0 + 1) % cols
    upper = grid[r0, c0] * (1 - fu) + grid[r0, c1] * fu
    lower = grid[r1, c0] * (1 - fu) + grid[r1, c1] * fu
    return upper * (1 - fv) + lower * fv


def _stroma(s: Slide, ducts: list[Outline]) -> None:
    """Paint wavy collagen: strands and clefts follow one bent direction and wrap around the ducts."""
    turn = s.rng.uniform(-0.9, 0.9)
    u = np.cos(turn) * s.xx + np.sin(turn) * s.yy
    v = np.cos(turn) * s.yy - np.sin(turn) * s.xx + 34 * s.noise(170) + 7 * s.noise(45) + 1.6 * s.noise(14)
    for o in ducts:
        d = o.distance(s.xx, s.yy)
        near = np.exp(-np.clip(d, 0, None) / (0.35 * o.radius + 8))
        level = v[s.at(o.x, o.y)]
        v = v + near * (d - (v - level))
    s.angle = np.arctan2(*np.gradient(v)) + np.pi / 2
    grid = s.rng.standard_normal((256, 256)).astype(np.float32)
    coarse, fine = _strands(grid, u / 55, v / 8), _strands(grid, u / 26 + 99, v / 2.7 + 99)
    loose = smooth(-1.3, 1.3, s.noise(120))
    cleft = smooth(0.4, 1.0, 0.5 * coarse + 0.55 * fine + 0.9 * loose + 0.25 * s.noise(9) - 0.45)
    dense = smooth(0.5, 2.2, s.noise(90)) * (1 - 0.6 * loose)
    grain = s.noise(3)
    s.e = (0.29 + 0.05 * coarse + 0.08 * fine + 0.03 * grain + 0.27 * dense) * (1 - 0.78 * cleft)
    s.h = (0.15 + 0.04 * fine + 0.02 * grain + 0.035 * s.noise(60)) * (1 - 0.75 * cleft)
    s.tissue = 1 - 0.5 * cleft


def _fat(s: Slide, share: float) -> None:
    """Paint adipose tissue: empty round cells (preparation washes the fat out) between thin pink walls."""
    away = s.rng.uniform(0, 2 * np.pi)
    tilt = np.cos(away) * (s.xx / s.width - 0.5) + np.sin(away) * (s.yy / s.height - 0.5)
    field = tilt + 0.07 * s.noise(110)
    limit = np.quantile(field, 1 - share)
    step = 64.0
    gy, gx = np.mgrid[-1 : s.height / step + 1, -1 : s.width / step + 1]
    px = ((gx + 0.5 * (gy % 2) + s.rng.uniform(-0.32, 0.32, gx.shape)) * step).ravel()
    py = ((gy + s.rng.uniform(-0.32, 0.32, gy.shape)) * step).ravel()
    inside = field[np.clip(py, 0, s.height - 1).astype(int), np.clip(px, 0, s.width - 1).astype(int)] > limit
    wx, wy = s.xx + 2.5 * s.noise(40), s.yy + 2.5 * s.noise(40)
    first = np.full_like(s.h, 1e6)
    second = first.copy()
    for x, y in zip(px[inside], py[inside], strict=True):
        here = s.window(x, y, 1.6 * step)
        d = np.hypot(wx[here] - x, wy[here] - y)
        second[here] = np.minimum(second[here], np.maximum(first[here], d))
        first[here] = np.minimum(first[here], d)
    # A cell ends at its neighbour's wall or at its own largest radius, whichever is nearer.
    gap = np.minimum((second - first) / 2, 39 - first)
    s.paint(smooth(-1.5, 0.5, gap), 0.08, 0.26)
    s.paint(smooth(0.5, 1.8, gap + 0.35 * s.noise(25)), 0.01, 0.02)


def _gland(s: Slide, o: Outline) -> None:
    """Paint a duct or acinus: collagen sleeve, flat myoepithelial nuclei, ring of round luminal nuclei, pale lumen."""
    here = s.around(o)
    d = o.distance(s.xx[here], s.yy[here])
    if d.size == 0:
        return
    s.paint(0.6 * smooth(0.4 * o.wall, 0, d), 0.15, 0.46, here)
    torn = smooth(0.9, 1.7, s.noise(50)[here] + 0.2 * s.noise(8)[here]) * smooth(4, 2, np.abs(d - 3))
    s.paint(torn, 0.01, 0.03, here)
    s.paint(smooth(0.8, -0.8, d), 0.34, 0.40, here)
    s.paint(smooth(1.0, -1.0, d + o.wall), 0.01, 0.03, here)
    rows = [(1.8, 8.5, 4.3, 1.7), (0.56 * o.wall, 7.2, 4.4, 3.3)]
    if o.wall > 15:
        rows.append((0.78 * o.wall, 9.0, 4.2, 3.2))
    for row, (depth, spacing, long, short) in enumerate(rows):
        phi = s.rng.uniform(0, 6.3)
        end = phi + 2 * np.pi
        while phi < end:
            r = float(o.edge(np.array(phi))) - depth + s.rng.normal(0, 0.9)
            flat = np.pi / 2 if row == 0 else s.rng.normal(0, 0.5)
            x, y = o.x + r * np.cos(phi), o.y + r * np.sin(phi)
            a, b = s.rng.normal(1, 0.08, 2)
            s.nucleus(x, y, long * a, short * b, phi + flat, s.rng.uniform(0.95, 1.3), 0.15)
            phi += spacing * s.rng.uniform(0.85, 1.2) / max(r, 3)


def _lobule(s: Slide, x: float, y: float, radius: float) -> None:
    """Paint a lobule: many small acini in loose, faintly blue stroma."""
    o = s.outline(x, y, radius, 0)
    loose = smooth(16, -10, o.distance(s.xx, s.yy) + 4 * s.noise(20))
    s.paint(0.6 * loose, 0.19 + 0.03 * s.noise(5), 0.24 + 0.06 * s.noise(7))
    s.tissue += 0.8 * loose * (1 - s.tissue)
    step = 32.0
    for row, gy in enumerate(np.arange(y - 2 * radius, y + 2 * radius, step * 0.88)):
        for gx in np.arange(x - 2 * radius + (row % 2) * step / 2, x + 2 * radius, step):
            ax, ay = gx + s.rng.normal(0, 3), gy + s.rng.normal(0, 3)
            small = s.rng.uniform(10.5, 15)
            if o.distance(np.array(ax), np.array(ay)) < -small * 0.6:
                _gland(s, s.outline(ax, ay, small, s.rng.uniform(8, 9.5), 0.05))


def _loose_nuclei(s: Slide, spindles: int, lymphocytes: int) -> None:
    """Paint fibroblasts along the fibres of the stroma, and lymphocytes in clusters."""
    crowd, busy = s.noise(75), smooth(-1.2, 1.5, s.noise(60))
    for kind, count in (("spindle", spindles), ("lymphocyte", lymphocytes)):
        for x, y in s.rng.uniform(0, 1, (count, 2)) * [s.width, s.height]:
            iy, ix = int(y), int(x)
            if s.rng.random() > s.tissue[iy, ix] ** 2:
                continue
            if kind == "spindle" and s.rng.random() < busy[iy, ix]:
                long, short = s.rng.uniform(5, 9), s.rng.uniform(1.3, 2.3)
                s.nucleus(x, y, long, short, s.angle[iy, ix] + s.rng.normal(0, 0.2), s.rng.uniform(0.7, 1.25), 0.3)
            elif kind == "lymphocyte" and crowd[iy, ix] + s.rng.normal(0, 0.5) > 1.0:
                r, turn = s.rng.uniform(2.7, 3.7), s.rng.uniform(0, 3.14)
                s.nucleus(x, y, r, r * s.rng.uniform(0.72, 1), turn, s.rng.uniform(1.1, 1.7), 0.3)
