import numpy as np
import pytest
from scipy.special import log_softmax

from dala.evaluation import calibration
from dala.evaluation.calibration import expected_calibration_error, temperature
from dala.evaluation.predictions import Predictions


def drawn(n, scale, classes=2, seed=0):
    """Logits that are `scale` times too large for labels drawn from their softmax."""
    random = np.random.default_rng(seed)
    true = random.normal(size=(n, classes)) * 2
    labels = (true + random.gumbel(size=true.shape)).argmax(1)
    return true * scale, labels


def run(scales, n=4000, patients=40):
    """One partition whose fold k has logits scales[k] times too large."""
    fold = np.arange(n) % len(scales)
    logits, labels = drawn(n, 1)
    logits *= np.array(scales)[fold][:, None]
    names = np.array([f"{k:06d}" for k in range(n)])
    patient = np.array([f"p{k % patients}" for k in range(n)])
    blank = np.full(n, "")
    return Predictions(("a", "b"), np.zeros(n, int), fold, names, labels, patient, patient, blank, logits)


@pytest.mark.parametrize("scale", [0.3, 1, 4])
@pytest.mark.parametrize("classes", [2, 5])
def test_a_known_temperature_is_found(scale, classes):
    assert temperature(*drawn(20000, scale, classes)) == pytest.approx(scale, rel=0.05)


def test_no_other_temperature_is_likelier():
    logits, labels = drawn(300, 3)
    weights = np.random.default_rng(1).random(300)

    def loss(t):
        return -np.sum(weights * log_softmax(logits / t, axis=1)[np.arange(300), labels])

    t = temperature(logits, labels, weights)
    assert all(loss(t) <= loss(other) for other in np.geomspace(*calibration.TEMPERATURES, 2000))
    assert t != temperature(logits, labels)


def test_a_weight_is_a_number_of_copies():
    logits, labels = drawn(200, 2)
    weights = np.random.default_rng(0).integers(0, 4, 200)
    copies = temperature(np.repeat(logits, weights, 0), np.repeat(labels, weights))
    assert temperature(logits, labels, weights) == pytest.approx(copies, rel=1e-4)


def test_the_temperature_stays_in_its_bounds():
    low, high = calibration.TEMPERATURES
    logits = np.array([[0.3, 0.0], [0.0, 0.3]])
    assert temperature(logits, np.array([0, 1])) == pytest.approx(low, rel=1e-3)
    assert temperature(logits, np.array([1, 0])) == pytest.approx(high, rel=1e-3)


def test_ece_by_hand():
    labels = np.array([0, 0, 1, 1])
    p = np.array([[0.7, 0.3], [0.3, 0.7], [0.35, 0.65], [0.05, 0.95]])
    # (0.6, 0.7] holds 0.7 right, 0.7 wrong and 0.65 right: 2 right of 2.05 expected. (0.9, 1] holds 0.95 right.
    assert expected_calibration_error(labels, p) == pytest.approx((0.05 + 0.05) / 4)
    # Without the wrong one: 2 of 1.35.
    assert expected_calibration_error(labels, p, np.array([1, 0, 1, 2])) == pytest.approx((0.65 + 2 * 0.05) / 4)


def test_a_bin_holds_its_upper_edge():
    # 0.8 right and 0.80001 wrong fall into different bins, 0.8 and 0.79 into one.
    labels = np.array([0, 1])
    apart = np.array([[0.8, 0.2], [0.80001, 0.19999]])
    assert expected_calibration_error(labels, apart) == pytest.approx((0.2 + 0.80001) / 2)
    together = np.array([[0.8, 0.2], [0.79, 0.21]])
    assert expected_calibration_error(labels, together) == pytest.approx(abs(1 - 1.59) / 2)


def test_certain_and_right_is_calibrated():
    assert expected_calibration_error(np.array([0, 1]), np.eye(2)) == 0
    assert expected_calibration_error(np.array([1, 0]), np.eye(2)) == 1


def test_ece_falls_on_overconfident_logits_and_no_prediction_changes():
    predictions = run([4, 4, 4, 4])
    before, after = predictions.probabilities(), calibration.cross_fitted(predictions)
    assert expected_calibration_error(predictions.label, before) > 0.1
    assert expected_calibration_error(predictions.label, after) < 0.03
    assert np.array_equal(after.argmax(1), before.argmax(1))
    assert after.sum(1) == pytest.approx(np.ones(len(after)))


def test_a_folds_own_labels_have_no_part_in_its_temperature():
    predictions = run([1, 2, 3])
    mine = predictions.fold == 1
    flipped = Predictions(
        **{**vars(predictions), "label": np.where(mine, 1 - predictions.label, predictions.label)},
    )
    before, after = calibration.cross_fitted(predictions), calibration.cross_fitted(flipped)
    assert np.array_equal(before[mine], after[mine])
    assert not np.allclose(before[~mine], after[~mine])


def test_a_temperature_is_of_the_other_folds_of_the_partition():
    predictions = run([1, 3])
    p, z = calibration.cross_fitted(predictions), predictions.logits
    scale = (z[:, 0] - z[:, 1]) / (np.log(p[:, 0]) - np.log(p[:, 1]))
    assert scale[predictions.fold == 0] == pytest.approx(np.full(2000, 3), rel=0.1)
    assert scale[predictions.fold == 1] == pytest.approx(np.full(2000, 1), rel=0.1)


def test_a_single_fold_is_left_alone():
    predictions = run([4])
    assert np.array_equal(calibration.cross_fitted(predictions), predictions.probabilities())


def test_balanced_weights_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 1])
    patients = np.array(["a", "a", "b", "c", "c", "c"])
    weights = calibration.balanced_weights(labels, patients)
    assert weights == pytest.approx(np.array([1 / 8, 1 / 8, 1 / 4, 1 / 6, 1 / 6, 1 / 6]))
