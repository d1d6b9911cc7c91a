"""Weights of a `DALAResNet50`: load, save and check them.

- `dala_resnet`: the network.
- `hub_mixin`: `from_pretrained`, `save_pretrained` and `push_to_hub`.
- `serialization`: write and read `model.safetensors` and `config.json`.
- `pretrained`: load a network from a folder, a file or the Hub.
- `card`: the model card of a network without a report.
- `device`: the device a network runs on.
"""

from pathlib import Path
from typing import Any

from dala.models import pretrained
from dala.models.dala_resnet import DALAResNet50
from dala.progress import Progress

__all__ = ["LoadedModel", "load", "load_from_hub"]

LoadedModel = pretrained.LoadedModel[DALAResNet50]


def load(source: str | Path | None = None, **options: Any) -> LoadedModel:
    """Load and check a `DALAResNet50`; arguments, options and errors as for `dala.models.pretrained.load`."""
    return pretrained.load(DALAResNet50, source, **options)


def load_from_hub(source: str, progress: Progress | None = None) -> LoadedModel:
    """Load a `DALAResNet50` from the Hub only; see `dala.models.pretrained.load_from_hub`."""
    return pretrained.load_from_hub(DALAResNet50, source, progress)
