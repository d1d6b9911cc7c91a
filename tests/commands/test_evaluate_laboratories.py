"""`dala evaluate laboratories` on small scored folders."""

import argparse
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dala import cli
from dala.commands import evaluate_laboratories as command
from dala.evaluation.predictions import Predictions
from dala.hub import laboratories as hub
from dala.hub.laboratories import LaboratoriesFileError
from dala.publishing.runs import PublicationError
from tests.support.runs import predictions, save


def run(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(a) for a in (*arguments, "--bootstrap", 40)]))


def score(folder, run, title="Tissue tiles"):
    """A laboratory as the end of training or `dala evaluate` scores it."""
    save(folder, run, protocol="external")
    report = json.loads((folder / "report.json").read_text()) | {"provenance": {"data": title, "images": 96}}
    (folder / "report.json").write_text(json.dumps(report))


@pytest.fixture
def runs(tmp_path):
    for name, quality, outside in (("dala", 1.6, 0.8), ("colour", 0.5, 0.7)):
        save(tmp_path / name, predictions(quality), name)
        save(tmp_path / f"{name}-less", predictions(quality, seed=1), name)
        (tmp_path / f"{name}-less" / "laboratories").mkdir()
        score(tmp_path / f"{name}-less" / "laboratories" / "tiles", predictions(outside, partitions=1, seed=5))
        (tmp_path / name / "shifts").mkdir()
        predictions(quality, partitions=1, seed=7).write(tmp_path / name / "shifts" / "blur.csv")
    return tmp_path


def rows(runs):
    return ["--row", runs / "dala", runs / "dala-less", "--row", f"colour only={runs / 'colour'}", runs / "colour-less"]


def test_the_table_is_the_scores_of_the_folders(runs, capsys):
    out = runs / "out"
    assert run(*rows(runs), "--out", out) == 0
    table = hub.read(out / "laboratories.json")
    assert list(table["laboratories"]) == ["home", "tiles", "blur"]
    assert [row["kind"] for row in table["laboratories"].values()] == ["home", "outside", "shift"]
    assert table["laboratories"]["home"]["title"] == "BreakHis 100X, patients held out"
    assert list(table["recipes"]) == ["dala", "colour only"]
    scored = Predictions.read(runs / "dala-less" / "laboratories" / "tiles" / "predictions.csv")
    row = table["recipes"]["dala"]["scores"]["tiles"]
    assert row["auc"][0] == pytest.approx(roc_auc_score(scored.label, scored.probabilities()[:, 1]), abs=5e-5)
    assert len(row["failures"]) == 3 and "failures" not in table["recipes"]["colour only"]["scores"]["tiles"]
    assert (out / "laboratories.png").is_file()
    assert table["command"] == (
        'python -m dala evaluate laboratories --row dala dala-less --row "colour only=colour" colour-less --out OUT'
    )
    assert "Tissue tiles (96 pictures, 24 patients)" in capsys.readouterr().out


def test_a_folder_of_dala_evaluate_is_a_laboratory(runs):
    score(runs / "idc", predictions(1.0, partitions=1, seed=3), "IDC")
    assert run("--row", runs / "dala", runs / "idc", "--out", runs / "out") == 0
    table = hub.read(runs / "out" / "laboratories.json")
    assert table["laboratories"]["idc"]["title"] == "IDC"
    # One recipe is no comparison.
    assert not (runs / "out" / "laboratories.png").exists()


def test_a_failures_probability_is_scaled_by_the_temperature(runs):
    one = predictions(1.0, partitions=1, seed=3)
    score(runs / "idc", one, "IDC")
    run("--row", runs / "dala", runs / "idc", "--out", runs / "out")
    row = hub.read(runs / "out" / "laboratories.json")["recipes"]["dala"]["scores"]["idc"]["failures"][0]
    logits = one.logits[one.picture == row["picture"]][0].astype(float) / 1.25
    assert row["probability"] == pytest.approx(1 / (1 + np.exp(logits.min() - logits.max())), abs=5e-5)


def trained_on_tiles(runs):
    report = json.loads((runs / "dala-less" / "report.json").read_text())
    report["provenance"]["sources"] = [
        {
            "title": "Tissue tiles", "laboratory": "x", "images": 1, "patients": None, "classes": {}, "weight": 1.0,
            "zoom": None, "licence": None,
        }
    ]  # fmt: skip
    (runs / "dala-less" / "report.json").write_text(json.dumps(report))
    return rows(runs)


def inner(runs):
    save(runs / "inner", predictions(), inner=True)
    return ["--row", runs / "inner"]


def twice(runs):
    score(runs / "tiles", predictions(1.0, partitions=1), "Tissue tiles")
    return ["--row", runs / "dala", runs / "dala-less", runs / "tiles"]


def other_pictures(runs):
    folder = runs / "colour-less" / "laboratories" / "tiles"
    scored = Predictions.read(folder / "predictions.csv")
    scored.take(np.arange(40)).write(folder / "predictions.csv")
    return rows(runs)


def unknown_shift(runs):
    (runs / "dala" / "shifts" / "blur.csv").rename(runs / "dala" / "shifts" / "fog.csv")
    return rows(runs)


@pytest.mark.parametrize(
    ("arrange", "sentence"),
    [
        (trained_on_tiles, "Tissue tiles is among the pictures that .*dala-less was trained on"),
        (inner, "was not scored on held-out patients"),
        (twice, "scores tiles, which another folder"),
        (other_pictures, "dala and colour only scored other pictures of Tissue tiles"),
        (unknown_shift, "there is no shift of this name; there are stain, "),
        (lambda runs: ["--row", runs / "dala", "--row", f"dala={runs / 'colour'}"], "Two rows are called dala"),
        (lambda runs: ["--row", f"={runs / 'dala'}"], "write the title before the sign"),
    ],
)
def test_what_cannot_be_collected(runs, arrange, sentence):
    with pytest.raises(PublicationError, match=sentence):
        run(*arrange(runs), "--out", runs / "out")
    assert not (runs / "out").exists()


def test_the_command_is_found_under_evaluate(tmp_path, capsys):
    assert cli.main(["evaluate", "laboratories", "--row", str(tmp_path / "no"), "--out", str(tmp_path / "out")]) == 2
    assert "report.json" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"recipes": 3}'])
def test_a_damaged_table_is_one_sentence(tmp_path, content):
    (tmp_path / "laboratories.json").write_text(content)
    with pytest.raises(LaboratoriesFileError):
        hub.read(tmp_path / "laboratories.json")
