"""What a cross-validated run is summed up to."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest

from dala.evaluation import calibration, metrics
from dala.evaluation import summary as evaluation_summary
from dala.evaluation.predictions import Predictions
from tests.support.runs import predictions


def by_hand() -> Predictions:
    """Two partitions of five pictures of three patients; the second partition gets picture b wrong."""
    rows = [
        # patient, slide, picture, label, whether right in partitions 0 and 1
        ("q", "q1", "a", 0, (True, True)),
        ("q", "q2", "b", 0, (True, False)),
        ("r", "r1", "c", 1, (False, False)),
        ("r", "r1", "d", 1, (True, True)),
        ("s", "s1", "e", 1, (True, True)),
    ]
    table = [
        (k, patient, slide, picture, label, right[k]) for k in (0, 1) for patient, slide, picture, label, right in rows
    ]
    partition, patient, slide, picture, label, right = map(np.array, zip(*table, strict=True))
    predicted = np.where(right, label, 1 - label)
    # A logit of log 3 is a probability of 3/4.
    logits = np.eye(2, dtype=np.float32)[predicted] * np.log(3).astype(np.float32)
    none = np.array([""] * len(table))
    return Predictions(
        ("no", "yes"), partition, np.zeros(len(table), int), picture, label, patient, slide, none, logits
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"classes": 3},
        {"partitions": 1, "folds": 1},
        {"zooms": ("40X", "100X")},
        {"by_image": True},
        {"patients": 6, "folds": 6, "partitions": 1},
    ],
)
def test_a_summary_is_plain_json_without_a_warning(options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary = evaluation_summary.summary(predictions(**options), 50)
    assert summary == json.loads(json.dumps(summary, allow_nan=False))
    assert summary["figures"].keys() == set(metrics.FIGURES)
    for value, low, high in summary["figures"].values():
        assert value is None or low <= high
    assert len(summary["by_partition"]) == summary["partitions"] == len(summary["by_fold"])
    assert all(sum(fold["images"] for fold in part) == summary["images"] for part in summary["by_fold"])


def test_by_patient_by_hand():
    worst, middle, best = evaluation_summary.by_patient(by_hand())
    assert worst == {"patient": "r", "slides": ["r1"], "label": "yes", "images": 2, "right": 0.5, "probability": 0.5}
    # Three of four are right: 3/4 of 3/4, and 1/4 of 1/4.
    assert middle == {
        "patient": "q", "slides": ["q1", "q2"], "label": "no", "images": 2, "right": 0.75, "probability": 0.625
    }  # fmt: skip
    assert best == {"patient": "s", "slides": ["s1"], "label": "yes", "images": 1, "right": 1.0, "probability": 0.75}


def test_the_confusion_by_hand():
    first, second = by_hand().partitions()
    assert evaluation_summary.confusion(first).tolist() == [[2, 0], [1, 2]]
    assert evaluation_summary.confusion(second).tolist() == [[1, 1], [1, 2]]
    assert evaluation_summary.summary(by_hand(), 20)["confusion"] == [[1.5, 0.5], [1.0, 2.0]]


def test_counts_of_what_is_distinct():
    summary = evaluation_summary.summary(by_hand(), 20)
    assert [summary[k] for k in ("images", "patients", "slides", "partitions", "folds")] == [5, 3, 4, 2, 1]
    assert summary["by_magnification"] == {}
    assert summary["temperatures"] == [[1.0], [1.0]]


def test_confidence_is_scored_after_calibration_and_ranking_before():
    run, expected = predictions(), {}
    for scored, names in (
        (run, set(metrics.FIGURES) - {"brier", "ece"}),
        (evaluation_summary.calibrated(run), {"brier", "ece"}),
    ):
        parts = scored.partitions()
        every = metrics.figures(parts[0].label, np.stack([p.probabilities() for p in parts]), parts[0].patient)
        expected |= {name: every[name] for name in names}
    summary = evaluation_summary.summary(run, 50)
    assert {k: v[0] for k, v in summary["figures"].items()} == pytest.approx(expected, abs=0.00006)
    assert summary["uncalibrated"]["ece"] > summary["figures"]["ece"][0]


def test_calibration_divides_by_the_temperatures_that_are_told():
    run = predictions(classes=3)
    scaled, temperatures = evaluation_summary.calibrated(run), evaluation_summary.summary(run, 20)["temperatures"]
    assert np.allclose(scaled.probabilities(), calibration.cross_fitted(run), rtol=1e-9)
    divisor = np.array([temperatures[p][f] for p, f in zip(run.partition, run.fold, strict=True)])
    expected = replace(run, logits=run.logits / divisor[:, None]).probabilities()
    assert np.allclose(scaled.probabilities(), expected, atol=1e-4)
    assert (scaled.logits.argmax(1) == run.logits.argmax(1)).all()


def test_a_certain_network_stays_finite():
    run = predictions(partitions=1, folds=1)
    sure = replace(run, logits=np.float32(2000) * np.eye(2, dtype=np.float32)[run.label])
    assert evaluation_summary.summary(sure, 20)["figures"]["auc"] == [1.0, 1.0, 1.0]


def test_magnifications_are_scored_apart():
    run = predictions(zooms=("100X", "40X"))
    apart = evaluation_summary.summary(run, 50)["by_magnification"]
    assert list(apart) == ["40X", "100X"]
    assert sum(row["images"] for row in apart.values()) == 96
    scaled = evaluation_summary.calibrated(run)
    rows = scaled.magnification == "40X"
    right = (scaled.logits.argmax(1) == scaled.label)[rows]
    assert apart["40X"]["figures"]["accuracy"][0] == pytest.approx(right.mean(), abs=0.00006)


def test_partitions_that_hold_out_other_pictures_have_no_interval():
    run = predictions(partitions=2, folds=1)
    keep = (run.partition == 0) == (run.picture < "048.png")
    names = ("partition", "fold", "picture", "label", "patient", "slide", "magnification", "logits")
    halves = replace(run, **{name: getattr(run, name)[keep] for name in names})
    value, low, high = evaluation_summary.summary(halves, 50)["figures"]["accuracy"]
    assert value == pytest.approx((halves.logits.argmax(1) == halves.label).mean(), abs=0.00006)
    assert low is None and high is None
