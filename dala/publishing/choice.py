"""The candidates of a recipe, with their scores on patients held out and on laboratories held out, and their ranks."""

from collections.abc import Callable, Sequence
from typing import Any

from dala.evaluation import choice, held_out
from dala.evaluation.choice import ChoiceError
from dala.hub.report import Candidate
from dala.hub.scores import Interval
from dala.publishing import laboratories
from dala.publishing.runs import PublicationError, Run, row

__all__ = ["choose"]

# Settings that are not part of a recipe: how often and on what a candidate was scored.
SCORING = ("inner", "final", "partitions", "score_every", "resume", "leave_out")
SOURCES = "sources"
HOME = "patients held out"


def choose(run: Run, runs: Sequence[Run], titles: Callable[[Sequence[Run]], list[str]], n: int) -> dict[str, Candidate]:
    """Collect the candidates, and rank them where laboratories were held out.

    Args:
        run: the published one.
        runs: candidates; and runs of the same recipes, each trained without a laboratory and scored on it.
        titles: of runs.
        n: bootstrap resamples of the patients.

    Raises:
        PublicationError: a run without a laboratory that fits no candidate, or a candidate that lacks a laboratory.
    """
    candidates = [one for one in runs if not _left_out(one)]
    outside = [one for one in runs if _left_out(one)]
    for one in outside:
        if not any(_is_without(one, candidate) for candidate in candidates):
            raise PublicationError(
                f"{one.folder}: was trained without {', '.join(_left_out(one))}, and is of no candidate's recipe: name "
                "that candidate, too."
            )
    recipes = [_recipe(candidate) for candidate in candidates]
    keys = dict.fromkeys(key for recipe in recipes for key in recipe)
    differ = [key for key in keys if any(recipe.get(key) != recipes[0].get(key) for recipe in recipes)]
    result: dict[str, Candidate] = {}
    for title, candidate, recipe in zip(titles(candidates), candidates, recipes, strict=True):
        result[title] = {
            "chosen": bool(recipe) and recipe == _recipe(run),
            "settings": {key: recipe.get(key) for key in differ},
            **row(candidate, n),
        }
        if scores := _laboratories([candidate, *(o for o in outside if _is_without(o, candidate))], n):
            result[title]["laboratories"] = scores
    if any("laboratories" in one for one in result.values()):
        _rank(result)
    return result


def _laboratories(runs: Sequence[Run], n: int) -> dict[str, Interval]:
    """AUC on the laboratories that the runs scored, by title."""
    result = {}
    for one in runs:
        for scored in laboratories.outside(one.folder).values():
            result[scored.title] = held_out.score(scored.predictions, n)["auc"]
    return result


def _rank(candidates: dict[str, Candidate]) -> None:
    scores: dict[str, dict[str, float]] = {}
    for title, one in candidates.items():
        values = {HOME: one["figures"]["auc"], **one.get("laboratories", {})}
        scores[title] = {name: figure[0] for name, figure in values.items() if figure[0] is not None}
    try:
        ranks = choice.mean_ranks(scores)
    except ChoiceError as error:
        raise PublicationError(f"The candidates cannot be ranked: {error}") from error
    for title, rank in ranks.items():
        candidates[title]["rank"] = rank


def _recipe(run: Run) -> dict[str, Any]:
    return {k: v for k, v in run.report.get("settings", {}).items() if k not in SCORING}


def _left_out(run: Run) -> list[str]:
    return run.report["provenance"].get("left_out", [])


def _is_without(one: Run, candidate: Run) -> bool:
    """Whether a run is the candidate's recipe without the laboratories that it leaves out."""
    first, other = ({k: v for k, v in _recipe(run).items() if k != SOURCES} for run in (one, candidate))
    return first == other and _sets(one, _left_out(one)) == _sets(candidate, _left_out(one))


def _sets(run: Run, without: Sequence[str]) -> list[tuple[str, float]]:
    rows = run.report["provenance"].get("sources", [])
    return [(source["title"], source["weight"]) for source in rows if source["laboratory"] not in without]
