"""What the study found, in words: answers made of its numbers, whichever way they went."""

from collections.abc import Sequence
from typing import Any

from dala import cam
from dala.heatmaps import thresholds

__all__ = ["answers", "best_rule", "first_method", "verdict"]

Json = dict[str, Any]
TRUTHS = {
    "phantom": "phantoms with a planted focus",
    "mosaic": "mosaics of held-out patches",
    "breakhis": "held-out patches",
}
CONTROLS = ("random", "centre_gaussian")
PAPERS = "mean_std"  # of the rules


def answers(truths: Json) -> Json:
    """The study's questions answered, one sentence each; with `first`, `rule` and `strength` the app starts."""
    first, rule = first_method(truths), best_rule(truths)
    return {
        "threshold": " ".join([_headline(truths), *(_threshold(*each) for each in truths.items() if _masked(each[1]))]),
        "rule": rule,
        "strength": _strength(truths, rule),
        "rule_words": _rule_words(truths, rule),
        "areas": " ".join(_areas(name, truth["areas"]) for name, truth in truths.items()),
        "first": first,
        "first_words": _first_words(truths, first),
    }


def verdict(gain: Sequence[float]) -> str:
    """What a difference with its 95 % interval says: "better", "worse" or "not told apart"."""
    return "better" if gain[1] > 0 else "worse" if gain[2] < 0 else "not told apart"


def first_method(truths: Json) -> str:
    """The method to show first: of those that no test speaks against and the best is not told apart from, the simplest.

    Compared are the pixel AUC where there are masks, and insertion minus deletion of the logit margin. A test speaks
    against a method where its map outlives the network's weights on more than half of the pictures, or where it does
    not beat both controls.
    """
    columns = [_column(truth) for truth in truths.values()]
    names = [n for n in cam.METHODS if n not in CONTROLS and all(n in c for c in columns)]
    return _simplest([n for n in names if not _against(n, truths)] or names, columns)


def best_rule(truths: Json) -> str:
    """The rule whose own thresholds reach the best IoU; of those not told apart the paper's, which stands first."""
    known = [{r: row["own"] for r, row in t["thresholds"].items()} for t in truths.values() if _masked(t)]
    # A report may be older than a rule.
    return _simplest([rule for rule in thresholds.RULES if all(rule in column for column in known)], known)


def _simplest(names: Sequence[str], columns: Sequence[dict[str, list[float]]]) -> str:
    """The first of those that the best ones do not leave behind, else the one of the best mean rank."""
    tied = _tied(names, columns)
    ranks = {n: sum(sorted((c[m][0] for m in names), reverse=True).index(c[n][0]) for c in columns) for n in names}
    return tied[0] if tied else min(names, key=lambda n: ranks[n])


def _tied(names: Sequence[str], columns: Sequence[dict[str, list[float]]]) -> list[str]:
    """Whose value lies in the interval of the best one, or above, in every column."""
    best = [max((c[n] for n in names), key=lambda v: v[0]) for c in columns]
    return [n for n in names if all(c[n][0] >= b[1] for c, b in zip(columns, best, strict=True))]


def _column(truth: Json) -> dict[str, list[float]]:
    if truth.get("localisation"):
        return {n: row["auc"] for n, row in truth["localisation"].items() if n in cam.METHODS}
    return {n: row["gap"] for n, row in truth["faithfulness"].items()}


def _against(name: str, truths: Json) -> list[str]:
    """What speaks against a method, in words."""
    told = []
    for kind, truth in truths.items():
        survives = truth.get("sanity", {}).get(name, {}).get("survives", 0)
        if survives > 0.5:
            told.append(f"Outlive the weights on more than half of the {TRUTHS[kind]}")
        column = _column(truth)
        if column[name][0] <= max(column[c][0] for c in CONTROLS):
            told.append(f"Do not beat the controls on {TRUTHS[kind]}")
    return told


def _masked(truth: Json) -> bool:
    return bool(truth.get("thresholds"))


def _headline(truths: Json) -> str:
    found = [verdict(row["gain"]) for t in truths.values() if _masked(t) for row in t["thresholds"].values()]
    if "better" not in found:
        count = found.count("worse")
        worse = f", and {'once' if count == 1 else f'{count} times'} it was worse" if count else ""
        return f"No: under no rule and on no truth was it better{worse}."
    sure = found.count("better") == len(found)
    return "Yes, under every rule." if sure else f"Under some: {found.count('better')} of {len(found)} times."


def _threshold(name: str, truth: Json) -> str:
    gain = truth["thresholds"][PAPERS]["gain"]
    value, low, high = (f"{g:+.3f}".replace("-", "−") for g in gain)
    return f"On {TRUTHS[name]} {thresholds.RULES[PAPERS].label} gained {value} IoU [{low}, {high}], {verdict(gain)}."


def _strength(truths: Json, rule: str) -> float | None:
    """The stop nearest to the mean of what the two halves of the first truth with masks chose."""
    known = [t["thresholds"] for t in truths.values() if _masked(t)]
    chosen = thresholds.RULES[rule]
    if chosen.parameter is None or not known:
        return None
    mean = sum(known[0][rule]["strengths"]) / len(known[0][rule]["strengths"])
    return min(chosen.strengths(), key=lambda s: abs(s - mean))


def _rule_words(truths: Json, rule: str) -> str:
    told = [
        f"on {TRUTHS[name]} IoU {rows[rule]['own'][0]:.2f} ({_strengths(rows[rule]['strengths'])}; mean kept area "
        f"{100 * rows[rule]['kept_area'][0]:.0f} %)"
        for name, truth in truths.items()
        if (rows := truth.get("thresholds"))
    ]
    return (
        f"{thresholds.RULES[rule].label}, the first of those not told apart from the best: {', '.join(told)}. Strengths "
        "were chosen on one half and scored on the other. They fit the size of what is planted there (a fifth of a "
        "phantom, half of a mosaic), and no tissue says how large its evidence is."
    )


def _strengths(strengths: Sequence[float]) -> str:
    return "chosen strengths " + " and ".join(f"{s:g}" for s in strengths)


def _areas(name: str, rows: Json) -> str:
    row = rows[PAPERS]
    spread = f"{100 * row['p5']:.0f} to {100 * row['p95']:.0f} %"
    at = f"{thresholds.RULES[PAPERS].parameter} = {row['strength']:g}"
    return f"On {TRUTHS[name]}, at {at}: {100 * row['median']:.0f} % (5th to 95th percentile: {spread})."


def _first_words(truths: Json, first: str) -> str:
    same = [n for n in ("grad_cam", "hires_cam", "xgrad_cam") if n != first]
    others = (
        f" ({' and '.join(cam.METHODS[n].title for n in same)} are the same map here)" if first == "grad_cam" else ""
    )
    against = {n: w for n in cam.METHODS if n in _column(next(iter(truths.values()))) and (w := _against(n, truths))}
    reasons: dict[str, list[str]] = {}
    for n, words in against.items():
        for reason in words if n not in CONTROLS else ():
            reasons.setdefault(reason, []).append(cam.METHODS[n].title)
    told = [f"{reason}: {', '.join(titles)}." for reason, titles in reasons.items()]
    columns = [_column(truth) for truth in truths.values()]
    sound = [n for n in columns[0] if n not in CONTROLS and n not in against]
    lead = "no method passed every test, and it has the best mean rank"
    if first in sound:
        near = "is the simplest of those that the best does not leave behind"
        lead = f"no test speaks against it, and it {near if _tied(sound, columns) else 'has the best mean rank'}"
    return " ".join([f"{cam.METHODS[first].title}{others}: {lead}.", *told])
