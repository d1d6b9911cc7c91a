"""Training on generated patches."""

import json
from pathlib import Path

import pytest

from dala.phantoms import dataset
from dala.training import phantom_data
from dala.training.config import Settings, SettingsError
from dala.training.cross_validation import train


@pytest.mark.slow
def test_the_default_recipe_learns_generated_patches_in_minutes(tmp_path):
    report = train(Settings.from_options(data=Path("phantom"), out=tmp_path))
    assert report["provenance"]["data"] == "phantoms"
    assert report["seconds"] < 300
    assert report["scores"]["figures"]["auc"][0] >= 0.95
    assert report["scores"]["figures"]["balanced_accuracy"][0] >= 0.95


def test_generated_patches_can_carry_a_decoy(tmp_path, monkeypatch):
    monkeypatch.setattr(phantom_data, "COUNT", 8)
    settings = Settings.from_options(
        data=Path("phantom:ink"), out=tmp_path, height=128, width=192, folds=2, probe_epochs=1, epochs=0
    )
    report = train(settings)
    assert report["provenance"]["data"] == "phantoms-ink"
    about = json.loads((tmp_path / "phantoms-ink" / dataset.ABOUT).read_text())
    assert about["command"].endswith("--size 96x64 --decoy ink --decoy-class malignant --weak")
    with pytest.raises(SettingsError, match="no decoy 'dust': choose one of ink, fold, bright"):
        train(settings.with_options(data=Path("phantom:dust")))
