"""What a training run depends on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from dala.data.splits import PROTOCOLS
from dala.errors import DalaError
from dala.images.preprocessing import MAX_AREA
from dala.models.dala_resnet import STAGES

__all__ = ["PRIVATE", "Settings", "SettingsError"]

# Where a run reads and writes is its owner's business; a report is public.
PRIVATE = ("data", "init", "out", "cache", "split_file", "device", "workers", "resume", "tensorboard")


class SettingsError(DalaError):
    """A setting outside its range."""


def _option(default: Any, text: str, choices: Sequence[str] | None = None) -> Any:
    return field(default=default, metadata={"help": text, "choices": choices})


@dataclass(frozen=True)
class Settings:
    """All that a run depends on; each is an option of `python -m dala train`."""

    data: Path = _option(
        Path("BreaKHis_v1"),
        "folder with the pictures; `phantom`: generated patches; `phantom:ink`: with a decoy in the malignant ones",
    )
    format: str = _option("breakhis", "its layout", ("breakhis", "bach", "mini_ddsm", "idc", "folder"))
    classes: str = _option("binary", "all: the data set's own classes", ("binary", "all"))
    magnification: str = _option("100X", "of BreakHis, several with commas")
    also: str = _option("", "other magnifications, resized to that scale, for training alone: none of them is scored")
    um_per_pixel: float | None = _option(None, "micrometres per pixel, to be stated in config.json")
    network: str = _option(
        "dala",
        "dala, dala:no-attention, dala:one-activation, resnet50; torchvision:NAME, timm:NAME;"
        " or without a network of its own: colour, probe",
    )
    init: str | None = _option(
        None, "start: a file with a state dict, IMAGENET1K_V1 / IMAGENET1K_V2, or for named networks `pretrained`"
    )
    out: Path = _option(Path("runs/last"), "folder for everything the run writes")
    cache: Path | None = _option(None, "folder for the frozen stages' features (default: OUT/features)")

    split: str = _option("patient", "folds by patient, one hold-out by patient, or folds by image (leaks)", PROTOCOLS)
    split_file: Path | None = _option(None, "a split of an earlier run, instead of a new one")
    folds: int = _option(5, "of a partition")
    partitions: int = _option(1, "how often the folds are dealt out anew")
    held_out: float = _option(0.25, "share of the patients in a hold-out")
    inner: bool = _option(False, "to choose a recipe: leave each fold out unseen, score the next one instead")
    final: bool = _option(True, "after the folds, train on everything")

    height: int = _option(460, "of the pictures in training and in use, pixels")
    width: int = _option(700, "of the pictures in training and in use, pixels")
    crop: int | None = _option(None, "side of the square training crop at native scale; default: 448, or what fits")
    train_from: str = _option("layer4", "first stage that is fine-tuned", STAGES[:-1])
    views: int = _option(4, "kept of each picture: 4 flips, beyond them with jitter; 0: augment anew every time")
    jitter: float = _option(0.1, "of brightness, contrast and saturation; of hue a fifth of it")
    probe: str = _option(
        "network", "what attention and head start as: a network fitted to pooled features, or a linear fit of them",
        ("network", "linear"),
    )  # fmt: skip
    probe_strength: float = _option(0.001, "of the linear fit, the inverse of its regularisation")
    probe_epochs: int = _option(60, "epochs of attention and head on the frozen start's pooled features")
    probe_lr: float = _option(1e-4, "their learning rate")
    mixup: float = _option(1.0, "alpha of mixup among them; 0: none")
    epochs: int = _option(4, "epochs of fine-tuning")
    batch: int = _option(16, "pictures per step, over all processes")
    lr: float = _option(2e-5, "learning rate of the stages")
    head_lr: float = _option(1e-4, "learning rate of attention and head")
    weight_decay: float = _option(0.05, "of AdamW")
    warmup: float = _option(0.1, "share of the steps in which the rates rise")
    label_smoothing: float = _option(0.05, "of the cross-entropy")
    dropout: float = _option(0.3, "in the head")
    ema: float = _option(0.0, "decay of an exponential moving average of the weights; 0: none")
    freeze_batch_norm: bool = _option(True, "keep the start's statistics")
    score_every: int = _option(0, "epochs between scorings for the log; 0: before and after fine-tuning only")
    seed: int = _option(0, "of the split, the start and every draw")

    workers: int | None = _option(None, "processes that decode pictures; default: 4 beside a GPU, else none")
    precision: str | None = _option(None, "default: bf16 where the processor has it, else fp32", ("bf16", "fp32"))
    device: str | None = _option(None, "cpu, cuda, mps; default: the best there is")
    deterministic: bool = _option(False, "only algorithms that give the same bits every time, however slow")
    tensorboard: bool = _option(False, "write OUT/tensorboard besides log.csv")
    resume: bool = _option(False, "go on from what OUT holds")

    def __post_init__(self) -> None:
        """Refuse what cannot be run.

        Raises:
            SettingsError: a number outside its range.
        """
        for name, low, high in (
            ("height", 32, 4096),
            ("width", 32, 4096),
            ("batch", 1, 4096),
            ("epochs", 0, 100_000),
            ("probe_epochs", 0, 100_000),
            ("views", 0, 64),
            ("folds", 2, 1000),
            ("partitions", 1, 1000),
            ("held_out", 0.01, 0.5),
            ("warmup", 0, 1),
            ("dropout", 0, 0.99),
            ("label_smoothing", 0, 0.99),
            ("jitter", 0, 0.99),
            ("ema", 0, 0.9999),
            ("mixup", 0, 100),
            ("probe_strength", 1e-9, 1e9),
            ("seed", 0, 2**31),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise SettingsError(f"--{name.replace('_', '-')} goes from {low:g} to {high:g}, not {value:g}.")
        if self.height * self.width > MAX_AREA:
            raise SettingsError(f"--height and --width make at most {MAX_AREA:,} pixels.")
        if self.crop is not None and not 32 <= self.crop <= min(self.height, self.width):
            raise SettingsError(f"--crop goes from 32 to the shorter side, {min(self.height, self.width)}.")
        if self.also and (self.format != "breakhis" or {*self.others} & {*self.magnification.split(",")}):
            raise SettingsError("--also names magnifications of BreakHis that --magnification does not.")
        if self.also and "," in self.magnification:
            raise SettingsError("--also brings pictures to one scale: name one --magnification.")
        if self.inner and (self.split != "patient" or self.folds < 3):
            raise SettingsError("--inner goes with --split patient and at least 3 folds.")
        if self.views and not self.freeze_batch_norm:
            raise SettingsError("Statistics of batch-norm are trained on whole pictures only: add --views 0.")
        if self.views and self.train_from == "stem":
            raise SettingsError("--train-from stem leaves nothing to keep: add --views 0.")

    @property
    def others(self) -> tuple[str, ...]:
        """Magnifications that are trained on and not scored."""
        return tuple(self.also.split(",")) if self.also else ()

    def public(self) -> dict[str, Any]:
        """What a report may tell, as plain JSON."""
        return {k: v for k, v in asdict(self).items() if k not in PRIVATE}

    def on(self, device: torch.device) -> "Settings":
        """The same with every default that depends on the device or on other settings filled in."""
        # A second process takes a core from the network, and every layer waits for its slowest thread.
        workers = (0 if device.type == "cpu" else 4) if self.workers is None else self.workers
        crop = min(448, self.height, self.width) if self.crop is None else self.crop
        precision = ("bf16" if _has_bf16(device) else "fp32") if self.precision is None else self.precision
        cache = self.cache or self.out / "features"
        return replace(self, workers=workers, crop=crop, precision=precision, cache=cache)


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # PyTorch knows, but has no public name for it.
    return device.type == "cpu" and bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
