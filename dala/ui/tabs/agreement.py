"""How far maps agree, as the table of the tab "Compare methods"."""

from pathlib import Path

import torch
from markupsafe import Markup

from dala import cam, markup
from dala.explain.explanation import Explanation
from dala.heatmaps import similarity

__all__ = ["matrix"]

TEMPLATE = Path(__file__).with_name("agreement.html")


def matrix(explanation: Explanation) -> Markup:
    """The agreement of maps as an HTML table: rank correlation below the diagonal, overlap at equal area above it."""
    names = [group[0] for group in explanation.coinciding()]
    heats = torch.stack([explanation.heat(name) for name in names])
    ranks, overlaps = similarity.rank_correlation(heats).tolist(), similarity.overlap(heats).tolist()
    titles = [cam.METHODS[name].title for name in names]
    size = range(len(names))
    cells = [[None if i == j else ranks[i][j] if j < i else overlaps[i][j] for j in size] for i in size]
    share = f"{100 * similarity.DEFAULT_SHARE:.0f}"
    return markup.render(TEMPLATE, share=share, titles=titles, rows=list(zip(titles, cells, strict=True)))
