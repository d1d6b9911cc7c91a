"""The two lesions of a patch: a malignant-like focus, and a benign-like proliferation at the same place.

Both have the same share of the area, the same number of nuclei and the same set of stain amounts. They differ in the
size and shape of the nuclei, their order, and the outline.
All lengths are pixels; stain amounts are optical densities (natural logarithm, 0 = clear glass).
"""

import numpy as np

from dala.phantoms.background import Spot
from dala.phantoms.slide import Outline, Slide, smooth

__all__ = ["twins"]

PALE = 0.12  # less haematoxylin than this means no cell: a lumen, a cleft
STEP = 33.0  # distance between small glands
LEVELS = 64  # of haematoxylin; at each, both lesions have the same amounts of eosin


def twins(s: Slide, spot: Spot) -> tuple[tuple[Slide, np.ndarray], tuple[Slide, np.ndarray]]:
    """Copy the slide twice, and paint the benign lesion on one copy and the malignant one on the other.

    Returns:
        benign and malignant: the slide, and bool (height, width), true on the lesion; both have `spot.share`.
    """
    whole = 0.1 * s.noise(0.7 * spot.radius)
    crowding = s.rng.uniform(125, 150)
    orderly, wild = s.twin(), s.twin()
    smooth_edge = _region(s, spot, whole + 0.03 * s.noise(26))
    rough_edge = _region(s, spot, 1.3 * whole + 0.11 * s.noise(26) + 0.06 * s.noise(12))
    count = max(3, round(smooth_edge.sum() / crowding))
    _glands(orderly, smooth_edge, spot, count)
    _sheets(wild, rough_edge, count, float((orderly.h < PALE)[smooth_edge].mean()))
    for slide in (orderly, wild):
        slide.blur()
    _share_the_stain(orderly, wild)
    return (orderly, smooth_edge), (wild, rough_edge)


def _region(s: Slide, spot: Spot, uneven: np.ndarray) -> np.ndarray:
    field = uneven - np.hypot((s.xx - spot.x) / 1.15, (s.yy - spot.y) * 1.1) / spot.radius
    return field > np.quantile(field, 1 - spot.share)


def _bed(s: Slide, region: np.ndarray) -> np.ndarray:
    """Clear the region down to its stroma, and return the soft cover (0 to 1) of the region."""
    cover = s.soften(region)
    patchy = s.noise(5)
    s.paint(cover * (1 - s.tissue), 0.17 + 0.03 * patchy, 0.34 + 0.06 * patchy)
    s.paint(0.55 * cover, 0.18 + 0.03 * patchy, 0.3 + 0.05 * s.noise(9))
    s.h -= cover * np.clip(s.h - 0.35, 0, None)  # nuclei in this place
    s.tissue += cover * (0.8 - s.tissue)
    s.centres = [c for c in s.centres if not region[s.at(*c)]]
    return cover


def _glands(s: Slide, region: np.ndarray, spot: Spot, count: int) -> None:
    """Paint small glands in rows, each with one row of round, similar nuclei around its lumen."""
    _bed(s, region)
    # Bent rows, which septa of stroma divide into lobules.
    inner = (s.soften(region, 9) > 0.68) & (np.abs(s.noise(75)) > 0.13)
    bent_x, bent_y = 7 * s.noise(110), 7 * s.noise(110)
    glands = []
    for row, gy in enumerate(np.arange(-STEP, s.height + STEP, 0.88 * STEP)):
        for gx in np.arange((row % 2) * STEP / 2 - STEP, s.width + STEP, STEP):
            here = s.at(gx, gy)
            x, y = gx + bent_x[here] + s.rng.normal(0, 2), gy + bent_y[here] + s.rng.normal(0, 2)
            if inner[s.at(x, y)]:
                glands.append(s.outline(x, y, s.rng.uniform(11.4, 14.2), s.rng.uniform(8.6, 9.6)))
    glands = glands or [s.outline(spot.x, spot.y, 13, 9)]
    for o in glands:
        _acinus(s, o)
    for x, y, angle in _along(s, glands, count):
        long, short = 4.45 * s.rng.normal(1, 0.04), 4.05 * s.rng.normal(1, 0.04)
        s.nucleus(x, y, long, short, angle + s.rng.normal(0, 0.3), s.rng.uniform(0.95, 1.3), 0.12)


def _acinus(s: Slide, o: Outline) -> None:
    here = s.around(o)
    d = o.distance(s.xx[here], s.yy[here])
    if d.size:
        s.paint(0.5 * smooth(4, 0, d), 0.15, 0.42, here)
        s.paint(smooth(0.8, -0.8, d), 0.29, 0.38, here)
        s.paint(smooth(1.0, -1.0, d + o.wall), 0.01, 0.03, here)


def _along(s: Slide, glands: list[Outline], count: int) -> list[tuple[float, float, float]]:
    """Return `count` places (x, y, direction), spread evenly along the middle of the walls of all glands."""
    phi = np.linspace(0, 2 * np.pi, 73)
    radii = np.stack([o.edge(phi) - 0.52 * o.wall for o in glands])
    x = np.array([[o.x] for o in glands]) + radii * np.cos(phi)
    y = np.array([[o.y] for o in glands]) + radii * np.sin(phi)
    steps = np.hypot(np.diff(x, axis=1), np.diff(y, axis=1)).ravel()
    walked = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = (np.arange(count) + 0.5 + s.rng.normal(0, 0.07, count)) * walked[-1] / count
    index = np.clip(np.searchsorted(walked, wanted) - 1, 0, steps.size - 1)
    part = (wanted - walked[index]) / steps[index]
    dx, dy = np.diff(x, axis=1).ravel()[index], np.diff(y, axis=1).ravel()[index]
    px, py = x[:, :-1].ravel()[index] + part * dx, y[:, :-1].ravel()[index] + part * dy
    return list(zip(px.tolist(), py.tolist(), np.arctan2(dy, dx).tolist(), strict=True))


def _sheets(s: Slide, region: np.ndarray, count: int, pale: float) -> None:
    """Paint sheets and nests of crowded, uneven, often large and dark nuclei; `pale`: share of holes and clefts."""
    cover = _bed(s, region)
    field, holes, patchy = s.noise(34) + 0.4 * s.noise(13), s.noise(13), s.noise(5)
    bands, nests = np.quantile(field[region], [0.1, 0.24])
    nest = cover * smooth(bands, nests, field)
    hole = np.quantile(holes[region], 1 - pale)
    cleft = cover * smooth(hole - 0.25, hole + 0.25, holes)
    s.paint(0.92 * nest, 0.28 + 0.05 * patchy, 0.38 + 0.05 * patchy + 0.04 * s.noise(40))
    s.paint(cleft, 0.01, 0.03)
    free = region * nest * (1 - cleft)
    step = 0.95 * np.sqrt(free.sum() / count)
    gy, gx = np.mgrid[0 : s.height : step, 0 : s.width : step]
    places = np.stack([gx, gy], -1).reshape(-1, 2) + s.rng.uniform(-0.36, 0.36, (gx.size, 2)) * step
    room = np.array([free[s.at(x, y)] for x, y in places])
    # Places with most room first, with some noise, until `count` is reached; then a second nucleus near each.
    order = np.argsort(-(room + s.rng.uniform(0, 0.5, room.size)), kind="stable")
    order = order[room[order] > 0.2]
    for k in range(count):
        x, y = places[order[k % len(order)]] + (s.rng.normal(0, 3, 2) if k >= len(order) else 0)
        big = float(np.clip(s.rng.lognormal(np.log(5.0), 0.3), 2.8, 10))
        slim = big * s.rng.uniform(0.6, 0.95)
        s.nucleus(x, y, big, slim, s.rng.uniform(0, 3.14), s.rng.uniform(0.8, 1.5), s.rng.uniform(0.35, 0.9))


def _share_the_stain(a: Slide, b: Slide) -> None:
    """Give both slides the same set of stain amounts, each in its own order.

    First the haematoxylin: where the slides differ, the sorted amounts of both are averaged, and every pixel gets the
    average at its own rank (the Wasserstein barycentre of the two distributions), so that the darkest pixel stays the
    darkest. Then the eosin in the same way, among the pixels of one level of haematoxylin. Afterwards no statistic of
    colour over the whole patch, including joint ones of both stains, differs by more than the width of a level.
    """
    where = (a.h != b.h) | (a.e != b.e)
    size = int(where.sum())
    level = np.arange(size) * LEVELS // max(1, size)
    by_h = [np.argsort(slide.h[where], kind="stable") for slide in (a, b)]
    h = (a.h[where][by_h[0]] + b.h[where][by_h[1]]) / 2
    by_e = [np.lexsort((slide.e[where][order], level)) for slide, order in zip((a, b), by_h, strict=True)]
    e = (a.e[where][by_h[0]][by_e[0]] + b.e[where][by_h[1]][by_e[1]]) / 2
    for slide, order, inner in zip((a, b), by_h, by_e, strict=True):
        for stain, values, places in ((slide.h, h, order), (slide.e, e, order[inner])):
            shared = np.empty_like(values)
            shared[places] = values
            stain[where] = shared
