"""Where on real tissue the maps lie, from the file that comes with the weights. No number is typed here."""

from pathlib import Path
from typing import Any

from markupsafe import Markup

from dala import markup
from dala.benchmark.regions import REGIONS
from dala.benchmark.tissue_conclusions import GAUSSIAN, QUESTIONS, answers, place, row_title
from dala.explain.explainer import Explainer
from dala.hub import tissue_maps
from dala.hub.cache import HubError
from dala.hub.layout import TISSUE
from dala.hub.tissue_maps import AUC, CEILING, STAIN_ON_GRID, TissueMaps, TissueMapsError, TissueSet
from dala.ui.tabs import tables

__all__ = ["page"]

TEMPLATE = Path(__file__).with_name("tissue_maps.html")
FILE = TISSUE
# After a number: more, or less, than by chance.
MARKS = {"on": " +", "off": " −", "blind": ""}


def page(explainer: Explainer) -> str:
    """The section as HTML; empty if there is no valid file with the weights."""
    try:
        file = explainer.origin.beside(TISSUE, most=tissue_maps.MOST_BYTES) if explainer.origin else None
        if not file:
            return ""
        report = tissue_maps.read(file)
        return _page(report)
    # Another control or region than those of this version, or a number that is too large to be formatted.
    except (HubError, TissueMapsError, LookupError, OverflowError):
        return ""


def _page(report: TissueMaps) -> Markup:
    sets, first = report["sets"], report["first"]
    return markup.render(
        TEMPLATE,
        answers=[(QUESTIONS[key], words) for key, words in answers(report).items()],
        charts=[_chart(each, first) for each in sets.values() if AUC in each["rows"][first]],
        first=row_title(first),
        regions=_regions(report),
        meanings=[(region.title, region.meaning) for region in REGIONS.values()],
        sets=[{"title": s["title"], "model": s["model"]["words"], "table": _methods(s)} for s in sets.values()],
    )


def _chart(each: TissueSet, first: str) -> dict[str, Any]:
    """AUC of pixels from 0 to 1: the first method, controls, and the range of the moved map; positions in percent."""
    low, high = each["blind"][AUC]
    rows = []
    for name in (first, STAIN_ON_GRID, GAUSSIAN, CEILING):
        value, *bounds = each["rows"][name][AUC]
        start, end = (_percent(bound) for bound in bounds)
        rows.append(
            {
                "label": row_title(name),
                "kind": "" if name == first else "control",
                "at": f"{_percent(value):.1f}",
                "interval": (f"{start:.1f}", f"{end - start:.1f}"),
                "value": f"{value:.2f}",
            }
        )
    return {
        "title": f"{each['title']}: {each['count']} pictures of {each['groups']} fields",
        "rows": rows,
        "chance": (f"{_percent(low):.1f}", f"{_percent(high) - _percent(low):.1f}"),
    }


def _regions(report: TissueMaps) -> Markup:
    """Energy of the first method on each region, marked where it is more or less than by chance."""
    first = report["first"]
    body = [[each["title"], *(_energy(each, first, region) for region in REGIONS)] for each in report["sets"].values()]
    return tables.table(["", *(region.title for region in REGIONS.values())], body)


def _energy(each: TissueSet, first: str, region: str) -> str:
    kind = place(each, first, region)
    if not kind:
        return "–"
    value, low, high = each["rows"][first]["energy"][region]
    return f"{value:.2f} [{low:.2f}, {high:.2f}]{MARKS[kind]}"


def _methods(each: TissueSet) -> Markup:
    names = [name for name in (AUC, *REGIONS) if name != AUC or AUC in each["blind"]]
    body = []
    for name, row in each["rows"].items():
        figures = [row.get(AUC) if n == AUC else row["energy"].get(n) for n in names]
        body.append([row_title(name), *(f"{figure[0]:.2f}" if figure else "–" for figure in figures)])
    return tables.table(["", *("AUC of pixels" if n == AUC else REGIONS[n].title for n in names)], body)


def _percent(share: float) -> float:
    return 100 * min(max(share, 0), 1)
