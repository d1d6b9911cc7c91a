"""Settings of a training run: five parts, of which each field is one option of `python -m dala train`."""

from dataclasses import Field, asdict, dataclass, field, fields, replace
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import torch

from dala.training.config_parts import (
    DataConfig,
    FeatureConfig,
    ProbeConfig,
    RuntimeConfig,
    SettingsError,
    TuningConfig,
    option_name,
)
from dala.training.networks import DALA

__all__ = [
    "OPTIONS",
    "PRIVATE",
    "DataConfig",
    "FeatureConfig",
    "Option",
    "ProbeConfig",
    "RuntimeConfig",
    "Settings",
    "SettingsError",
    "TuningConfig",
]


@dataclass(frozen=True)
class Settings:
    """Everything that a run depends on.

    Raises:
        SettingsError: parts that contradict each other.
    """

    data: DataConfig = field(default_factory=DataConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    tuning: TuningConfig = field(default_factory=TuningConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)

    def __post_init__(self) -> None:
        if self.features.views and not self.tuning.freeze_batch_norm:
            raise SettingsError("Statistics of batch-norm are trained on whole pictures only: set `views` to 0.")
        if (self.tuning.pull or self.tuning.average < 1) and not self._has_fitted_head:
            raise SettingsError(
                "`pull` and `average` keep the network near its start, and without a probe its head starts from noise:"
                " leave them out, or fit a probe first (`probe_epochs`, not for networks of libraries)."
            )

    @property
    def _has_fitted_head(self) -> bool:
        return bool(self.probe.epochs) and self.features.network in DALA

    @classmethod
    def from_options(cls, **options: Any) -> "Settings":
        """Settings from flat options, each by its name; the others keep their defaults."""
        return cls().with_options(**options)

    def with_options(self, **options: Any) -> "Settings":
        """A copy with some flat options changed."""
        changes: dict[str, dict[str, Any]] = {}
        for name, value in options.items():
            option = OPTIONS[name]
            changes.setdefault(option.part, {})[option.field.name] = value
        return replace(self, **{part: replace(getattr(self, part), **values) for part, values in changes.items()})

    def options(self) -> dict[str, Any]:
        """All settings, flat, in the order of the command line."""
        values = asdict(self)
        return {name: values[option.part][option.field.name] for name, option in OPTIONS.items()}

    def public(self) -> dict[str, Any]:
        """The settings that a report states, as plain JSON."""
        public = {name: value for name, value in self.options().items() if name not in PRIVATE}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in public.items()}

    def resolve(self, device: torch.device) -> "Settings":
        """A copy in which every default that depends on the device or on other settings is filled in."""
        features, runtime = self.features, self.runtime
        # A second process takes a core from the network, and every layer waits for its slowest thread.
        workers = (0 if device.type == "cpu" else 4) if runtime.workers is None else runtime.workers
        crop = min(448, features.height, features.width) if features.crop is None else features.crop
        precision = ("bf16" if _has_bf16(device) else "fp32") if runtime.precision is None else runtime.precision
        cache = runtime.cache or runtime.out / "features"
        return self.with_options(workers=workers, crop=crop, precision=precision, cache=cache)


@dataclass(frozen=True)
class Option:
    """A field of one part, as the command line and the reports name it.

    Attributes:
        part: attribute of `Settings`.
        field: of the part.
        type: of a value; `tuple` for an option that is given once for each value, a text.
    """

    part: str
    field: "Field[Any]"
    type: type

    @property
    def default(self) -> Any:
        """Its value unless it is given."""
        return self.field.default


# Order of the command line, of settings.json and of reports.
_ORDER = """
    data root format classes map magnification leave_out score_on shifts um_per_pixel network init out cache
    split split_file folds partitions held_out inner final
    height width crop train_from views scale stain colour blur sharpen jpeg degrade class_mixup
    probe probe_penalty probe_offset probe_patients probe_alignment probe_nuclei probe_nuclei_gain
    probe_epochs probe_lr mixup
    epochs batch lr head_lr weight_decay warmup label_smoothing dropout ema pull average freeze_batch_norm score_every
    seed workers precision device deterministic tensorboard resume
""".split()  # noqa: SIM905  a list of one name a line hides the order
# Paths and the machine are the owner's business, and a report is public; what is scored besides changes no network.
PRIVATE = (
    "data",
    "root",
    "score_on",
    "shifts",
    "init",
    "out",
    "cache",
    "split_file",
    "device",
    "workers",
    "resume",
    "tensorboard",
)


def _options() -> dict[str, Option]:
    options = {}
    for part, config in get_type_hints(Settings).items():
        types = get_type_hints(config)
        for f in fields(config):
            kind = types[f.name]
            if isinstance(kind, UnionType):
                kind = next(k for k in get_args(kind) if k is not NoneType)
            options[option_name(f)] = Option(part, f, get_origin(kind) or kind)
    return {name: options[name] for name in _ORDER}


OPTIONS = _options()


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # PyTorch knows, but has no public name for it.
    return device.type == "cpu" and bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
