"""Features of the frozen stages of many pictures, which `dala.training.feature_cache` computes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dala.training.places import Places

__all__ = ["POOLED", "FeatureCache", "join"]

POOLED = ("layer2", "layer3", "layer4")


@dataclass(frozen=True)
class FeatureCache:
    """Features of n pictures in several views; view 0 is the picture as preprocessed for inference.

    Attributes:
        storages: flat memory maps of all maps at the last frozen stage, each (h, w, C); one for each set.
        files: [picture] -> index of its storage.
        places: [picture][view] -> offset in the storage, h, w; an augmented view has its own size.
        channels: C.
        pooled: for each of `POOLED`, means over the map of the initialized network, (n, views, channels) float32.
        sampled: places of each picture's map after layer4.
    """

    storages: tuple[Tensor, ...]
    files: list[int]
    places: list[list[tuple[int, int, int]]]
    channels: int
    pooled: dict[str, Tensor]
    sampled: Places | None = None

    def map(self, picture: int, view: int = 0) -> Tensor:
        """(h, w, C) of one picture in one view, a view of its storage."""
        offset, h, w = self.places[picture][view]
        return self.storages[self.files[picture]][offset : offset + h * w * self.channels].view(h, w, self.channels)


def join(parts: Sequence[FeatureCache], pictures: Sequence[Sequence[int]]) -> FeatureCache:
    """One cache of several sets' features.

    Args:
        parts: of the sets, each with one storage.
        pictures: for each set the positions of its pictures among all.
    """
    position = {k: row for row, k in enumerate(k for rows in pictures for k in rows)}
    order = [position[k] for k in range(len(position))]
    files = [part for part, rows in enumerate(pictures) for _ in rows]
    places = [place for part in parts for place in part.places]
    sampled = [part.sampled for part in parts if part.sampled]
    return FeatureCache(
        tuple(storage for part in parts for storage in part.storages),
        [files[k] for k in order],
        [places[k] for k in order],
        parts[0].channels,
        {stage: torch.cat([part.pooled[stage] for part in parts])[order] for stage in POOLED},
        Places(*(torch.cat([getattr(s, name) for s in sampled])[order] for name in ("evidence", "nuclei"))),
    )
