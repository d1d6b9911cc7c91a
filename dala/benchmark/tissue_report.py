"""The maps on real tissue as Markdown: answers, then every table."""

from collections.abc import Sequence

from dala.benchmark.regions import REGIONS
from dala.benchmark.tissue_conclusions import QUESTIONS, answers, row_title
from dala.benchmark.tissue_maps import LEAST
from dala.hub.study import MeanInterval
from dala.hub.tissue_maps import AUC, TUMOUR, MapRow, TissueMaps, TissueSet
from dala.markdown import interval, table, wrapped

__all__ = ["markdown"]

HOW = (
    "AUC of pixels: how often a pixel of tumour, as experts outlined it, ranks above one of the rest; 0.5 is chance. "
    "All other numbers are the share of the map's sum on a region divided by the region's share of the area; 1 is "
    "blind. Regions are found from pixels alone ({regions}), and a picture counts where one has {low} to {high} % of "
    "the area. Since nuclei are found from stain, stain as a map says nothing about them. Brackets: 95 % interval of a "
    "bootstrap over patients, fields or regions; of three fields or regions it is little more than their range. By "
    "chance: the middle 95 % of the same maps, moved and mirrored at random."
)


def markdown(report: TissueMaps) -> str:
    """Format `tissue_maps.json` as Markdown."""
    said = answers(report)
    regions = "; ".join(f"{region.title}: {region.meaning}" for region in REGIONS.values())
    parts = [
        "# Where on real tissue do the maps lie?",
        f"Written by `{report['command']}` in {report['seconds'] / 60:.0f} minutes. Maps are for the class malignant.",
        *(f"**{QUESTIONS[key]}** {words}" for key, words in said.items()),
        "## How it is measured",
        HOW.format(regions=regions, low=f"{100 * LEAST:.0f}", high=f"{100 - 100 * LEAST:.0f}"),
        *(_set(each, report["first"]) for each in report["sets"].values()),
    ]
    return "\n\n".join(wrapped(part) for part in parts) + "\n"


def _set(each: TissueSet, first: str) -> str:
    names = [n for n in (TUMOUR, *REGIONS) if n in each["areas"]]
    titles = [REGIONS[n].title if n in REGIONS else n for n in names]
    masked = AUC in each["rows"][first]
    head = ["", *(["AUC of pixels"] if masked else []), *titles]
    body = [[row_title(name), *_cells(row, names, masked)] for name, row in each["rows"].items()]
    body.append([f"{row_title(first)}, predicted class", *_cells(each["predicted"], names, masked)])
    blind = each["blind"]
    chance = [_range(blind[AUC])] if masked else []
    body.append(["by chance", *chance, *(_range(blind["energy"].get(n)) for n in names)])
    pad = [""] if masked else []
    body.append(["share of the area", *pad, *(f"{100 * each['areas'][n]:.0f} %" for n in names)])
    body.append(["pictures", *pad, *(str(each["marked"][n]) for n in names)])
    about = (
        f"Explained: {each['model']['words']}. {each['count']} pictures of {each['groups']} groups, {each['words']}; "
        f"{each['called']} of them are called malignant."
    )
    return f"## {each['title']}\n\n{about}\n\n{table(head, body)}"


def _cells(row: MapRow, names: Sequence[str], masked: bool) -> list[str]:
    energies = [_figure(row["energy"].get(n)) for n in names]
    return [_figure(row.get(AUC)), *energies] if masked else energies


def _figure(figure: MeanInterval | None) -> str:
    return interval(figure[0], figure[1], figure[2], bound_digits=3) if figure else "–"


def _range(bounds: Sequence[float] | None) -> str:
    return f"{bounds[0]:.3f} to {bounds[1]:.3f}" if bounds else "–"
