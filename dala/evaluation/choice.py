"""The rule by which a recipe is chosen: the mean of its ranks on patients held out and on each laboratory held out.

A score on one laboratory rewards what is particular to that laboratory. Ranks, unlike AUCs, let a laboratory on which
all recipes score high or low count as much as any other.
"""

from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata

from dala.errors import DalaError

__all__ = ["ChoiceError", "best", "mean_ranks"]


class ChoiceError(DalaError):
    """Candidates that cannot be ranked; the message says which score is missing."""


def mean_ranks(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Rank candidates on each held-out set, 1 for the highest score, and average the ranks over the sets.

    Candidates with equal scores share the mean of their ranks.

    Args:
        scores: AUC by candidate, and in it by held-out set.

    Raises:
        ChoiceError: no candidates, no sets, or a candidate without the score of a set that another one has.
    """
    sets = list(dict.fromkeys(name for row in scores.values() for name in row))
    if not sets:
        raise ChoiceError("There is nothing to choose from: name candidates that were scored.")
    for candidate, row in scores.items():
        missing = [name for name in sets if name not in row or np.isnan(row[name])]
        if missing:
            raise ChoiceError(
                f"{candidate} has no AUC on {missing[0]}, on which other candidates are ranked; score it."
            )
    values = np.array([[row[name] for name in sets] for row in scores.values()])
    ranks = rankdata(-values, axis=0).mean(axis=1)
    return {candidate: round(float(rank), 4) for candidate, rank in zip(scores, ranks, strict=True)}


def best(scores: Mapping[str, Mapping[str, float]]) -> str:
    """The candidate with the lowest mean rank; of several, the one with the highest mean score, then the first named.

    Raises:
        ChoiceError: as `mean_ranks`.
    """
    ranks = mean_ranks(scores)
    return min(scores, key=lambda name: (ranks[name], -float(np.mean(list(scores[name].values())))))
