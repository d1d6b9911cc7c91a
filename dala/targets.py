"""What is explained: a score made of the logits."""

from collections.abc import Callable, Sequence

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
        TargetError: a class that does not exist.
    """
    if isinstance(target, tuple):
        first, second = (_index(names, t) for t in target)
        return f"{names[first]} over {names[second]}", lambda logits: logits[:, first] - logits[:, second]
    if isinstance(target, str | int):
        index = _index(names, target)
        return names[index], lambda logits: logits[:, index]
    return getattr(target, "__name__", "score"), target


def total_score(scores: Sequence[Score], logits: Tensor) -> Tensor:
    """The sum of one score a picture, whose gradient is each picture's own: pictures of a batch do not mix.

    Args:
        scores: N functions, (M, classes) logits -> (M,).
        logits: (N, classes).
    """
    # Zero, and part of the graph: a score may depend on no logit at all.
    nothing = (logits * 0).sum()
    return nothing + sum(score(logits[i : i + 1]).sum() for i, score in enumerate(scores))


def _index(names: Sequence[str], target: str | int) -> int:
    if isinstance(target, int) and 0 <= target < len(names):
        return target
    if target in names:
        return list(names).index(str(target))
    raise TargetError(f"There is no class {target!r}: choose one of {', '.join(names)}.")
