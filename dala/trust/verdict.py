"""All checks of one map on one picture, and a verdict in plain words with its reasons.

Three questions: does the network need the area that the map shows more than the areas of random maps of the same
smoothness (`dala.trust.blind`); does the map depend on the learned weights (`dala.trust.randomization`); does it
stay the same under perturbations that do not change the meaning of the picture (`dala.trust.robustness`)? A verdict is
about this map of this picture: one picture proves nothing about a method.
"""

from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from typing import Any

from dala import cam
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.progress import Tracked, finish
from dala.trust import blind, deletion, randomization, robustness
from dala.trust.blind import Ranked
from dala.trust.deletion import KeepRemove
from dala.trust.infill import DEFAULT_INFILL
from dala.trust.randomization import Sanity
from dala.trust.robustness import Stability

__all__ = ["Checked", "Reason", "Verdict", "check", "signed", "steps", "to_json", "verdict"]

# A choice of ours, for want of a null distribution: below it, more than half of the order of the pixels has changed.
STEADY = 0.6
# The share of random maps that a map must be ahead of to count as needed; behind as many, it counts as not needed.
AHEAD = 0.95
# A smaller change of the logit margin is none.
STILL = 0.01


@dataclass(frozen=True, eq=False)
class Checked:
    """Results for one map: its curves, its rank among random maps, and how it changes with weights and picture."""

    method: str
    curves: KeepRemove
    ranked: Ranked
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
    # On a CPU pictures one by one are as fast as several together, and need less memory.
    chunk = 1 if explanation.device == "cpu" else 4
    curves = deletion.steps(explainer, explanation, method, deletion.COARSE, baseline, chunk=chunk, half=half)
    curves_result = yield from _part(0, 10, "hiding parts of the picture", curves)
    chance = blind.steps(explainer, explanation, method, baseline, chunk, half)
    ranked_result = yield from _part(10, 40, f"comparing with {blind.COUNT} random maps", chance)
    weights = randomization.steps(explainer, explanation, (method,))
    weights_result = yield from _part(40, 70, "randomizing the weights", weights)
    changes = robustness.steps(explainer, explanation, (method,))
    changes_result = yield from _part(70, 100, "turning, shifting and restaining the picture", changes)
    return Checked(method, curves_result, ranked_result, weights_result[method], changes_result[method])


def verdict(result: Checked) -> Verdict:
    """Summarise the results."""
    reasons = (_needed(result), _learned(result), _steady(result))
    against = sum(r.speaks_for is False for r in reasons)
    title, count = cam.METHODS[result.method].title, ("None", "One of", "Two of", "All")[against]
    if against:
        advice = "interpret it with caution" if against == 1 else "do not rely on it"
        speaks = "speaks" if against == 1 else "speak"
        return Verdict(f"{count} three checks {speaks} against this {title} map: {advice}.", reasons)
    if all(r.speaks_for for r in reasons):
        return Verdict(
            f"All three checks speak for this {title} map. That does not make it right: at best it shows what the "
            "network uses, and the network may be wrong.",
            reasons,
        )
    return Verdict(
        f"These checks tell little about this {title} map: none speaks against it, and not all speak for it.", reasons
    )


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
        "random_maps": {"better_than": result.ranked.better, **asdict(result.ranked)},
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
    start: int, end: int, words: str, run: Generator[tuple[int, int], None, Any]
) -> Generator[tuple[int, int, str], None, Any]:
    """The steps of a part, as steps of the whole from `start` to `end` percent."""
    yield start, 100, words
    tracked = Tracked(run)
    for done, total in tracked:
        yield start + (end - start) * done // total, 100, words
    return tracked.result


def _needed(result: Checked) -> Reason:
    """The map's rank among random maps, and what hiding its region did; both have to agree to speak for it."""
    r, check = result.ranked, "Does the network need what it shows?"
    moves, count = r.needed, len(r.random)
    if r.better >= AHEAD * count and moves > STILL:
        speaks_for, lead = True, "The network needs what this map shows"
    elif r.better <= (1 - AHEAD) * count or (moves < -STILL and r.better < count / 2):
        speaks_for, lead = False, "The network does not need what this map shows"
    else:
        speaks_for, lead = None, "This tells little about the map"
    rank = f"it is better than {r.better} of {count} random maps of the same smoothness"
    return Reason(check, speaks_for, f"{lead}: {rank}. {_hiding(result)}")


def _hiding(result: Checked) -> str:
    """What hiding the region of the map did, in plain words."""
    r, target = result.ranked, result.curves.target
    if abs(r.needed) <= STILL:
        verb, what = "hardly changes", ", though the map calls it important"
    else:
        verb = "lowers" if r.own.remove_margin < r.whole_margin else "raises"
        what = "" if r.needed > 0 else ", which contradicts the map"
    margins = f"logit margin from {signed(r.whole_margin)} to {signed(r.own.remove_margin)}"
    return (
        f"Hiding the {100 * r.area:.0f} % of the picture where the map is highest {verb} the network's output for "
        f"{target} (probability from {r.whole:.3f} to {r.own.remove:.3f}, {margins}){what}."
    )


def _learned(result: Checked) -> Reason:
    return Reason("Does it depend on the learned weights?", not result.sanity.survives, result.sanity.words())


def _steady(result: Checked) -> Reason:
    kinds: dict[str, list[float]] = {}
    for change in result.stability.values():
        kinds.setdefault(change.kind, []).append(change.correlation)
    means = {kind: sum(v) / len(v) for kind, v in kinds.items()}
    numbers = ", ".join(f"{kind} {value:.2f}" for kind, value in means.items())
    steady = min(means.values()) >= STEADY
    lead = "The map stays much the same" if steady else "The map changes"
    words = (
        f"{lead} when the picture is turned, flipped, shifted or restained. Mean rank correlation with the map of the "
        f"picture itself: {numbers}; below {STEADY:g} it counts as changed."
    )
    return Reason("Does it stay the same under harmless perturbations?", steady, words)
