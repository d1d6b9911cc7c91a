import numpy as np
import pytest

from dala import metrics


def test_by_hand():
    # Four pictures of two patients; one of class 0 is taken for class 1.
    labels = np.array([0, 0, 1, 1])
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]])
    r = metrics.report(labels, scores, np.array(["a", "a", "b", "b"]))
    assert (r.images, r.patients) == (4, 2)
    assert r.auc == 1
    assert r.patient_auc == 1
    assert r.accuracy == 0.75
    assert r.recall == [0.5, 1]
    assert r.balanced_accuracy == 0.75
    assert r.f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert r.gmean == pytest.approx((0.5 * 1) ** 0.5)
    # IBA of a class: (1 + 0.1 (sensitivity - specificity)) sensitivity specificity
    assert r.iba == pytest.approx(((1 - 0.1 * 0.5) * 0.5 + (1 + 0.1 * 0.5) * 0.5) / 2)


def test_gmean_and_iba_punish_imbalance():
    # Sensitivity 0.2, specificity 1: balanced accuracy hides what the geometric mean shows.
    labels = np.array([0] * 5 + [1] * 5)
    p = np.array([0.1] * 5 + [0.9] + [0.1] * 4)
    r = metrics.report(labels, np.stack([1 - p, p], 1), np.arange(10))
    assert r.balanced_accuracy == pytest.approx(0.6)
    assert r.gmean == pytest.approx(0.2**0.5)
    assert r.iba == pytest.approx((1 - 0.1 * 0.8) * 0.2 / 2 + (1 + 0.1 * 0.8) * 0.2 / 2)


def test_auc_counts_pairs():
    labels = np.array([0, 0, 1, 1, 1])
    p = np.array([0.1, 0.6, 0.5, 0.7, 0.9])
    r = metrics.report(labels, np.stack([1 - p, p], 1), np.arange(5))
    assert r.auc == pytest.approx(5 / 6)


def test_a_patients_score_is_the_mean_of_the_pictures():
    labels = np.array([0, 0, 1, 1])
    p = np.array([0.9, 0.1, 0.2, 0.9])
    r = metrics.report(labels, np.stack([1 - p, p], 1), np.array([1, 1, 2, 2]))
    assert r.patient_auc == 1
    assert r.auc == pytest.approx(0.625)


@pytest.mark.filterwarnings("ignore")
def test_one_class_alone_has_no_auc_and_the_json_says_so():
    r = metrics.report(np.zeros(3, int), np.full((3, 2), 0.5), np.arange(3))
    assert np.isnan(r.auc)
    assert r.to_json()["auc"] is None


def test_three_classes():
    labels = np.array([0, 1, 2] * 4)
    scores = np.eye(3)[labels] * 0.6 + 0.4 / 3
    r = metrics.report(labels, scores, np.arange(12))
    assert (r.auc, r.f1, r.gmean, r.iba) == (1, 1, 1, 1)
