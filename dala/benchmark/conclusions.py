"""Conclusions of the benchmark: sentences and choices computed from its numbers."""

from collections.abc import Mapping, Sequence

from dala import cam
from dala.heatmaps import thresholds
from dala.hub.study import Answers, AreaRow, GroundTruth, MeanInterval
from dala.markdown import interval
from dala.trust.deletion import CONTROLS

__all__ = ["answers", "best_rule", "first_method", "verdict"]

TRUTHS = {
    "phantom": "phantoms with a planted focus",
    "mosaic": "mosaics of held-out patches",
    "breakhis": "held-out patches",
}
PAPERS = "mean_std"  # the rule of the paper


def answers(truths: Mapping[str, GroundTruth]) -> Answers:
    """Answer the questions of the benchmark.

    Args:
        truths: results by ground truth, a key of `TRUTHS`; see `dala.benchmark.measures`.

    Returns:
        sentences `threshold`, `rule_words`, `areas` and `first_words`; and the choices that the app's defaults are
        tested against: method `first`, `rule` and its `strength`.
    """
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
    """Judge a difference (value, low, high) by its interval: "better", "worse" or "not significantly different"."""
    return "better" if gain[1] > 0 else "worse" if gain[2] < 0 else "not significantly different"


def first_method(truths: Mapping[str, GroundTruth]) -> str:
    """Return the simplest method that passes every test and is not significantly worse than the best.

    Methods are compared by pixel AUC where there are masks, and by insertion minus deletion of the logit margin
    elsewhere. A method fails a test if its map stays the same under random weights on more than half of the pictures,
    or if it does not beat both controls. Methods are ordered from simple to complex in `dala.cam.METHODS`.
    """
    columns = [_column(truth) for truth in truths.values()]
    names = [n for n in cam.METHODS if n not in CONTROLS and all(n in c for c in columns)]
    return _simplest([n for n in names if not _against(n, truths)] or names, columns)


def best_rule(truths: Mapping[str, GroundTruth]) -> str:
    """Return the first rule of `dala.heatmaps.thresholds.RULES` whose IoU is not significantly below the best."""
    known = [{r: row["own"] for r, row in t["thresholds"].items()} for t in truths.values() if _masked(t)]
    # A report may be older than a rule.
    return _simplest([rule for rule in thresholds.RULES if all(rule in column for column in known)], known)


def _simplest(names: Sequence[str], columns: Sequence[dict[str, MeanInterval]]) -> str:
    """Return the first name that is not significantly worse than the best, or else the one of the best mean rank."""
    tied = _tied(names, columns)
    ranks = {n: sum(sorted((c[m][0] for m in names), reverse=True).index(c[n][0]) for c in columns) for n in names}
    return tied[0] if tied else min(names, key=lambda n: ranks[n])


def _tied(names: Sequence[str], columns: Sequence[dict[str, MeanInterval]]) -> list[str]:
    """Return the names whose value is inside the interval of the best one, or above it, in every column."""
    best = [max((c[n] for n in names), key=lambda v: v[0]) for c in columns]
    return [n for n in names if all(c[n][0] >= b[1] for c, b in zip(columns, best, strict=True))]


def _column(truth: GroundTruth) -> dict[str, MeanInterval]:
    if truth.get("localisation"):
        return {n: row["auc"] for n, row in truth["localisation"].items() if n in cam.METHODS}
    return {n: row["gap"] for n, row in truth["faithfulness"].items()}


def _against(name: str, truths: Mapping[str, GroundTruth]) -> list[str]:
    """Return a sentence for each test that a method fails."""
    reasons = []
    for kind, truth in truths.items():
        row = truth.get("sanity", {}).get(name)
        if row and row["survives"] > 0.5:
            reasons.append(f"Unchanged by random weights on more than half of the {TRUTHS[kind]}")
        column = _column(truth)
        if column[name][0] <= max(column[c][0] for c in CONTROLS):
            reasons.append(f"No better than a control on {TRUTHS[kind]}")
    return reasons


def _masked(truth: GroundTruth) -> bool:
    return bool(truth.get("thresholds"))


def _headline(truths: Mapping[str, GroundTruth]) -> str:
    verdicts = [verdict(row["gain"]) for t in truths.values() if _masked(t) for row in t["thresholds"].values()]
    better, count = verdicts.count("better"), len(verdicts)
    answer = "No" if not better else "Yes" if better == count else "Partly"
    return f"{answer}: it was better in {better} of {count} comparisons and worse in {verdicts.count('worse')}."


def _threshold(name: str, truth: GroundTruth) -> str:
    gain = truth["thresholds"][PAPERS]["gain"]
    value, low, high = gain
    difference = interval(value, low, high, bound_digits=3, sign=True).replace("-", "−")
    return f"On {TRUTHS[name]}, {thresholds.RULES[PAPERS].label} gained {difference} IoU: {verdict(gain)}."


def _strength(truths: Mapping[str, GroundTruth], rule: str) -> float | None:
    """Return the strength nearest to the mean of the two chosen on the first ground truth with masks."""
    known = [t["thresholds"] for t in truths.values() if _masked(t)]
    chosen = thresholds.RULES[rule]
    if chosen.parameter is None or not known:
        return None
    mean = sum(known[0][rule]["strengths"]) / len(known[0][rule]["strengths"])
    return min(chosen.strengths(), key=lambda s: abs(s - mean))


def _rule_words(truths: Mapping[str, GroundTruth], rule: str) -> str:
    results = [
        f"on {TRUTHS[name]} IoU {rows[rule]['own'][0]:.2f} ({_strengths(rows[rule]['strengths'])}, mean kept area "
        f"{100 * rows[rule]['kept_area'][0]:.0f} %)"
        for name, truth in truths.items()
        if (rows := truth.get("thresholds"))
    ]
    return (
        f"{thresholds.RULES[rule].label}, the first rule that is not significantly worse than the best: "
        f"{', '.join(results)}. Strengths were chosen on one half of the pictures and scored on the other. They fit "
        "the size of the masks (a fifth of a phantom, half of a mosaic); in tissue the size of the evidence is unknown."
    )


def _strengths(strengths: Sequence[float]) -> str:
    return "strengths " + " and ".join(f"{s:g}" for s in strengths)


def _areas(name: str, rows: Mapping[str, AreaRow]) -> str:
    row = rows[PAPERS]
    spread = f"{100 * row['p5']:.0f} to {100 * row['p95']:.0f} %"
    at = f"{thresholds.RULES[PAPERS].parameter} = {row['strength']:g}"
    return f"On {TRUTHS[name]}, at {at}: {100 * row['median']:.0f} % (5th to 95th percentile: {spread})."


def _first_words(truths: Mapping[str, GroundTruth], first: str) -> str:
    same = " and ".join(cam.METHODS[n].title for n in ("hires_cam", "xgrad_cam"))
    others = f" ({same} give the same map for this network)" if first == "grad_cam" else ""
    known = _column(next(iter(truths.values())))
    against = {n: failed for n in cam.METHODS if n in known and (failed := _against(n, truths))}
    reasons: dict[str, list[str]] = {}
    for n, failed in against.items():
        for reason in failed if n not in CONTROLS else ():
            reasons.setdefault(reason, []).append(cam.METHODS[n].title)
    failures = [f"{reason}: {', '.join(titles)}." for reason, titles in reasons.items()]
    columns = [_column(truth) for truth in truths.values()]
    sound = [n for n in columns[0] if n not in CONTROLS and n not in against]
    lead = "no method passes every test, and it has the best mean rank"
    if first in sound:
        tied = "is the simplest method that is not significantly worse than the best"
        lead = f"it passes every test and {tied if _tied(sound, columns) else 'has the best mean rank'}"
    return " ".join([f"{cam.METHODS[first].title}{others}: {lead}.", *failures])
