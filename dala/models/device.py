"""Which device a network runs on."""

import os

import torch

from dala.errors import DalaError

__all__ = ["DeviceError", "find_device", "lent_gpu"]


class DeviceError(DalaError):
    """A device that does not exist here."""


def find_device(name: str | None = None) -> torch.device:
    """The device named by the argument or by `DALA_DEVICE`, else CUDA, else MPS, else the CPU.

    On ZeroGPU, whose GPU is available only for seconds, the CPU; see `dala.ui.server.zero_gpu`.

    Raises:
        DeviceError: a device that does not exist here.
    """
    name = name or os.environ.get("DALA_DEVICE") or ("cpu" if lent_gpu() else None)
    if not name and torch.cuda.is_available():
        # torchrun starts one process for each GPU of a machine.
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    if not name:
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise DeviceError(f"The device {name!r} is not available here: leave it out, or use cpu.") from error
    return device


def lent_gpu() -> bool:
    """Whether this is Hugging Face's ZeroGPU, where CUDA is available only in functions marked by `spaces.GPU`."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")
