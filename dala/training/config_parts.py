"""The five parts of a training run's settings: data, features, probe, tuning, runtime."""

from collections.abc import Iterator, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from dala.data.splits import PROTOCOLS
from dala.errors import DalaError
from dala.images.preprocessing import MAX_AREA
from dala.models.dala_resnet import STAGES

__all__ = [
    "DataConfig",
    "FeatureConfig",
    "ProbeConfig",
    "RuntimeConfig",
    "SettingsError",
    "TuningConfig",
    "option_name",
]


class SettingsError(DalaError):
    """A setting outside its range, or settings that contradict each other."""


def _option(
    default: Any,
    text: str,
    choices: Sequence[str] | None = None,
    between: tuple[float, float] | None = None,
    name: str | None = None,
) -> Any:
    """A field with its help text, its allowed values, and its option's name where that is not the field's own."""
    return field(default=default, metadata={"help": text, "choices": choices, "between": between, "name": name})


def option_name(f: "Field[Any]") -> str:
    """The name of a field's option, unique among all parts: `probe_epochs` for `ProbeConfig.epochs`."""
    name: str = f.metadata["name"] or f.name
    return name


@dataclass(frozen=True)
class _Config:
    """A part of the settings, checked when it is created.

    Raises:
        SettingsError: a number outside its range, or a broken rule of the part.
    """

    def __post_init__(self) -> None:
        for f in fields(self):
            value, between = getattr(self, f.name), f.metadata["between"]
            if between and not between[0] <= value <= between[1]:
                low, high = between
                raise SettingsError(f"`{option_name(f)}` must be between {low:g} and {high:g}, not {value:g}.")
        _check(self._rules())

    def _rules(self) -> Iterator[tuple[bool, str]]:
        yield from ()


def _check(rules: Iterator[tuple[bool, str]]) -> None:
    for kept, sentence in rules:
        if not kept:
            raise SettingsError(sentence)


@dataclass(frozen=True)
class DataConfig(_Config):
    """Which pictures are read, and how they are split."""

    data: tuple[str, ...] = _option(
        ("BreaKHis_v1",),
        "folder with the pictures, or a source file (*.json) or hub:OWNER/NAME; given again, more sets to train on, of"
        " which the first is scored; `phantom`: generated patches; `phantom:ink`: with a decoy in the malignant ones",
    )
    root: Path = _option(Path(), "folder that the folders in source files are relative to")
    format: str = _option("breakhis", "layout of the folder", ("breakhis", "bach", "mini_ddsm", "idc", "folder"))
    classes: str = _option("binary", "all: the data set's own classes", ("binary", "all"))
    map: tuple[str, ...] = _option(
        (), "class of one of the folder's own classes, as Tumor=malignant; Necrosis= leaves it out; once for each"
    )
    magnification: str = _option("100X", "of BreakHis; several separated by commas")
    leave_out: tuple[str, ...] = _option(
        (), "laboratory whose sets are not trained on; that of the first set is then scored as a whole"
    )
    um_per_pixel: float | None = _option(None, "micrometres per pixel of the first set, written to config.json")
    split: str = _option(
        "patient", "folds by patient, one holdout by patient, or folds by image (patients leak)", PROTOCOLS
    )
    split_file: Path | None = _option(None, "split.json of an earlier run, instead of a new split")
    folds: int = _option(5, "number of folds of a partition", between=(2, 1000))
    partitions: int = _option(1, "number of random partitions into folds", between=(1, 1000))
    held_out: float = _option(0.25, "share of the patients in a holdout", between=(0.01, 0.5))
    inner: bool = _option(False, "for model selection: exclude each fold and score the next one instead")
    final: bool = _option(True, "train on all pictures after the folds")

    def __post_init__(self) -> None:
        for name in ("data", "map", "leave_out"):
            value = getattr(self, name)
            several = (value,) if isinstance(value, str | Path) else value
            object.__setattr__(self, name, tuple(str(one) for one in several))
        super().__post_init__()

    def _rules(self) -> Iterator[tuple[bool, str]]:
        yield bool(self.data), "`data` names no set of pictures."
        yield (
            not self.inner or (self.split == "patient" and self.folds >= 3),
            "`inner` needs the split `patient` and at least 3 folds.",
        )


@dataclass(frozen=True)
class FeatureConfig(_Config):
    """The network, its initialization, its input, and the features of its frozen stages."""

    network: str = _option(
        "dala",
        "dala, dala:no-attention, dala:one-activation, resnet50; torchvision:NAME, timm:NAME;"
        " or a classifier without a network of its own: colour, probe",
    )
    init: str | None = _option(
        None,
        "initialization: a file with a state dict, IMAGENET1K_V1 / IMAGENET1K_V2, or `pretrained` for torchvision:NAME"
        " and timm:NAME",
    )
    height: int = _option(460, "of the pictures in training and inference, pixels", between=(32, 4096))
    width: int = _option(700, "of the pictures in training and inference, pixels", between=(32, 4096))
    crop: int | None = _option(None, "side of the square training crop at native scale; default: 448, or what fits")
    train_from: str = _option("layer4", "first stage that is fine-tuned", STAGES[:-1])
    views: int = _option(
        4, "cached views of each picture: 4 flips, more with jitter; 0: no cache, augment every time", between=(0, 64)
    )
    jitter: float = _option(
        0.1, "strength for brightness, contrast and saturation; a fifth of it for hue", between=(0, 0.99)
    )

    def _rules(self) -> Iterator[tuple[bool, str]]:
        short = min(self.height, self.width)
        yield self.height * self.width <= MAX_AREA, f"`height` times `width` must be at most {MAX_AREA:,} pixels."
        yield (
            self.crop is None or 32 <= self.crop <= short,
            f"`crop` must be between 32 and the shorter side, {short}.",
        )
        yield (
            not self.views or self.train_from != "stem",
            "With `train_from` stem no stage is frozen, so there is nothing to cache: set `views` to 0.",
        )

    @property
    def is_publishable(self) -> bool:
        """Whether the trained weights are saved: `config.json` describes the full DALAResNet50 only, no ablation."""
        return self.network == "dala"


@dataclass(frozen=True)
class ProbeConfig(_Config):
    """The fit of attention and head to the frozen features, before fine-tuning."""

    kind: str = _option(
        "network",
        "how attention and head are initialized: trained on pooled features, or a ridge regression on them",
        ("network", "linear"),
        name="probe",
    )
    strength: float = _option(
        0.001, "of the linear probe, the inverse of its regularisation", between=(1e-9, 1e9), name="probe_strength"
    )
    epochs: int = _option(
        60,
        "epochs of attention and head on the frozen features; 0: no probe",
        between=(0, 100_000),
        name="probe_epochs",
    )
    lr: float = _option(1e-4, "learning rate of the probe", name="probe_lr")
    mixup: float = _option(1.0, "alpha of mixup in the probe; 0: none", between=(0, 100))


@dataclass(frozen=True)
class TuningConfig(_Config):
    """Fine-tuning of the upper stages, the attention and the head."""

    epochs: int = _option(4, "epochs of fine-tuning", between=(0, 100_000))
    batch: int = _option(16, "pictures per step, over all processes", between=(1, 4096))
    lr: float = _option(2e-5, "learning rate of the stages")
    head_lr: float = _option(1e-4, "learning rate of attention and head")
    weight_decay: float = _option(0.05, "of AdamW")
    warmup: float = _option(0.1, "share of the steps in which the learning rates rise", between=(0, 1))
    label_smoothing: float = _option(0.05, "of the cross-entropy", between=(0, 0.99))
    dropout: float = _option(0.3, "in the head", between=(0, 0.99))
    ema: float = _option(0.0, "decay of an exponential moving average of the weights; 0: none", between=(0, 0.9999))
    freeze_batch_norm: bool = _option(True, "keep the statistics of the initialization")
    score_every: int = _option(0, "log held-out scores before training and every N epochs; 0: never")


@dataclass(frozen=True)
class RuntimeConfig(_Config):
    """Where a run writes, on what it computes, and its random seed."""

    out: Path = _option(Path("runs/last"), "folder for everything the run writes")
    cache: Path | None = _option(None, "folder for the features of the frozen stages (default: OUT/features)")
    seed: int = _option(0, "of the split, the initialization and every random draw", between=(0, 2**31))
    workers: int | None = _option(None, "processes that decode pictures; default: 4 with a GPU, otherwise none")
    precision: str | None = _option(None, "default: bf16 where the processor supports it, else fp32", ("bf16", "fp32"))
    device: str | None = _option(None, "cpu, cuda, mps; default: the fastest available")
    deterministic: bool = _option(False, "use only algorithms that give the same bits every time, even slow ones")
    tensorboard: bool = _option(False, "write OUT/tensorboard besides log.csv")
    resume: bool = _option(False, "continue the run in OUT")
