"""Answers about the maps on real tissue, as sentences computed from the numbers of `dala.benchmark.tissue_maps`."""

from collections.abc import Mapping, Sequence

from dala import cam
from dala.benchmark.regions import REGIONS
from dala.hub.tissue_maps import AUC, CEILING, STAIN, STAIN_ON_GRID, TissueMaps, TissueSet

__all__ = ["GAUSSIAN", "QUESTIONS", "answers", "on_tumour", "place", "row_title"]

QUESTIONS = {
    "tumour": "Does the map lie on tumour?",
    "nuclei": "Does it lie on nuclei?",
    "edges": "Does it lie on the rim or on empty glass?",
}
CONTROLS = {
    STAIN: "amount of stain",
    STAIN_ON_GRID: "amount of stain, on the maps' grid",
    CEILING: "ceiling of the maps' grid",
}
GAUSSIAN = "centre_gaussian"
# Fewer pictures than this with enough of a region say nothing about it.
FEWEST = 3
# Share of the way from blind to the ceiling of the maps' grid, below which a map hardly lies on nuclei.
SLIGHT = 0.25


def answers(report: TissueMaps) -> dict[str, str]:
    """Answer each of `QUESTIONS` that the report has pictures for."""
    sets, first = report["sets"], report["first"]
    masked = {kind: each for kind, each in sets.items() if AUC in each["rows"][first]}
    parts = {
        "tumour": _tumour(masked, first) if masked else "",
        "nuclei": _nuclei(sets, first),
        "edges": " ".join(filter(None, (_edge(name, sets, first) for name in ("rim", "glass")))),
    }
    return {key: words for key, words in parts.items() if words}


def on_tumour(each: TissueSet, first: str) -> str:
    """Judge the AUC of pixels of a set with outlined tumour.

    Returns:
        "no" if its interval reaches 0.5, or if the map moved at random reaches as much (95 %); "stain" if the amount of
        stain or the centred Gaussian does; else "yes".
    """
    value, low, _ = each["rows"][first][AUC]
    if low <= 0.5 or value <= each["blind"][AUC][1]:
        return "no"
    return "stain" if value <= max(_auc(each, STAIN_ON_GRID), _auc(each, GAUSSIAN)) else "yes"


def place(each: TissueSet, first: str, region: str) -> str:
    """Judge the energy on a region.

    Returns:
        "on" or "off" if it is above or below what the map moved at random has (95 %) and its interval leaves out 1;
        "blind" if not; "" if fewer than `FEWEST` pictures have enough of the region.
    """
    figure = each["rows"][first]["energy"].get(region)
    if not figure or each["marked"][region] < FEWEST:
        return ""
    (value, low, high), chance = figure, each["blind"]["energy"][region]
    if low > 1 and value > chance[1]:
        return "on"
    return "off" if high < 1 and value < chance[0] else "blind"


def row_title(name: str) -> str:
    """Display name of a method or a control."""
    return CONTROLS.get(name) or (cam.METHODS[name].title if name in cam.METHODS else name)


def _tumour(sets: Mapping[str, TissueSet], first: str) -> str:
    verdicts = [on_tumour(each, first) for each in sets.values()]
    above = len(verdicts) - verdicts.count("no")
    lead = f"In {verdicts.count('yes')} of {len(verdicts)} sets."
    if set(verdicts) == {"yes"}:
        lead = "Yes."
    elif not above:
        lead = "No, not more than by chance."
    elif "yes" not in verdicts:
        where = "" if above == len(verdicts) else f" in {above} of {len(verdicts)} sets"
        lead = f"Hardly: more than by chance{where}, but a control finds it at least as well."
    about = "How often a pixel of tumour ranks above one of the rest, which is 50 % by chance:"
    return " ".join([lead, about, *(_tumour_of(each, first) for each in sets.values())])


def _tumour_of(each: TissueSet, first: str) -> str:
    low, high = each["blind"][AUC]
    methods = [n for n in each["rows"] if n in cam.METHODS and not cam.METHODS[n].control and AUC in each["rows"][n]]
    best = max(methods, key=lambda n: _auc(each, n))
    others = (
        f", the best of {len(methods)} methods, {row_title(best)}, {_percent(_auc(each, best))}"
        if best != first
        else ""
    )
    return (
        f"{each['title']} ({each['count']} {each['words']}): {row_title(first)} {_percent(_auc(each, first))}, the "
        f"same map moved about at random {100 * low:.0f} to {_percent(high)}{others}, the amount of stain "
        f"{_percent(_auc(each, STAIN_ON_GRID))}, the {row_title(GAUSSIAN)} {_percent(_auc(each, GAUSSIAN))}."
    )


def _nuclei(sets: Mapping[str, TissueSet], first: str) -> str:
    known = [each for each in sets.values() if place(each, first, "nuclei")]
    if not known:
        return ""
    places = [place(each, first, "nuclei") for each in known]
    ways = [(_energy(each, first, "nuclei") - 1) / max(_energy(each, CEILING, "nuclei") - 1, 0.01) for each in known]
    way = sum(ways) / len(ways)
    lead = "No, not more than by chance."
    if "on" in places:
        word = "Hardly" if way < SLIGHT else "Yes" if set(places) == {"on"} else "Only in part"
        where = "" if set(places) == {"on"} else f" in {places.count('on')} of {len(known)} sets"
        lead = (
            f"{word}: more than by chance{where}, {_percent(way)} of the way from blind to what the map's grid allows."
        )
    about = "Share of the map on nuclei divided by their share of the area, which is 1 if it is blind:"
    return f"{lead} {about} {'; '.join(_nuclei_of(each, first) for each in known)}."


def _nuclei_of(each: TissueSet, first: str) -> str:
    value, low, high = each["rows"][first]["energy"]["nuclei"]
    chance = each["blind"]["energy"]["nuclei"]
    return (
        f"{each['title']} {value:.2f} [{low:.2f}, {high:.2f}], {chance[0]:.2f} to {chance[1]:.2f} by chance, at most "
        f"{_energy(each, CEILING, 'nuclei'):.2f}"
    )


def _edge(region: str, sets: Mapping[str, TissueSet], first: str) -> str:
    known = [each for each in sets.values() if place(each, first, region)]
    if not known:
        return ""
    shares = [f"{each['title']} {_energy(each, first, region):.2f}" for each in known]
    favoured = [each["title"] for each in known if place(each, first, region) == "on"]
    verdict = f"favoured in {_list(favoured)}" if favoured else "not favoured"
    return f"The {REGIONS[region].title} is {verdict}: {', '.join(shares)} times its share of the area."


def _auc(each: TissueSet, name: str) -> float:
    return each["rows"][name][AUC][0]


def _energy(each: TissueSet, name: str, region: str) -> float:
    return each["rows"][name]["energy"][region][0]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _list(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
