"""The five parts of a training run's settings: data, features, probe, tuning, runtime."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dala.data.given_splits import BY_IMAGE, GIVEN
from dala.data.splits import PROTOCOLS
from dala.images.preprocessing import MAX_AREA
from dala.models.dala_resnet import STAGES
from dala.training.options import Config as _Config
from dala.training.options import SettingsError, option_name
from dala.training.options import option as _option

__all__ = [
    "DataConfig",
    "FeatureConfig",
    "ProbeConfig",
    "RuntimeConfig",
    "SettingsError",
    "TuningConfig",
    "option_name",
]


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
    score_on: tuple[str, ...] = _option(
        (), "source file of a laboratory that the final network is scored on, as on those left out; once for each"
    )
    shifts: bool = _option(False, "also score held-out patients with changed stain, scale, focus and sharpness")
    um_per_pixel: float | None = _option(None, "micrometres per pixel of the first set, written to config.json")
    split: str = _option(
        "patient",
        "folds by patient, one holdout by patient, folds by image (patients leak), or the split that the pictures come"
        " with: train/val/test folders, folds, a table; given-by-image: even if it puts patients on both sides",
        (*PROTOCOLS, GIVEN, BY_IMAGE),
    )
    split_file: Path | None = _option(
        None,
        "the split to use: split.json of an earlier run; a table (CSV) of picture or patient, and fold or split"
        " (train, val, test); BreakHis' Folds.csv; dsfold1.txt, or the folder of dsfold1.txt to dsfold5.txt",
    )
    folds: int = _option(5, "number of folds of a partition", between=(2, 1000))
    partitions: int = _option(1, "number of random partitions into folds", between=(1, 1000))
    held_out: float = _option(0.25, "share of the patients in a holdout", between=(0.01, 0.5))
    inner: bool = _option(False, "for model selection: exclude each fold and score the next one instead")
    final: bool = _option(True, "train on all pictures after the folds")

    def __post_init__(self) -> None:
        for name in ("data", "map", "leave_out", "score_on"):
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
        4,
        "cached views of each picture: 4 flips, further ones augmented; 0: no cache, augment every time",
        between=(0, 64),
    )
    scale: float = _option(
        0.3, "augmentation: the tissue's scale times 1 - this to 1 + this, log-uniform", between=(0, 0.5)
    )
    stain: float = _option(
        0.2,
        "augmentation: amounts of haematoxylin, eosin and residual times 1 ± this, plus half of it in optical density",
        between=(0, 0.9),
    )
    colour: float = _option(
        0.1, "augmentation: logarithm of the largest gain of a channel, and of the largest gamma", between=(0, 1)
    )
    blur: float = _option(1.5, "augmentation: largest standard deviation of a Gaussian blur, pixels", between=(0, 5))
    sharpen: float = _option(1.0, "augmentation: largest sharpening; 1 doubles the sharpness", between=(0, 10))
    jpeg: float = _option(60, "augmentation: largest loss of quality by JPEG; 60: quality 100 to 40", between=(0, 99))
    degrade: float = _option(
        0.25, "share of the draws that are blurred, sharpened, compressed, each on its own", between=(0, 1)
    )
    class_mixup: float = _option(
        0.2,
        "alpha of mixup within a class, of different sources if possible, while fine-tuning; 0: none",
        between=(0, 100),
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
    penalty: float = _option(
        1.0,
        "of the linear probe's weights, against the mean variance of the features",
        between=(1e-9, 1e9),
        name="probe_penalty",
    )
    offset: float | None = _option(
        None,
        "of the linear probe: its bias, against classes at -1 and 1; default: fitted. With a fixed one the mean of a"
        " picture's map is its score minus the offset",
        name="probe_offset",
    )
    patients: float = _option(
        0.0,
        "of the linear probe: penalty of different mean scores of a set's patients of one class",
        between=(0, 1e6),
        name="probe_patients",
    )
    alignment: float = _option(
        0.0,
        "of the linear probe: penalty of different mean scores of one class in different sets",
        between=(0, 1e6),
        name="probe_alignment",
    )
    nuclei: float = _option(
        0.0,
        "of the linear probe: pull of the evidence at a place of a malignant picture to its share of nuclei",
        between=(0, 1e6),
        name="probe_nuclei",
    )
    nuclei_gain: float = _option(
        4.0,
        "of the linear probe: evidence of a place full of nuclei beyond that of a bare one; the classes are 2 apart",
        between=(0, 100),
        name="probe_nuclei_gain",
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
    pull: float = _option(
        0.0,
        "L2 pull towards the weights before fine-tuning, instead of `weight_decay` towards 0: a step removes this times"
        " the learning rate of the distance (L2-SP); 0: none",
        between=(0, 1e6),
    )
    average: float = _option(
        1.0,
        "share of the fine-tuned weights in their average with those before fine-tuning (WiSE-FT); 1: fine-tuned alone",
        between=(0, 1),
    )
    freeze_batch_norm: bool = _option(True, "keep the statistics of the initialization")
    score_every: int = _option(0, "log held-out scores before training and every N epochs; 0: never")

    def _rules(self) -> Iterator[tuple[bool, str]]:
        yield (
            self.pull * max(self.lr, self.head_lr) <= 1,
            "`pull` times a learning rate is the share of the distance that a step removes: keep it at most 1.",
        )


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
