"""Probabilities of one laboratory's pictures, with the offset taken from the pictures' own mean.

Abroad, the ranking of pictures may hold while every picture lands on one side: the logits are off by about the same
amount. Subtracting their mean over the pictures brings them back to the middle. That assumes that the classes are about
equally frequent among these pictures, and is wrong by as much as they are not (a label shift, Lipton et al. 2018,
arXiv 1802.03916); maps do not change.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dala.errors import DalaError
from dala.explain.explanation import Explanation

__all__ = ["LEAST", "RecentringError", "assumption", "entries", "notice", "offsets", "probabilities", "recentred"]

LEAST = 10


class RecentringError(DalaError):
    """Too few pictures to take an offset from, or pictures of different networks."""


def offsets(logits: Tensor) -> Tensor:
    """Mean over the pictures of what each class has above the mean of all classes.

    Args:
        logits: (N, C), of N pictures of one laboratory.

    Returns:
        (C,), sum 0. With two classes the offset of the margin is the difference of the two.

    Raises:
        RecentringError: fewer than `LEAST` pictures.
    """
    if len(logits) < LEAST:
        raise RecentringError(
            f"{len(logits)} pictures of tissue are too few to take an offset from: it needs {LEAST} of one laboratory."
        )
    logits = logits.double()
    return (logits - logits.mean(1, keepdim=True)).mean(0)


def probabilities(logits: Tensor, offset: Tensor, temperature: float = 1.0) -> Tensor:
    """(N, C) logits less (C,) offsets -> (N, C) softmax, with the network's temperature."""
    return ((logits.double() - offset) / temperature).softmax(1)


def assumption(class_names: Sequence[str], pictures: int) -> str:
    """What re-centring these pictures takes for granted, as a sentence."""
    return (
        f"The offset is taken from the mean of these {pictures} pictures: right if they are of one laboratory and "
        f"{_equal(class_names)}."
    )


def notice(shifted: int, class_names: Sequence[str], done: bool) -> str:
    """One sentence about a folder with pictures unlike the laboratories in training; it offers to re-centre them."""
    pictures = f"{shifted} pictures are" if shifted > 1 else "1 picture is"
    start = f"{pictures} from a laboratory unlike those in training: the probability does not hold"
    if done:
        return f"{start}; beside it stands the re-centred one, which assumes that {_equal(class_names)}."
    if shifted < LEAST:
        return f"{start}."
    own = "--recentre takes the offset from their own mean"
    return f"{start}; if all are of one laboratory and {_equal(class_names)}, {own}."


def _equal(class_names: Sequence[str]) -> str:
    return f"about half are {class_names[-1]}" if len(class_names) == 2 else "all classes are about equally frequent"


def recentred(explanations: Sequence[Explanation]) -> list[dict[str, float]]:
    """Probabilities by class name of each picture, the offset taken from all of them.

    Raises:
        RecentringError: fewer than `LEAST` pictures, classes that differ, or that do not exclude each other.
    """
    names = {e.class_names for e in explanations}
    if len(names) > 1:
        raise RecentringError("The pictures were explained by networks with different classes.")
    if any(e.multi_label for e in explanations):
        raise RecentringError("Only probabilities of classes that exclude each other can be re-centred.")
    logits = torch.stack([e.logits for e in explanations]) if explanations else torch.zeros(0, 2)
    rows = probabilities(logits, offsets(logits), explanations[0].temperature if explanations else 1.0)
    return [dict(zip(e.class_names, row.tolist(), strict=True)) for e, row in zip(explanations, rows, strict=True)]


def entries(results: Sequence[Mapping[str, Any]], temperature: float) -> list[dict[str, Any]]:
    """What is added to the numbers of each picture, as plain JSON.

    Args:
        results: as `dala.explain.export.values` returns them, of one network; those without tissue left out.
        temperature: the network's.

    Raises:
        RecentringError: fewer than `LEAST` pictures.
    """
    names = list(results[0]["logits"]) if results else []
    logits = torch.tensor([list(result["logits"].values()) for result in results], dtype=torch.float64)
    offset = offsets(logits)
    common = {
        "offset": dict(zip(names, offset.tolist(), strict=True)),
        "pictures": len(results),
        "assumption": assumption(names, len(results)),
    }
    rows = probabilities(logits, offset, temperature).tolist()
    return [{"probabilities": dict(zip(names, row, strict=True)), **common} for row in rows]
