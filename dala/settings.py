"""What a training run depends on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dala.model import STAGES

__all__ = ["Settings"]


def _option(default: Any, text: str, choices: Sequence[str] | None = None) -> Any:
    return field(default=default, metadata={"help": text, "choices": choices})


@dataclass(frozen=True)
class Settings:
    """All that a run depends on; each is an option of `python -m dala train`."""

    data: Path = _option(Path("BreaKHis_v1"), "folder with the pictures")
    format: str = _option("breakhis", "its layout; folder: one sub-folder per class", ("breakhis", "folder"))
    magnification: str = _option("100X", "of BreakHis", ("40X", "100X", "200X", "400X"))
    um_per_pixel: float | None = _option(None, "micrometres per pixel, to be stated in config.json")
    init: str | None = _option(
        None, "ImageNet start: a safetensors file, or IMAGENET1K_V1 / IMAGENET1K_V2 (downloaded)"
    )
    out: Path = _option(Path("runs/last"), "folder for everything the run writes")
    height: int = _option(460, "of the pictures in training and in use, pixels")
    width: int = _option(700, "of the pictures in training and in use, pixels")
    crop: int = _option(448, "side of the square training crop at native scale, pixels")
    train_from: str = _option("layer4", "first stage that is fine-tuned", STAGES)
    probe_epochs: int = _option(60, "epochs of attention and head on the frozen start's pooled features")
    probe_lr: float = _option(1e-3, "their learning rate")
    epochs: int = _option(8, "epochs of fine-tuning")
    batch: int = _option(16, "pictures per step")
    lr: float = _option(2e-5, "learning rate of the stages")
    head_lr: float = _option(1e-4, "learning rate of attention and head")
    weight_decay: float = _option(0.05, "of AdamW")
    warmup: float = _option(0.1, "share of the steps in which the rates rise")
    label_smoothing: float = _option(0.05, "of the cross-entropy")
    dropout: float = _option(0.3, "in the head")
    jitter: float = _option(0.1, "of brightness, contrast and saturation; of hue a fifth of it")
    held_out: float = _option(0.25, "share of the patients that is held out")
    seed: int = _option(0, "of the split, the start and every draw")
    workers: int | None = _option(None, "processes that decode pictures; default: 4 beside a GPU, else none")
    precision: str = _option("bf16", "of the network in training and scoring", ("bf16", "fp32"))
    device: str | None = _option(None, "cpu, cuda, mps; default: the best there is")
    resume: bool = _option(False, "go on from OUT/last.pt")
