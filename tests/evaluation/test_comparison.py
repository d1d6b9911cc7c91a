import argparse
import json
from dataclasses import replace

import numpy as np
import pytest

from dala.commands import compare as command
from dala.errors import DalaError
from dala.evaluation import bootstrap, metrics
from dala.evaluation.comparison import CompareError, compare, markdown
from dala.evaluation.predictions import Predictions
from dala.hub.report import ReportError


def predictions(quality, partitions=2, folds=3, seed=0):
    """24 patients of 2 pictures; logits that know the label `quality` times as well as they are noisy."""
    random = np.random.default_rng(seed)
    parts = []
    for k in range(partitions):
        patient = np.repeat(np.arange(24), 2)
        label = patient % 2
        logit = quality * (2 * label - 1) + random.normal(size=48)
        parts.append(
            Predictions(
                class_names=("benign", "malignant"),
                partition=np.full(48, k),
                fold=((patient // 2 + k * (patient // 6)) % folds),
                picture=np.array([f"{n:02d}.png" for n in range(48)]),
                label=label,
                patient=np.array([f"p{n}" for n in patient]),
                slide=np.array([f"p{n}" for n in patient]),
                magnification=np.full(48, "100X"),
                logits=np.stack([-logit, logit], 1).astype(np.float32),
            )
        )
    return Predictions.concatenate(parts)


def save(folder, predictions, title=None):
    folder.mkdir(parents=True)
    predictions.write(folder / "predictions.csv")
    if title:
        (folder / "report.json").write_text(json.dumps({"title": title}), encoding="utf-8")
    return folder


def run(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(a) for a in arguments]))


def test_the_command_writes_a_table_and_the_same_numbers(tmp_path, capsys):
    bad, good = save(tmp_path / "bad", predictions(0)), save(tmp_path / "good", predictions(9), "Wide | deep")
    out, table = tmp_path / "o.json", tmp_path / "o.md"
    assert run(bad, good, "--bootstrap", 200, "--json", out, "--markdown", table) == 0
    assert capsys.readouterr().out == table.read_text(encoding="utf-8")
    lines = table.read_text(encoding="utf-8").splitlines()
    assert [line.split(" | ")[0] for line in lines[:4]] == ["| Run", "| ---", "| bad", "| Wide \\| deep"]
    assert len({line.replace("\\|", "").count("|") for line in lines[:4]}) == 1
    assert lines[3].count("1.000 [1.00, 1.00]") == 5
    assert "| 2 × 3 |" in lines[2]
    assert lines[2].endswith("| – | – |")
    numbers = json.loads(out.read_text(encoding="utf-8"))
    assert (numbers["against"], numbers["resamples"]) == ("bad", 200)
    good = numbers["runs"]["Wide | deep"]
    assert good["difference"]["auc"]["p"] == 1 / 200
    assert "p ≤ 0.005" in lines[3]
    assert numbers["runs"]["bad"]["folds"] == [3, 3]


def test_figures_are_means_over_partitions_and_what_metrics_gives():
    one = predictions(0.5)
    result = compare({"a": one}, "a", 50)["runs"]["a"]
    parts = one.partitions()
    for name in metrics.FIGURES:
        values = [getattr(metrics.report(p.label, p.probabilities(), p.patient), name) for p in parts]
        assert result["figures"][name]["value"] == pytest.approx(np.mean(values), abs=1e-6)
    stacked = np.stack([p.probabilities() for p in parts])
    low, high = bootstrap.intervals(parts[0].label, stacked, parts[0].patient, 50)["auc"]
    assert result["figures"]["auc"] == pytest.approx({**result["figures"]["auc"], "low": low, "high": high}, abs=1e-6)


def test_identical_runs_do_not_differ(tmp_path, capsys):
    folders = [save(tmp_path / name, predictions(0.5)) for name in "ab"]
    assert run(*folders, "--bootstrap", 100, "--json", tmp_path / "o.json") == 0
    difference = json.loads((tmp_path / "o.json").read_text())["runs"]["b"]["difference"]
    for name in ("auc", "balanced_accuracy", "patient_auc"):
        assert difference[name] == {"value": 0, "low": 0, "high": 0, "p": 1}
    assert "p = 1.000" in capsys.readouterr().out


def test_perfect_against_random():
    result = compare({"random": predictions(0), "perfect": predictions(9, seed=1)}, "random", 300)
    for name in ("auc", "balanced_accuracy"):
        d = result["runs"]["perfect"]["difference"][name]
        assert d["value"] > d["low"] > 0
        assert d["p"] <= 0.01


def test_the_reference_may_be_any_run(tmp_path):
    a, b, c = (save(tmp_path / name, predictions(q)) for name, q in (("a", 0), ("b", 1), ("c", 9)))
    assert run(a, b, "--against", c, "--bootstrap", 100, "--json", tmp_path / "o.json") == 0
    numbers = json.loads((tmp_path / "o.json").read_text())
    assert (numbers["against"], list(numbers["runs"])) == ("c", ["a", "b", "c"])
    assert numbers["runs"]["a"]["difference"]["auc"]["value"] < 0
    assert "difference" not in numbers["runs"]["c"]


def test_only_shared_partitions_are_paired():
    many, few = predictions(0.5, partitions=3), predictions(0.5, partitions=1)
    # Of three partitions the first alone is as good as the other run; the rest is perfect.
    perfect = np.where(many.label[:, None] == [0, 1], 5.0, -5.0)
    better = replace(many, logits=np.where(many.partition[:, None] == 0, many.logits, perfect))
    result = compare({"few": few, "many": better}, "few", 50)["runs"]["many"]
    assert result["difference"]["partitions"] == 1
    assert result["difference"]["auc"]["value"] == 0
    assert result["partitions"] == 3
    none = replace(few, partition=few.partition + 7)
    with pytest.raises(CompareError, match="no partition in common"):
        compare({"few": few, "none": none}, "few", 50)


def test_another_split_is_refused(tmp_path):
    a, b = save(tmp_path / "a", predictions(1)), save(tmp_path / "b", predictions(1, folds=4))
    with pytest.raises(CompareError, match="not of the same split: partition 0 has patient p") as error:
        run(a, b)
    assert isinstance(error.value, DalaError)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda p: replace(p, picture=np.char.replace(p.picture, "07", "99")), "1 pictures that a has not, .* as 99"),
        (lambda p: p.partitions()[0].take(np.arange(40)), "0 pictures that a has not, and lacks 8"),
        (lambda p: replace(p, label=1 - p.label), "another label"),
        (lambda p: replace(p, patient=np.char.replace(p.patient, "p3", "p4")), "another patient"),
        (lambda p: replace(p, class_names=("benign", "cancer")), "equal classes"),
        (lambda p: p.take(np.arange(90)), "Partition 1 of b has 0 pictures"),
    ],
)
def test_other_pictures_are_refused(change, sentence):
    with pytest.raises(CompareError, match=sentence):
        compare({"a": predictions(1), "b": change(predictions(1))}, "a", 20)


def test_what_cannot_be_read_or_told_apart_is_refused(tmp_path):
    a = save(tmp_path / "a", predictions(1), "same")
    b = save(tmp_path / "b", predictions(1), "same")
    with pytest.raises(CompareError, match="both called a"):
        run(a, save(tmp_path / "other" / "a", predictions(1), "same"))
    with pytest.raises(DalaError, match="No such file"):
        run(tmp_path / "none")
    with pytest.raises(DalaError, match="one resample"):
        run(a, "--bootstrap", 0)
    (b / "report.json").write_text("{")
    with pytest.raises(ReportError, match="is not JSON"):
        run(a, b)
    with pytest.raises(DalaError, match="No such file"):
        run(a, "--bootstrap", 10, "--json", tmp_path / "no" / "o.json")
    with pytest.raises(CompareError, match="no run c"):
        compare({"a": predictions(1)}, "c", 10)


def test_an_undefined_figure_is_a_dash():
    one = predictions(1, partitions=1)
    three = replace(one, class_names=("a", "b", "c"), logits=np.concatenate([one.logits, one.logits[:, :1] - 9], 1))
    result = compare({"x": three, "y": three}, "x", 20)
    assert result["runs"]["y"]["figures"]["auc"] == {"value": None, "low": None, "high": None}
    assert result["runs"]["y"]["difference"]["auc"]["p"] is None
    cells = markdown(result).splitlines()[3].split(" | ")
    assert (cells[1], cells[7]) == ("–", "–")
    assert cells[2] != "–"
