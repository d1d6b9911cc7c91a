"""One process, or several that `torchrun` started and that train one network together."""

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed

__all__ = ["ALONE", "Ranks", "join"]


@dataclass(frozen=True)
class Ranks:
    """Which process this is: `rank` of `world`, `local` on its machine."""

    rank: int = 0
    world: int = 1
    local: int = 0

    def gather(self, value: Any) -> list[Any]:
        """Every process's value, by rank, in every process."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        distributed.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Until every process is here."""
        if self.world > 1:
            distributed.barrier()


ALONE = Ranks()


def join(device: torch.device) -> tuple[Ranks, torch.device]:
    """Join the other processes of `torchrun`, if there are any; this process's rank and its own device."""
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world == 1:
        return ALONE, device
    ranks = Ranks(int(os.environ["RANK"]), world, int(os.environ["LOCAL_RANK"]))
    if device.type == "cuda":
        device = torch.device("cuda", ranks.local)
        torch.cuda.set_device(device)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return ranks, device
