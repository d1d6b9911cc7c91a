"""Answers about the maps on real tissue, as sentences computed from the numbers of `dala.benchmark.tissue_maps`."""

from collections.abc import Mapping, Sequence

from dala import cam
from dala.benchmark.regions import REGIONS
from dala.benchmark.tissue_maps import AUC, CEILING, CONTROLS, STAIN_ON_GRID
from dala.hub.tissue_maps import TissueMaps, TissueSet

__all__ = ["GAUSSIAN", "PLACES", "QUESTIONS", "answers", "on_tumour", "place", "row_title"]

QUESTIONS = {
    "tumour": "Does the map lie on tumour?",
    "nuclei": "Does it lie on nuclei?",
    "edges": "Does it lie on the rim or on empty glass?",
}
GAUSSIAN = "centre_gaussian"
VERDICTS = {"yes": "Yes", "stain": "Not more than stain does", "no": "No"}
PLACES = {"on": "more on it than by chance", "off": "less on it than by chance", "blind": "as by chance"}


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
        "no" if the map moved at random reaches as much (95 %), "stain" if the amount of stain or the centred Gaussian
        does, else "yes".
    """
    value = _auc(each, first)
    if value <= each["blind"][AUC][1]:
        return "no"
    return "stain" if value <= max(_auc(each, STAIN_ON_GRID), _auc(each, GAUSSIAN)) else "yes"


def place(each: TissueSet, first: str, region: str) -> str:
    """Judge the energy on a region: "on" or "off" outside the range of the map moved at random (95 %), else "blind"."""
    low, high = each["blind"]["energy"][region]
    value = each["rows"][first]["energy"][region][0]
    return "on" if value > high else "off" if value < low else "blind"


def row_title(name: str) -> str:
    """Display name of a method or a control."""
    return CONTROLS.get(name) or (cam.METHODS[name].title if name in cam.METHODS else name)


def _tumour(sets: Mapping[str, TissueSet], first: str) -> str:
    verdicts = {on_tumour(each, first) for each in sets.values()}
    lead = VERDICTS[verdicts.pop()] if len(verdicts) == 1 else "It depends on the scale"
    return " ".join([f"{lead}.", *(_tumour_of(each, first) for each in sets.values())])


def _tumour_of(each: TissueSet, first: str) -> str:
    low, high = each["blind"][AUC]
    return (
        f"{each['title']}, {each['words']}: {row_title(first)} ranks a pixel of tumour above one of the rest in "
        f"{_percent(_auc(each, first))} of pairs, the same map moved about at random in {100 * low:.0f} to "
        f"{_percent(high)}, the amount of stain in {_percent(_auc(each, STAIN_ON_GRID))}, the "
        f"{row_title(GAUSSIAN)} in {_percent(_auc(each, GAUSSIAN))}."
    )


def _nuclei(sets: Mapping[str, TissueSet], first: str) -> str:
    known = [each for each in sets.values() if "nuclei" in each["rows"][first]["energy"]]
    if not known:
        return ""
    verdicts = {place(each, first, "nuclei") for each in known}
    lead = {frozenset({"on"}): "Yes, more than by chance", frozenset({"blind"}): "No, not more than by chance"}.get(
        frozenset(verdicts), "Not everywhere" if "on" in verdicts else "No"
    )
    return " ".join([f"{lead}.", *(_nuclei_of(each, first) for each in known)])


def _nuclei_of(each: TissueSet, first: str) -> str:
    value, low, high = each["rows"][first]["energy"]["nuclei"]
    blind = each["blind"]["energy"]["nuclei"]
    return (
        f"{each['title']}: {value:.2f} [{low:.2f}, {high:.2f}] times their share of the area ({blind[0]:.2f} to "
        f"{blind[1]:.2f} by chance; at most {_energy(each, CEILING, 'nuclei'):.2f} on the map's grid)."
    )


def _edge(region: str, sets: Mapping[str, TissueSet], first: str) -> str:
    known = [each for each in sets.values() if region in each["rows"][first]["energy"]]
    if not known:
        return ""
    shares = [f"{_energy(each, first, region):.2f} ({each['title']})" for each in known]
    favoured = [each["title"] for each in known if place(each, first, region) == "on"]
    lead = (
        f"The {REGIONS[region].title} is favoured in {_list(favoured)}"
        if favoured
        else (f"The {REGIONS[region].title} is not favoured")
    )
    return f"{lead}: {', '.join(shares)} times its share of the area."


def _auc(each: TissueSet, name: str) -> float:
    return each["rows"][name][AUC][0]


def _energy(each: TissueSet, name: str, region: str) -> float:
    return each["rows"][name]["energy"][region][0]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _list(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
