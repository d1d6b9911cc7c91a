"""The folder of a training run."""

import argparse
import hashlib
import json
import shlex

import pytest

from dala.commands.train import add_arguments
from dala.data.splits import Split
from dala.files import ROOT
from dala.training import run_folder
from dala.training.config import Settings, SettingsError
from tests.support.tiny_run import SHIPPED

SPLIT = Split("patient", ((("p1",), ("p2",)),))


@pytest.fixture
def settings(tmp_path):
    return Settings.from_options(
        out=tmp_path, init=SHIPPED, split="holdout", leave_out="A, B & C", probe="linear", final=False, epochs=2,
        ema=0.5, um_per_pixel=0.5, deterministic=True, crop=64, map=["In situ=malignant", "Necrosis="],
    )  # fmt: skip


def test_the_command_of_a_run_gives_its_settings_again(settings):
    text = run_folder.command(settings)
    assert SHIPPED not in text
    assert str(settings.runtime.out) not in text
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args(shlex.split(text)[4:])
    assert Settings.from_options(**vars(args)).public() == settings.public()


def test_the_command_names_source_files_and_no_folder(settings, tmp_path):
    inside = ROOT / "weights" / "sources" / "idc.json"
    data = [str(tmp_path), str(tmp_path / "own.json"), str(inside), "hub:you/net"]
    text = run_folder.command(settings.with_options(data=data, root=tmp_path))
    assert str(tmp_path) not in text
    assert "--data DATA --data own.json --data weights/sources/idc.json --data hub:you/net --root ROOT" in text


def test_a_run_of_other_sources_is_not_resumed(settings):
    rows = [{"title": "tiles", "weight": 0.3}]
    run_folder.prepare(settings, SPLIT, rows)
    again = settings.with_options(resume=True)
    run_folder.prepare(again, SPLIT, rows)
    with pytest.raises(SettingsError, match="other settings"):
        run_folder.prepare(again, SPLIT, [{**rows[0], "weight": 0.5}])


def test_another_run_is_removed_unless_it_is_resumed(settings, tmp_path):
    run_folder.prepare(settings, SPLIT)
    (tmp_path / "fold-0-0").mkdir()
    (tmp_path / "report.json").write_text("{}")
    run_folder.prepare(settings.with_options(resume=True), SPLIT)
    assert (tmp_path / "fold-0-0").exists()
    run_folder.prepare(settings, SPLIT)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["settings.json", "split.json"]


def test_a_run_is_not_resumed_on_another_split(settings):
    run_folder.prepare(settings, SPLIT)
    with pytest.raises(SettingsError, match="is another split"):
        run_folder.prepare(settings.with_options(resume=True), Split("patient", ((("p2",), ("p1",)),)))


def test_the_weights_of_a_finished_run_are_recognised(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    assert run_folder.reported_sha256(tmp_path) is None
    for sha256 in (None, "0" * 64):
        (tmp_path / "report.json").write_text(json.dumps({"sha256": sha256}))
        assert run_folder.reported_sha256(tmp_path) is None
    sha256 = hashlib.sha256(b"weights").hexdigest()
    (tmp_path / "report.json").write_text(json.dumps({"sha256": sha256}))
    assert run_folder.reported_sha256(tmp_path) == sha256


def test_the_speed_is_the_median_of_all_epochs(tmp_path):
    assert run_folder.speed(tmp_path) is None
    for fold, rates in enumerate(([None, 10], [None, 20, 60])):
        (tmp_path / f"fold-0-{fold}").mkdir()
        rows = "".join(f"{k},{'' if rate is None else rate}\n" for k, rate in enumerate(rates))
        (tmp_path / f"fold-0-{fold}" / "log.csv").write_text("epoch,images_per_second\n" + rows)
    assert run_folder.speed(tmp_path) == 20
