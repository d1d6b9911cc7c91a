"""The mean gate of the attention over many images, stored with the weights.

One image's gate alone says little; it is compared with the mean.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dala import files
from dala.errors import DalaError
from dala.explain.explainer import Explainer
from dala.files import read_json
from dala.hub.layout import GATE
from dala.images import reading

__all__ = ["FILE", "MOST_BYTES", "AverageGate", "GateError", "measure", "read", "write"]

FILE = GATE
MOST_BYTES = 1_000_000


class GateError(DalaError):
    """A network without a gate, or a file with an average gate that cannot be used."""


@dataclass(frozen=True, eq=False)
class AverageGate:
    """The mean gate of the attention.

    Attributes:
        mean: (C,), from 0 to 1.
        pictures: number of images that it is the mean of.
        data: which images, in words.
    """

    mean: Tensor
    pictures: int
    data: str


def measure(explainer: Explainer, pictures: Iterable[reading.Source], data: str) -> AverageGate:
    """The mean of `Explanation.gate` over images, which are preprocessed as in the app.

    Raises:
        GateError: the network has no gate at its last layer, or there is no image.
        ImageError: a picture that cannot be used.
    """
    total, n = torch.zeros(()), 0
    for picture in pictures:
        gate = explainer.explain(picture).gate
        if gate is None:
            raise GateError(f"This network has no gate at {explainer.layers[-1]}.")
        total, n = total + gate.double(), n + 1
    if not n:
        raise GateError("There is no picture to take the average over.")
    return AverageGate((total / n).float(), n, data)


def write(average: AverageGate, folder: Path, sha256: str) -> Path:
    """Write `gate.json` with the SHA-256 of its weights; return the path.

    Raises:
        DiskError: no space, or no permission.
    """
    content = {
        "sha256": sha256,
        "data": average.data,
        "pictures": average.pictures,
        "mean": [round(value, 4) for value in average.mean.tolist()],
    }
    files.write(folder / FILE, json.dumps(content) + "\n")
    return folder / FILE


def read(file: Path, sha256: str, channels: int) -> AverageGate:
    """Read the file of `write`.

    Args:
        file: untrusted; it may come from any repository.
        sha256: of the weights.
        channels: of the attention.

    Raises:
        GateError: not such a file, or one of other weights.
    """
    try:
        content = read_json(file, MOST_BYTES)
        mean, pictures, data = (
            torch.tensor(content["mean"], dtype=torch.float32),
            int(content["pictures"]),
            str(content["data"])[:80],
        )
        if mean.shape != (channels,) or not ((mean >= 0) & (mean <= 1)).all() or pictures < 1:
            raise ValueError
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, OverflowError) as error:
        raise GateError(f"{file.name} is not an average gate: write it again with `python -m dala gate`.") from error
    if content.get("sha256") != sha256:
        raise GateError(f"{file.name} was measured with other weights: write it again with `python -m dala gate`.")
    return AverageGate(mean, pictures, data)
