"""What is explained: a score made of the logits."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from dala.errors import DalaError

__all__ = ["Score", "Target", "TargetError", "resolve", "total_score"]

Score = Callable[[Tensor], Tensor]
Target = str | int | tuple[str | int, str | int] | Score


class TargetError(DalaError):
    """A class that does not exist."""


def resolve(names: Sequence[str], target: Target) -> tuple[str, Score]:
    """A name for people, and the score: (M, classes) logits -> (M,).

    Scores are logits, not probabilities: softmax's gradient mixes in every other class, and vanishes where the network
    is sure. With two logits, evidence that both share moves each class's map and not the decision; the margin, the
    difference of the two, shows what decides.

    Args:
        names: the classes, in the order of the logits.
        target: a class by name or index, a pair (a, b) for the margin of a over b, or any function of the logits.

    Raises:
        TargetError: a class that does not exist, or later a score of another shape.
    """
    if isinstance(target, tuple) and len(target) == 2:
        first, second = (_index(names, t) for t in target)
        return f"{names[first]} over {names[second]}", lambda logits: logits[:, first] - logits[:, second]
    if callable(target):
        return getattr(target, "__name__", "score"), _checked(target)
    index = _index(names, target)
    return names[index], lambda logits: logits[:, index]


def _checked(score: Score) -> Score:
    def run(logits: Tensor) -> Tensor:
        result = score(logits)
        if not isinstance(result, Tensor) or result.shape != logits.shape[:1]:
            raise TargetError("A score must turn logits (M, classes) into a tensor (M,).")
        return result

    return run


def total_score(scores: Sequence[Score], logits: Tensor) -> Tensor:
    """The sum of one score a picture, whose gradient is each picture's own: pictures of a batch do not mix.

    Args:
        scores: N functions, (M, classes) logits -> (M,).
        logits: (N, classes).
    """
    # Zero, and part of the graph: a score may depend on no logit at all.
    nothing = (logits * 0).sum()
    return nothing + sum(score(logits[i : i + 1]).sum() for i, score in enumerate(scores))


def _index(names: Sequence[str], target: Any) -> int:
    if isinstance(target, str) and target in names:
        return list(names).index(target)
    try:
        index = operator.index(target)
    except TypeError:
        index = -1
    if not 0 <= index < len(names):
        raise TargetError(f"There is no class {target!r}: choose one of {', '.join(names)}.")
    return index
