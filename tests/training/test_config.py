"""Settings of a training run: ranges, rules, and their flat options."""

from dataclasses import fields
from pathlib import Path

import pytest
import torch

from dala.training.config import OPTIONS, PRIVATE, Settings, SettingsError
from dala.training.config_parts import FeatureConfig, ProbeConfig, option_name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch": 0}, "`batch` must be between 1 and 4096, not 0."),
        ({"held_out": 0}, "`held_out`"),
        ({"crop": 128}, "`crop` must be between 32 and the shorter side, 96."),
        ({"height": 8, "crop": None}, "`height`"),
        ({"height": 4096, "width": 4096}, "`height` times `width`"),
        ({"probe_epochs": -1}, "`probe_epochs`"),
        ({"data": ()}, "`data` names no set"),
        ({"inner": True}, "`inner`"),
        ({"train_from": "stem"}, "set `views` to 0"),
        ({"freeze_batch_norm": False}, "set `views` to 0"),
        ({"scale": 0.6}, "`scale` must be between 0 and 0.5"),
        ({"average": 1.5}, "`average` must be between 0 and 1"),
        ({"pull": 1e5}, "`pull` times a learning rate"),
        ({"average": 0.5, "probe_epochs": 0}, "without a probe its head starts from noise"),
        ({"pull": 10, "network": "torchvision:resnet18"}, "without a probe its head starts from noise"),
    ],
)
def test_settings_that_cannot_be_run_are_refused(change, words):
    settings = Settings.from_options(height=96, width=128, crop=64, split="holdout")
    with pytest.raises(SettingsError, match=words):
        settings.with_options(**change)


def test_a_part_is_checked_alone():
    with pytest.raises(SettingsError, match="`views`"):
        FeatureConfig(views=65)


def test_defaults_fit_the_device_and_the_size():
    small = Settings.from_options(height=224, width=224).resolve(torch.device("cpu"))
    assert (small.features.crop, small.runtime.workers) == (224, 0)
    assert small.runtime.precision in ("bf16", "fp32")
    assert small.runtime.cache == small.runtime.out / "features"


def test_every_field_of_every_part_is_one_option():
    settings = Settings()
    names = [option_name(f) for part in fields(settings) for f in fields(getattr(settings, part.name))]
    assert len(names) == len(set(names))
    assert set(names) == OPTIONS.keys()
    assert list(settings.options()) == list(OPTIONS)
    assert settings.public().keys() == OPTIONS.keys() - set(PRIVATE)


def test_options_are_the_inverse_of_from_options():
    settings = Settings.from_options(probe="linear", probe_epochs=3, epochs=0, seed=7, map=["a=b"], data=Path("one"))
    assert settings.probe == ProbeConfig("linear", epochs=3)
    assert (settings.tuning.epochs, settings.runtime.seed, settings.data.data) == (0, 7, ("one",))
    assert Settings.from_options(**settings.options()) == settings
    assert settings.public()["map"] == ["a=b"]
    with pytest.raises(KeyError):
        settings.with_options(probe_kind="linear")
