"""The initialized network, its preprocessing, and the features of its frozen stages."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dala.data import loading
from dala.data.items import Item
from dala.hub.report import Start
from dala.images.preprocessing import Preprocessing
from dala.models.dala_resnet import DALAResNet50
from dala.training.config_parts import DataConfig, FeatureConfig, RuntimeConfig
from dala.training.distributed import SINGLE, Ranks
from dala.training.feature_cache import extract
from dala.training.frozen_features import FeatureCache
from dala.training.initialization import load_imagenet

__all__ = ["cached", "initialization_name", "initialize_and_extract", "preprocessing_for"]


def preprocessing_for(items: Sequence[Item], data: DataConfig, features: FeatureConfig) -> Preprocessing:
    """Preprocessing of the first set to the training size, with the median enlargement of some of its pictures."""
    first = [i for i in items if i.source == items[0].source]
    areas = [p.width * p.height for p in (loading.read(item) for item in first[:: max(1, len(first) // 32)])]
    height, width = features.height, features.width
    enlargement = round(float((height * width / np.median(areas)) ** 0.5), 4)
    return Preprocessing(
        height,
        width,
        magnification=data.magnification if first[0].magnification else None,
        um_per_pixel=data.um_per_pixel and round(data.um_per_pixel / enlargement, 6),
        enlargement=enlargement,
    )


def initialization_name(features: FeatureConfig) -> Start:
    """Name of the initialization for a report, without the folder of a file."""
    return {"name": Path(features.init or "random").name}


def initialize_and_extract(
    items: list[Item],
    class_names: list[str],
    preprocessing: Preprocessing,
    features: FeatureConfig,
    runtime: RuntimeConfig,
    device: torch.device,
    ranks: Ranks = SINGLE,
) -> tuple[DALAResNet50, Start, FeatureCache]:
    """The initialized network on the device, what it was initialized from, and the features of its frozen stages."""
    model = DALAResNet50(class_names, preprocessing)
    source = load_imagenet(model, features.init)
    model.to(memory_format=torch.channels_last).to(device)
    return model, source, extract(model, items, cached(features), runtime, ranks)


def cached(features: FeatureConfig) -> FeatureConfig:
    """The settings of the cache: without cached views only the pooled features matter, of the four flips."""
    return features if features.views else replace(features, views=4, train_from="layer4")
