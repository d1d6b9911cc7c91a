"""The processes of a training run: one, or those that `torchrun` started to train one network together."""

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed

__all__ = ["SINGLE", "Ranks", "join"]


@dataclass(frozen=True)
class Ranks:
    """The place of this process: `rank` of `world_size`, `local_rank` on its machine."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and prints the messages."""
        return self.rank == 0

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in the order of their ranks, in every process."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        distributed.all_gather_object(values, value)
        return values

    def barrier(self) -> None:
        """Wait until every process reaches this call."""
        if self.world_size > 1:
            distributed.barrier()


SINGLE = Ranks()


def join(device: torch.device) -> tuple[Ranks, torch.device]:
    """Join the process group of `torchrun`, if there is one.

    Returns:
        the rank of this process, and its device: on CUDA the one of its local rank.
    """
    world_size = int(os.environ.get("WORLD_SIZE", 1))
    if world_size == 1:
        return SINGLE, device
    ranks = Ranks(int(os.environ["RANK"]), world_size, int(os.environ["LOCAL_RANK"]))
    if device.type == "cuda":
        device = torch.device("cuda", ranks.local_rank)
        torch.cuda.set_device(device)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return ranks, device
