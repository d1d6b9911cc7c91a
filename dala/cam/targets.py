"""Scores to explain, functions of the logits.

Scores are plain data where the target is: they can be pickled and sent to the process that runs the network.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dala.errors import DalaError

__all__ = ["Choice", "Score", "Target", "TargetError", "resolve", "total_score"]

Score = Callable[[Tensor], Tensor]
Target = str | int | tuple[str | int, str | int] | Score


class TargetError(DalaError):
    """A class that does not exist."""


@dataclass(frozen=True)
class Choice:
    """Chooses which score explains each image, given the logits.

    Attributes:
        class_names: in the order of the logits.
        targets: one for each image; None for the predicted class.
        evidence: "for" the target, or "against" it, which turns the score's sign.
    """

    class_names: tuple[str, ...]
    targets: Sequence[Target | None]
    evidence: str = "for"

    def __call__(self, logits: Tensor) -> list[tuple[str, Score]]:
        """Title and score for each image, from (N, classes) logits; see `resolve`."""
        wanted = [int(row.argmax()) if t is None else t for row, t in zip(logits, self.targets, strict=True)]
        resolved = [resolve(self.class_names, target) for target in wanted]
        return [(title, score if self.evidence == "for" else _Negative(score)) for title, score in resolved]


def resolve(names: Sequence[str], target: Target) -> tuple[str, Score]:
    """Title and score, (M, classes) logits -> (M,), of a target.

    Scores are logits, not probabilities: the gradient of the softmax mixes in every other class, and vanishes where the
    network is certain. With two logits, evidence common to both shows in each class's map although it does not change
    the decision; the margin, the difference of the two, shows what decides.

    Args:
        names: the classes, in the order of the logits.
        target: a class by name or index, a pair (a, b) for the margin of a over b, or any function of the logits.

    Raises:
        TargetError: a class that does not exist; or, when the score is called, a result of another shape.
    """
    if isinstance(target, tuple) and len(target) == 2:
        first, second = (_index(names, t) for t in target)
        return f"{names[first]} over {names[second]}", _Margin(first, second)
    if callable(target):
        return getattr(target, "__name__", "score"), _Checked(target)
    index = _index(names, target)
    return names[index], _Logit(index)


def total_score(scores: Sequence[Score], logits: Tensor) -> Tensor:
    """The sum of the scores of all images; its gradient with respect to one image is that of the image's own score.

    Args:
        scores: N functions, (M, classes) logits -> (M,).
        logits: (N, classes).
    """
    # Zero, and part of the graph: a score may depend on no logit at all.
    nothing = (logits * 0).sum()
    return nothing + sum(score(logits[i : i + 1]).sum() for i, score in enumerate(scores))


@dataclass(frozen=True)
class _Logit:
    index: int

    def __call__(self, logits: Tensor) -> Tensor:
        return logits[:, self.index]


@dataclass(frozen=True)
class _Margin:
    first: int
    second: int

    def __call__(self, logits: Tensor) -> Tensor:
        return logits[:, self.first] - logits[:, self.second]


@dataclass(frozen=True)
class _Negative:
    score: Score

    def __call__(self, logits: Tensor) -> Tensor:
        return -self.score(logits)


@dataclass(frozen=True)
class _Checked:
    score: Score

    def __call__(self, logits: Tensor) -> Tensor:
        result = self.score(logits.clone())  # it may change them in place
        if not isinstance(result, Tensor) or result.shape != logits.shape[:1]:
            raise TargetError("A score must turn logits (M, classes) into a tensor (M,).")
        return result


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
