"""Scores on one laboratory against scikit-learn, and what few patients or one class leave undefined."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from dala.evaluation import bootstrap, held_out, summary
from dala.evaluation.predictions import Predictions
from tests.support.runs import predictions


def test_scores_are_scikit_learns():
    run = predictions(partitions=1)
    scored = held_out.score(run, 200)
    malignant = softmax(run.logits.astype(float), axis=1)[:, 1]
    called = run.logits.argmax(1)
    assert scored["auc"][0] == pytest.approx(roc_auc_score(run.label, malignant), abs=5e-5)
    assert scored["balanced_accuracy"][0] == pytest.approx(balanced_accuracy_score(run.label, called), abs=5e-5)
    expected = (called[run.label == 0].mean() + called[run.label == 1].mean()) / 2
    assert scored["called"][0] == pytest.approx(expected, abs=5e-5)
    for key in ("auc", "balanced_accuracy", "called"):
        value, low, high = scored[key]
        assert low < value < high


def test_classes_weigh_the_same_in_the_share_called_malignant():
    run = predictions(partitions=1)
    rows = np.flatnonzero((run.label == 1) | (np.arange(len(run.label)) < 8))
    part = run.take(rows)
    called = part.logits.argmax(1)
    assert (part.label == 0).sum() == 4
    expected = np.mean([called[part.label == c].mean() for c in (0, 1)])
    assert held_out.score(part, 50)["called"][0] == pytest.approx(expected, abs=5e-5)


def test_partitions_are_averaged():
    run = predictions(partitions=3)
    each = [held_out.score(part, 20)["auc"][0] for part in run.partitions()]
    assert held_out.score(run, 20)["auc"][0] == pytest.approx(np.mean(each), abs=1e-4)


def test_one_class_has_no_auc():
    run = predictions(partitions=1)
    benign = run.take(run.label == 0)
    scored = held_out.score(benign, 50)
    assert scored["auc"] == scored["balanced_accuracy"] == [None] * 3
    assert scored["called"][0] == pytest.approx((benign.logits.argmax(1) == 1).mean(), abs=5e-5)
    about = held_out.describe(benign, "Another", "outside")
    assert about["classes"] == {"benign": 48, "malignant": 0}
    assert about["notes"] == ["One class alone: there is no AUC and no balanced accuracy."]


def test_few_patients_have_no_interval_and_an_auc_each():
    run = predictions(partitions=1)
    # Three patients of both classes, the last one with only four malignant pictures.
    few = run.take(np.arange(44))
    few = Predictions(**{**vars(few), "patient": np.repeat(["a", "b", "c"], [16, 16, 12])})
    scored = held_out.score(few, 50)
    assert scored["auc"][1:] == scored["called"][1:] == [None, None]
    assert list(scored["by_group"]) == ["a", "b"]
    inside = few.patient == "b"
    malignant = few.probabilities()[:, 1]
    assert scored["by_group"]["b"] == pytest.approx(roc_auc_score(few.label[inside], malignant[inside]), abs=5e-5)
    assert held_out.describe(few, "Another", "outside")["notes"] == ["3 patients are too few for an interval."]


def test_unknown_patients_are_said():
    run = predictions(partitions=1)
    alone = Predictions(**{**vars(run), "patient": run.picture})
    about = held_out.describe(alone, "Tiles", "outside")
    assert (about["by"], about["groups"], about["pictures"]) == ("picture", 96, 96)
    assert "too narrow" in about["notes"][0]
    assert not held_out.same_pictures(run, run.take(np.arange(5))) and held_out.same_pictures(run, alone)


def test_failures_are_the_most_confident_of_each_patient():
    run = predictions(partitions=2)
    rows = summary.failures(run, 5)
    assert len(rows) == 5 and len({row["patient"] for row in rows}) == 5
    assert [r["probability"] for r in rows] == sorted((r["probability"] for r in rows), reverse=True)
    means = np.mean([part.probabilities() for part in run.partitions()], axis=0)
    first = run.partitions()[0]
    wrong = means.argmax(1) != first.label
    k = np.flatnonzero(wrong)[means.max(1)[wrong].argmax()]
    assert rows[0]["picture"] == first.picture[k] and rows[0]["label"] != rows[0]["predicted"]
    assert rows[0]["probability"] == pytest.approx(means.max(1)[k], abs=5e-5)


def test_the_interval_of_class_means_is_that_of_balanced_accuracy():
    run = predictions(partitions=3)
    parts = run.partitions()
    probabilities = np.stack([part.probabilities() for part in parts])
    label, patient = parts[0].label, parts[0].patient
    right = probabilities.argmax(2) == label
    _, low, high = bootstrap.class_mean_interval(label, right, patient, 300)
    assert (low, high) == pytest.approx(bootstrap.intervals(label, probabilities, patient, 300)["balanced_accuracy"])
