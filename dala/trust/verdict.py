"""Everything that can be asked of one map on one picture, and a verdict in plain words with its reasons.

Three questions: does the network need what the map shows more than what a map shows that sees nothing
(`dala.trust.deletion`); does the map depend on what the network has learned (`dala.trust.randomization`); does it stay when the picture
changes in a way that means nothing (`dala.trust.robustness`). One picture proves nothing about a method: a verdict is about
this map of this picture.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from dala import cam
from dala.errors import DalaError
from dala.explain.explainer import Explainer
from dala.explain.explanation import Explanation
from dala.progress import Tracked, finish
from dala.trust import deletion, randomization, robustness
from dala.trust.deletion import CONTROLS, KeepRemove
from dala.trust.infill import DEFAULT_BASELINE
from dala.trust.randomization import Sanity
from dala.trust.robustness import Stability

__all__ = ["CheckError", "Checked", "Reason", "Verdict", "check", "signed", "steps", "to_json", "verdict"]

# Ours, for want of a null: below, more than half of the map's order is another.
STEADY = 0.6
# By how much of the range that all curves span a map must be ahead, for the difference to count.
LEAD = 0.02


class CheckError(DalaError):
    """Checks that cannot be kept."""


@dataclass(frozen=True, eq=False)
class Checked:
    """What was found for one map: the curves with both controls, the map under random weights, and under changes."""

    method: str
    curves: KeepRemove
    sanity: Sanity
    stability: dict[str, Stability]


@dataclass(frozen=True)
class Reason:
    """One finding in a sentence, and whether it speaks for the map; None where it tells nothing."""

    check: str
    speaks_for: bool | None
    words: str


@dataclass(frozen=True)
class Verdict:
    """A sentence, and the reasons for it."""

    sentence: str
    reasons: tuple[Reason, ...]


def check(
    explainer: Explainer,
    explanation: Explanation,
    method: str | None = None,
    baseline: str = DEFAULT_BASELINE,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Checked:
    """Ask everything; see `steps`. What `progress` raises cancels."""
    run = steps(explainer, explanation, method, baseline)
    return finish(run, lambda done, total, what: progress(done, total))


def steps(
    explainer: Explainer,
    explanation: Explanation,
    method: str | None = None,
    baseline: str = DEFAULT_BASELINE,
    half: bool = False,
) -> Generator[tuple[int, int, str], None, Checked]:
    """A generator of (done, total, what is being done) that returns what was found.

    Args:
        explainer, explanation: of a class, at the attention's output.
        method: one of the explanation's maps; None for the first.
        baseline: what hidden pixels become; see `dala.trust.infill`.
        half: see `dala.trust.deletion.keep_remove`.

    Raises:
        TrustError, SanityError, StabilityError: a map that cannot be asked.
    """
    method = method or next(iter(explanation.maps))
    one = (method,)
    curves = deletion.steps(
        explainer, explanation, method, deletion.COARSE, baseline, controls=True, chunk=4, half=half
    )
    weights = randomization.steps(explainer, explanation, one)
    changes = robustness.steps(explainer, explanation, one)
    # Of about equal length, in seconds, though not in steps.
    found: list[Any] = []
    parts: tuple[tuple[str, Generator[tuple[int, int], None, Any]], ...] = (
        ("hiding parts of the picture", curves),
        ("making the weights random", weights),
        ("turning, shifting and restaining the picture", changes),
    )
    for k, (words, run) in enumerate(parts):
        yield 100 * k // 3, 100, words
        for done, total in (part := Tracked(run)):
            yield (100 * k + 100 * done // total) // 3, 100, words
        found.append(part.result)
    return Checked(method, found[0], found[1][method], found[2][method])


def verdict(found: Checked) -> Verdict:
    """What the findings say together."""
    reasons = (_needed(found), _learned(found), _steady(found))
    against = sum(r.speaks_for is False for r in reasons)
    title, count = cam.METHODS[found.method].title, ("None", "One of", "Two of", "All")[against]
    if not against:
        return Verdict(
            f"Nothing found here speaks against this {title} map. That does not make it right: at best it shows what "
            "the network uses, and the network may be wrong.",
            reasons,
        )
    advice = "read it with doubt" if against == 1 else "do not rely on it"
    speaks = "speaks" if against == 1 else "speak"
    return Verdict(f"{count} three checks {speaks} against this {title} map: {advice}.", reasons)


def to_json(found: Checked) -> dict[str, Any]:
    """Every number, as plain JSON."""
    curves, told = found.curves, verdict(found)
    return {
        "method": found.method,
        "target": curves.target,
        "verdict": told.sentence,
        "reasons": [{"check": r.check, "speaks_for": r.speaks_for, "words": r.words} for r in told.reasons],
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
            "limit": found.sanity.limit,
            "survives": found.sanity.survives,
            "steps": {s.stage: s.correlation for s in found.sanity.steps},
            "blind": [s.stage for s in found.sanity.steps if s.blind],
        },
        "changes": {
            name: {"correlation": s.correlation, "probability": s.probability} for name, s in found.stability.items()
        },
    }  # fmt: skip


def signed(value: float) -> str:
    """A difference with its sign, for a sentence."""
    return f"{value:+.2f}".replace("-", "−")


def _needed(found: Checked) -> Reason:
    """On logit margins, which still tell parts apart where every probability is 1.000."""
    c, check = found.curves, "Does the network need it?"
    gains = {name: c.insertion(name, "margin") - c.deletion(name, "margin") for name in c.curves}
    best = max((name for name in CONTROLS if name in gains and name != found.method), key=gains.__getitem__)
    every = [m for curve in c.curves.values() for side in curve.pair("margin") for m in side]
    compared = (
        f"at the same kept areas insertion minus deletion is {signed(gains[found.method])} logits, of the "
        f"{cam.METHODS[best].title} {signed(gains[best])}"
    )
    if gains[found.method] - gains[best] > LEAD * (max(every) - min(every)):
        return Reason(check, True, f"The network needs what the map shows more than what blind maps show: {compared}.")
    if gains[best] - gains[found.method] > LEAD * (max(every) - min(every)):
        return Reason(check, False, f"A map that sees nothing finds what the network needs better: {compared}.")
    return Reason(
        check, None, f"A map that sees nothing does about as well, so that this check tells little: {compared}."
    )


def _learned(found: Checked) -> Reason:
    return Reason("Does it depend on what was learned?", not found.sanity.survives, found.sanity.words())


def _steady(found: Checked) -> Reason:
    kinds: dict[str, list[float]] = {}
    for change in found.stability.values():
        kinds.setdefault(change.kind, []).append(change.correlation)
    means = {kind: sum(v) / len(v) for kind, v in kinds.items()}
    told = ", ".join(f"{kind} {value:.2f}" for kind, value in means.items())
    steady = min(means.values()) >= STEADY
    lead = "The map stays where it is" if steady else "The map moves"
    words = f"{lead} under changes that mean nothing (rank correlation by kind: {told}; {STEADY:g} is asked of each)."
    return Reason("Does it stay?", steady, words)
