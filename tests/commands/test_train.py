"""`dala train` with splits that come with the pictures, by its command line."""

import json

import numpy as np
import pytest
from PIL import Image

from dala import cli
from dala.evaluation.predictions import Predictions


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two classes of different colour in train, val and test, and a table of the same pictures in two folds."""
    folder = tmp_path_factory.mktemp("set")
    rng, rows = np.random.default_rng(0), ["picture;fold"]
    for side in ("train", "val", "test"):
        for k, kind in enumerate(("benign", "malignant")):
            for n in range(3):
                place = folder / side / kind / f"{side}{kind}{n}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                noise = rng.integers(60 + 60 * k, 160 + 60 * k, (40, 40, 3), dtype=np.uint8)
                Image.fromarray(noise).save(place)
                rows.append(f"{place.name};{n % 2}")
    table = folder.with_name("folds.csv")
    table.write_text("\n".join(rows))
    return folder


def train(root, out, *more):
    options = ["--format", "folder", "--network", "colour", "--height", "40", "--width", "40", "--device", "cpu"]
    return cli.main(["train", "--data", str(root), *options, "--out", str(out), *map(str, more)])


def test_the_split_of_folders_is_used_if_it_is_asked_for(root, tmp_path, capsys):
    assert train(root, tmp_path, "--split", "given") == 0
    text = capsys.readouterr().out
    assert "Found 18 pictures: benign 9, malignant 9; the patients are not known." in text
    assert "test is held out; val is trained on" in text
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["protocol"] == "holdout" and report["given_split"] == "the folders test, train, val"
    assert report["patients_on_both_sides"] == 0 and report["provenance"]["patients"] is None
    scored = Predictions.read(tmp_path / "predictions.csv").picture
    assert len(scored) == 6 and all(name.startswith("test") for name in scored)
    assert json.loads((tmp_path / "split.json").read_text())["given"] == report["given_split"]
    # The file of the run gives the same split again.
    assert train(root, tmp_path / "again", "--split-file", tmp_path / "split.json") == 0
    assert (tmp_path / "again" / "split.json").read_text() == (tmp_path / "split.json").read_text()


def test_a_table_of_folds_is_used_and_other_splits_are_said(root, tmp_path, capsys):
    assert train(root, tmp_path, "--split-file", root.with_name("folds.csv")) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["protocol"] == "patient" and report["given_split"] == "folds.csv" and report["scores"]["folds"] == 2
    assert "the folders test, train, val (train 6, val 6, test 6 pictures)" in report["given_splits"]
    capsys.readouterr()
    assert train(root, tmp_path / "own", "--folds", "3") == 0
    assert "The split that comes with the pictures is not used" in capsys.readouterr().out


def test_the_command_line_names_the_option_that_helps(root, tmp_path, capsys):
    assert cli.main(["train", "--data", str(root), "--out", str(tmp_path)]) == 2
    assert "Use --format folder." in capsys.readouterr().err
    assert train(root / "train", tmp_path, "--split", "given") == 2
    assert "comes with no split" in (error := capsys.readouterr().err) and "--split-file FILE" in error
