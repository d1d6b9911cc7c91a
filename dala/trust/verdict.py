"""All checks of one map on one picture, and a verdict in plain words with its reasons.

Three questions: does the network need the area that the map shows more than the area of maps that see neither picture
nor network (`dala.trust.deletion`); does the map depend on the learned weights (`dala.trust.randomization`); does it
stay the same under perturbations that do not change the meaning of the picture (`dala.trust.robustness`)? A verdict is
about this map of this picture: one picture proves nothing about a method.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from dala import cam
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.progress import Tracked, finish
from dala.trust import deletion, randomization, robustness
from dala.trust.deletion import CONTROLS, KeepRemove
from dala.trust.infill import DEFAULT_INFILL
from dala.trust.randomization import Sanity
from dala.trust.robustness import Stability

__all__ = ["Checked", "Reason", "Verdict", "check", "signed", "steps", "to_json", "verdict"]

# A choice of ours, for want of a null distribution: below it, more than half of the order of the pixels has changed.
STEADY = 0.6
# By which share of the range of all curves a map must be ahead of a control for the difference to count.
LEAD = 0.02


@dataclass(frozen=True, eq=False)
class Checked:
    """Results for one map: the curves with both controls, the map under random weights, and under perturbations."""

    method: str
    curves: KeepRemove
    sanity: Sanity
    stability: dict[str, Stability]


@dataclass(frozen=True)
class Reason:
    """The result of one check in a sentence, and whether it speaks for the map; None if it is inconclusive."""

    check: str
    speaks_for: bool | None
    words: str


@dataclass(frozen=True)
class Verdict:
    """A sentence, and the reasons for it: one for each check."""

    sentence: str
    reasons: tuple[Reason, Reason, Reason]


def check(
    explainer: Explainer,
    explanation: Explanation,
    method: str | None = None,
    baseline: str = DEFAULT_INFILL,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Checked:
    """Run all checks; see `steps`. An exception from `progress` cancels."""
    run = steps(explainer, explanation, method, baseline)
    return finish(run, lambda done, total, what: progress(done, total))


def steps(
    explainer: Explainer,
    explanation: Explanation,
    method: str | None = None,
    baseline: str = DEFAULT_INFILL,
    half: bool = False,
) -> Generator[tuple[int, int, str], None, Checked]:
    """Generator form of `check`: yields (done, total, what is being done) and returns the results.

    Args:
        explainer, explanation: of a class, at the output of the attention.
        method: one of the explanation's maps; None for the first.
        baseline: what replaces hidden pixels; see `dala.trust.infill`.
        half: see `dala.trust.deletion.keep_remove`.

    Raises:
        TrustError, SanityError, StabilityError: a map that cannot be checked.
    """
    method = method or next(iter(explanation.maps))
    # The three parts take about equally long, though not equally many steps.
    curves = deletion.steps(
        explainer, explanation, method, deletion.COARSE, baseline, controls=True, chunk=4, half=half
    )
    curves_result = yield from _part(0, "hiding parts of the picture", curves)
    weights = randomization.steps(explainer, explanation, (method,))
    weights_result = yield from _part(1, "randomizing the weights", weights)
    changes = robustness.steps(explainer, explanation, (method,))
    changes_result = yield from _part(2, "turning, shifting and restaining the picture", changes)
    return Checked(method, curves_result, weights_result[method], changes_result[method])


def verdict(result: Checked) -> Verdict:
    """Summarise the results."""
    reasons = (_needed(result), _learned(result), _steady(result))
    against = sum(r.speaks_for is False for r in reasons)
    title, count = cam.METHODS[result.method].title, ("None", "One of", "Two of", "All")[against]
    if not against:
        return Verdict(
            f"No check speaks against this {title} map. That does not make it right: at best it shows what the network "
            "uses, and the network may be wrong.",
            reasons,
        )
    advice = "interpret it with caution" if against == 1 else "do not rely on it"
    speaks = "speaks" if against == 1 else "speak"
    return Verdict(f"{count} three checks {speaks} against this {title} map: {advice}.", reasons)


def to_json(result: Checked) -> dict[str, Any]:
    """Every number, as plain JSON."""
    curves, summary = result.curves, verdict(result)
    return {
        "method": result.method,
        "target": curves.target,
        "verdict": summary.sentence,
        "reasons": [{"check": r.check, "speaks_for": r.speaks_for, "words": r.words} for r in summary.reasons],
        "baseline": curves.baseline,
        "areas": list(curves.areas),
        "curves": {
            name: {
                "keep": list(c.keep), "remove": list(c.remove),
                "keep_margins": list(c.keep_margins), "remove_margins": list(c.remove_margins),
                "insertion": curves.insertion(name), "deletion": curves.deletion(name),
            }
            for name, c in curves.curves.items()
        },
        "weights": {
            "limit": result.sanity.limit,
            "survives": result.sanity.survives,
            "steps": {s.stage: s.correlation for s in result.sanity.steps},
            "blind": [s.stage for s in result.sanity.steps if s.blind],
        },
        "changes": {
            name: {"correlation": s.correlation, "probability": s.probability} for name, s in result.stability.items()
        },
    }  # fmt: skip


def signed(value: float) -> str:
    """A difference with its sign, for a sentence."""
    return f"{value:+.2f}".replace("-", "−")


def _part(
    index: int, words: str, run: Generator[tuple[int, int], None, Any]
) -> Generator[tuple[int, int, str], None, Any]:
    """The steps of one of three parts, as steps of the whole in percent."""
    yield 100 * index // 3, 100, words
    tracked = Tracked(run)
    for done, total in tracked:
        yield (100 * index + 100 * done // total) // 3, 100, words
    return tracked.result


def _needed(result: Checked) -> Reason:
    """Compare with the better control, on logit margins: they differ even where every probability is 1.000."""
    c, check = result.curves, "Does the network need what it shows?"
    gains = {name: c.insertion(name, "margin") - c.deletion(name, "margin") for name in c.curves}
    best = max((name for name in CONTROLS if name in gains and name != result.method), key=gains.__getitem__)
    values = [m for curve in c.curves.values() for side in curve.pair("margin") for m in side]
    numbers = (
        f"at equal kept areas, insertion minus deletion is {signed(gains[result.method])} logits, and "
        f"{signed(gains[best])} for the {cam.METHODS[best].title}"
    )
    lead = LEAD * (max(values) - min(values))
    if gains[result.method] - gains[best] > lead:
        return Reason(check, True, f"The network needs what the map shows more than what the controls show: {numbers}.")
    if gains[best] - gains[result.method] > lead:
        return Reason(check, False, f"A control shows better than the map what the network needs: {numbers}.")
    return Reason(check, None, f"A control does about as well as the map, so this check is inconclusive: {numbers}.")


def _learned(result: Checked) -> Reason:
    return Reason("Does it depend on the learned weights?", not result.sanity.survives, result.sanity.words())


def _steady(result: Checked) -> Reason:
    kinds: dict[str, list[float]] = {}
    for change in result.stability.values():
        kinds.setdefault(change.kind, []).append(change.correlation)
    means = {kind: sum(v) / len(v) for kind, v in kinds.items()}
    numbers = ", ".join(f"{kind} {value:.2f}" for kind, value in means.items())
    steady = min(means.values()) >= STEADY
    lead = "The map stays the same" if steady else "The map changes"
    words = f"{lead} under harmless perturbations (mean rank correlation: {numbers}; at least {STEADY:g} is required)."
    return Reason("Does it stay the same under harmless perturbations?", steady, words)
