"""Everything that can be asked of one map on one picture, and a verdict in plain words with its reasons.

Three questions: does the network need what the map shows more than what a map shows that sees nothing
(`dala.trust`); does the map depend on what the network has learned (`dala.sanity`); does it stay when the picture
changes in a way that means nothing (`dala.stability`). One picture proves nothing about a method: a verdict is about
this map of this picture.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from statistics import median
from typing import Any

from dala import cam, sanity, stability, trust
from dala.errors import DalaError
from dala.explain import Explainer
from dala.explanation import Explanation
from dala.hiding import DEFAULT_BASELINE
from dala.sanity import Sanity
from dala.stability import Stability
from dala.trust import CONTROLS, KeepRemove

__all__ = ["CheckError", "Checked", "Reason", "Verdict", "check", "steps", "to_json", "verdict"]

# Eight intervals: enough to see a curve's shape, and a third of the minute that the lot may take on two cores.
AREAS = tuple(i / 8 for i in range(9))
STEADY = 0.8


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
    """One finding in a sentence, and whether it speaks for the map."""

    speaks_for: bool
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
    while True:
        try:
            done, total, _ = next(run)
        except StopIteration as end:
            return end.value
        progress(done, total)


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
        baseline: what hidden pixels become; see `dala.hiding`.
        half: see `dala.trust.keep_remove`.

    Raises:
        TrustError, SanityError, StabilityError: a map that cannot be asked.
    """
    method = method or next(iter(explanation.maps))
    one = (method,)
    curves = trust.steps(explainer, explanation, method, AREAS, baseline, controls=True, chunk=4, half=half)
    weights = sanity.steps(explainer, explanation, one)
    changes = stability.steps(explainer, explanation, one)
    # Of about equal length, in seconds, though not in steps.
    found: list[Any] = []
    parts: tuple[tuple[str, Generator[tuple[int, int], None, Any]], ...] = (
        ("hiding parts of the picture", curves),
        ("making the weights random", weights),
        ("turning, shifting and restaining the picture", changes),
    )
    for k, (words, run) in enumerate(parts):
        yield 100 * k // 3, 100, words
        while True:
            try:
                done, total = next(run)
            except StopIteration as end:
                found.append(end.value)
                break
            yield (100 * k + 100 * done // total) // 3, 100, words
    return Checked(method, found[0], found[1][method], found[2][method])


def verdict(found: Checked) -> Verdict:
    """What the findings say together."""
    reasons = (_needed(found), _learned(found), _steady(found))
    against = sum(not r.speaks_for for r in reasons)
    title = cam.METHODS[found.method].title
    sentence = (
        f"Nothing found here speaks against this {title} map. That does not make it right: it shows what the network "
        "uses, and the network may be wrong.",
        f"One of three checks speaks against this {title} map: read it with doubt.",
        f"Two of three checks speak against this {title} map: do not rely on it.",
        f"All three checks speak against this {title} map: do not rely on it.",
    )[against]
    return Verdict(sentence, reasons)


def to_json(found: Checked) -> dict[str, Any]:
    """Every number, as plain JSON."""
    curves, told = found.curves, verdict(found)
    return {
        "method": found.method,
        "target": curves.target,
        "verdict": told.sentence,
        "reasons": [{"speaks_for": r.speaks_for, "words": r.words} for r in told.reasons],
        "baseline": curves.baseline,
        "areas": list(curves.areas),
        "curves": {
            name: {
                "keep": list(c.keep), "remove": list(c.remove),
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


def _needed(found: Checked) -> Reason:
    c = found.curves
    controls = [name for name in CONTROLS if name in c.curves and name != found.method]
    own = c.insertion() - c.deletion()
    best = max(controls, key=lambda name: c.insertion(name) - c.deletion(name))
    rival = c.insertion(best) - c.deletion(best)
    compared = (
        f"insertion minus deletion is {own:+.2f}, of the {cam.METHODS[best].title} {rival:+.2f}, at the same kept areas"
    )
    if own > rival:
        return Reason(True, f"The network needs what the map shows more than what the controls show: {compared}.")
    return Reason(False, f"A map that sees nothing does as well at hiding and showing what counts: {compared}.")


def _learned(found: Checked) -> Reason:
    return Reason(not found.sanity.survives, found.sanity.words())


def _steady(found: Checked) -> Reason:
    kinds: dict[str, list[float]] = {}
    for change in found.stability.values():
        kinds.setdefault(change.kind, []).append(change.correlation)
    middle = median(s.correlation for s in found.stability.values())
    told = ", ".join(f"{kind} {sum(v) / len(v):.2f}" for kind, v in kinds.items())
    steady = middle >= STEADY
    lead = "The map stays where it is" if steady else "The map moves"
    return Reason(steady, f"{lead} under changes that mean nothing (rank correlation by kind: {told}).")
