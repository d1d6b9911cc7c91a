import imblearn.metrics
import numpy as np
import pytest
import sklearn.metrics

from dala.evaluation import bootstrap, metrics
from dala.evaluation.calibration import expected_calibration_error

# Patient a has three benign pictures on two slides, b one malignant one, c two malignant ones on two slides.
LABELS = np.array([0, 0, 0, 1, 1, 1])
MALIGNANT = np.array([0.1, 0.2, 0.6, 0.4, 0.7, 0.9])
PATIENTS = np.array(["a", "a", "a", "b", "c", "c"])
SLIDES = np.array(["1", "1", "2", "3", "4", "5"])


def two(p):
    return np.stack([1 - p, p], -1)


def patients_of(classes, k, pictures, seed):
    """Random pictures of k patients, each of one class: labels, probabilities, patients."""
    random = np.random.default_rng(seed)
    count = np.resize(pictures, k)
    patients = np.repeat(np.arange(k), count)
    labels = (np.arange(k) % classes)[patients]
    # Rounded, so that scores tie.
    logits = np.round(random.normal(size=(len(labels), classes)) + np.eye(classes)[labels], 1)
    e = np.exp(logits)
    return labels, e / e.sum(1, keepdims=True), patients


def test_every_figure_by_hand_where_pictures_weigh_the_same():
    r = metrics.report(LABELS, two(MALIGNANT), PATIENTS, SLIDES)
    assert (r.images, r.patients, r.slides) == (6, 3, 5)
    assert r.auc == pytest.approx(8 / 9)
    assert r.average_precision == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert r.accuracy == pytest.approx(4 / 6)
    assert r.recall == pytest.approx([2 / 3, 2 / 3])
    assert r.balanced_accuracy == pytest.approx(2 / 3)
    assert r.precision_per_class == pytest.approx([2 / 3, 2 / 3])
    assert r.precision == pytest.approx(2 / 3)
    assert r.specificity == pytest.approx(2 / 3)
    assert r.f1 == pytest.approx(2 / 3)
    assert r.gmean == pytest.approx(2 / 3)
    assert r.iba == pytest.approx(4 / 9)
    assert r.brier == pytest.approx((0.01 + 0.04 + 0.36 + 0.36 + 0.09 + 0.01) / 6)
    # Of confidence 0.9 two, both right; 0.8 one, right; 0.7 one, right; 0.6 two, both wrong.
    assert r.ece == pytest.approx((2 * 0.1 + 0.2 + 0.3 + 2 * 0.6) / 6)


def test_every_figure_by_hand_where_patients_weigh_the_same():
    r = metrics.report(LABELS, two(MALIGNANT), PATIENTS).by_patient
    assert r.auc == pytest.approx((1 * 2 / 3 + 1) / 2)
    assert r.average_precision == pytest.approx((0.5 + 0.5 + 6 / 7) / 2)
    assert r.accuracy == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert r.recall == pytest.approx([2 / 3, 1 / 2])
    assert r.balanced_accuracy == pytest.approx(7 / 12)
    assert r.precision_per_class == pytest.approx([2 / 5, 3 / 4])
    assert r.precision == pytest.approx((2 / 5 + 3 / 4) / 2)
    assert r.specificity == pytest.approx(2 / 3)
    assert r.f1 == pytest.approx((0.5 + 0.6) / 2)
    assert r.gmean == pytest.approx((1 / 3) ** 0.5)
    # (1 + 0.1 (sensitivity - specificity)) sensitivity specificity, of both classes
    assert r.iba == pytest.approx(((1 - 0.1 / 6) / 3 + (1 + 0.1 / 6) / 3) / 2)
    assert r.brier == pytest.approx(((0.01 + 0.04 + 0.36) / 3 + 0.36 + (0.09 + 0.01) / 2) / 3)
    assert r.ece == pytest.approx(((0.1 / 3 + 0.1 / 2) + 0.2 / 3 + (0.6 / 3 + 0.6) + 0.3 / 2) / 3)


def test_patients_and_slides_by_hand():
    r = metrics.report(LABELS, two(MALIGNANT), PATIENTS, SLIDES)
    # Mean probabilities 0.3, 0.4 and 0.8: b is ranked right but falls on the wrong side.
    assert r.patient_auc == 1
    assert (r.patients_right, r.patient_accuracy) == (2, pytest.approx(2 / 3))
    assert r.patient_score == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert r.slide_score == pytest.approx((1 + 0 + 0 + 1 + 1) / 5)
    without = metrics.report(LABELS, two(MALIGNANT), PATIENTS)
    assert without.slides is None
    assert np.isnan(without.slide_score)


def test_gmean_and_iba_punish_imbalance():
    # Sensitivity 0.2, specificity 1: balanced accuracy hides what the geometric mean shows.
    labels = np.array([0] * 5 + [1] * 5)
    p = np.array([0.1] * 5 + [0.9] + [0.1] * 4)
    r = metrics.report(labels, two(p), np.arange(10))
    assert r.balanced_accuracy == pytest.approx(0.6)
    assert r.specificity == 1
    assert r.gmean == pytest.approx(0.2**0.5)
    assert r.iba == pytest.approx((1 - 0.1 * 0.8) * 0.2 / 2 + (1 + 0.1 * 0.8) * 0.2 / 2)


def oracle(labels, p):
    """What scikit-learn and imbalanced-learn say without weights."""
    binary, guess = p.shape[1] == 2, p.argmax(1)
    scores = p[:, 1] if binary else p
    iba = imblearn.metrics.make_index_balanced_accuracy(alpha=0.1, squared=True)(imblearn.metrics.geometric_mean_score)
    return {
        "auc": sklearn.metrics.roc_auc_score(labels, scores, multi_class="ovr"),
        "average_precision": sklearn.metrics.average_precision_score(labels, scores),
        "accuracy": sklearn.metrics.accuracy_score(labels, guess),
        "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(labels, guess),
        "precision": sklearn.metrics.precision_score(labels, guess, average="macro"),
        "precision_per_class": sklearn.metrics.precision_score(labels, guess, average=None).tolist(),
        "recall": sklearn.metrics.recall_score(labels, guess, average=None).tolist(),
        "specificity": imblearn.metrics.specificity_score(labels, guess, average="binary" if binary else "macro"),
        "f1": sklearn.metrics.f1_score(labels, guess, average="macro"),
        "gmean": imblearn.metrics.geometric_mean_score(labels, guess),
        "iba": np.mean(iba(labels, guess, average=None)),
        "brier": ((np.eye(p.shape[1])[labels] - p) ** 2).sum(1).mean() / (2 if binary else 1),
        "ece": expected_calibration_error(labels, p),
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("classes", [2, 3, 8])
def test_a_weight_is_a_number_of_copies(classes):
    labels, p, patients = patients_of(classes, 4 * classes, [1, 2, 3], seed=classes)
    r = metrics.report(labels, p, patients)
    copies = (6 // np.bincount(patients))[patients]
    for scores, repeats in ((r, np.ones_like(copies)), (r.by_patient, copies)):
        for name, value in oracle(np.repeat(labels, repeats), np.repeat(p, repeats, 0)).items():
            assert getattr(scores, name) == pytest.approx(value), name


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("present", [[0, 1], [0, 2], [2], [0]])
def test_a_class_without_pictures_is_left_out_of_means(present):
    labels = np.array(present * 3)
    p = np.eye(3)[labels] * 0.6 + 0.4 / 3
    p[0] = (0.1, 0.8, 0.1) if present[0] != 1 else (0.8, 0.1, 0.1)
    r = metrics.report(labels, p, np.arange(len(labels)))
    assert np.isnan(r.auc)
    assert np.isnan(r.patient_auc)
    recall = [2 / 3 if c == present[0] else 1.0 for c in present]
    assert [r.recall[c] for c in present] == pytest.approx(recall)
    assert all(np.isnan(r.recall[c]) for c in range(3) if c not in present)
    assert r.balanced_accuracy == pytest.approx(np.mean(recall))
    assert r.gmean == pytest.approx(np.prod(recall) ** (1 / len(present)))
    assert r.to_json()["auc"] is None
    assert r.to_json()["by_patient"]["recall"].count(None) == 3 - len(present)


@pytest.mark.filterwarnings("error")
def test_one_class_alone_has_no_auc_and_the_json_says_so():
    p = two(np.array([0.1, 0.2, 0.9]))
    benign = metrics.report(np.zeros(3, int), p, np.arange(3))
    assert benign.specificity == pytest.approx(2 / 3)
    malignant = metrics.report(np.ones(3, int), p, np.arange(3)).to_json()
    assert [malignant[k] for k in ("auc", "average_precision", "specificity", "iba", "slide_score")] == [None] * 5
    assert malignant["balanced_accuracy"] == 0.3333


def test_the_json_is_flat_by_image_and_nested_by_patient():
    j = metrics.report(LABELS, two(MALIGNANT), PATIENTS, SLIDES).to_json()
    assert (j["images"], j["slides"], j["auc"], j["by_patient"]["auc"]) == (6, 5, 0.8889, 0.8333)
    assert j["recall"] == [0.6667, 0.6667]


@pytest.mark.parametrize(
    ("labels", "p", "patients"),
    [(LABELS[:5], MALIGNANT, PATIENTS), (LABELS, MALIGNANT, PATIENTS[:5]), (LABELS * 2, MALIGNANT, PATIENTS)],
)
def test_what_does_not_belong_together_is_refused(labels, p, patients):
    with pytest.raises(metrics.MetricsError):
        metrics.report(labels, two(p), patients)


def test_no_pictures_are_refused():
    with pytest.raises(metrics.MetricsError, match="no pictures"):
        metrics.report(LABELS[:0], two(MALIGNANT[:0]), PATIENTS[:0])


@pytest.mark.parametrize("classes", [2, 3])
def test_a_resample_scores_as_copies_of_its_patients_would(classes):
    labels, p, patients = patients_of(classes, 5 * classes, [1, 4, 2], seed=3)
    who, random = metrics.Patients(labels, patients), np.random.default_rng(1)
    draws = random.integers(0, 3, (20, 5 * classes))
    draws[:, :classes] += 1
    got = bootstrap._resampled(labels, p, who, draws.astype(float))
    for k, draw in enumerate(draws):
        drawn = np.repeat(np.arange(len(draw)), draw)
        rows = np.concatenate([np.flatnonzero(patients == d) for d in drawn])
        # Drawn twice, a patient is two.
        ids = np.concatenate([np.full((patients == d).sum(), n) for n, d in enumerate(drawn)])
        want = metrics.report(labels[rows], p[rows], ids)
        assert set(got) == set(metrics.FIGURES)
        for name in metrics.FIGURES:
            assert got[name][k] == pytest.approx(getattr(want, name)), name


# Of two patients a class, one each is right: a resample has Binomial(4, 1/2) right patients.
TINY = np.array([0, 0, 1, 1]), two(np.array([0.2, 0.6, 0.4, 0.8])), np.arange(4)


@pytest.mark.parametrize(
    ("level", "accuracy", "auc"),
    [
        # accuracy 0, 1/4, ... 1 with cumulative 1/16, 5/16, 11/16, 15/16, 1
        # AUC 1 - w w' / 4 of the two wrong ones' weights: 0, 1/2, 3/4, 1 with cumulative 1/16, 5/16, 9/16, 1
        (0.95, (0, 1), (0, 1)),
        (0.8, (0.25, 0.75), (0.5, 1)),
        (0.2, (0.5, 0.5), (0.75, 1)),
    ],
)
def test_intervals_of_a_case_that_can_be_enumerated(level, accuracy, auc):
    got = bootstrap.intervals(*TINY, n=4000, level=level)
    assert got["accuracy"] == accuracy
    assert got["auc"] == got["patient_auc"] == auc


def test_p_of_a_case_that_can_be_enumerated():
    labels, wrong, patients = TINY
    perfect = two(labels * 0.8 + 0.1)
    d = bootstrap.paired(labels, wrong, perfect, patients, n=4000)["auc"]
    # Seven resamples of sixteen miss a wrong patient of one class at least: no difference.
    assert d.p == pytest.approx(14 / 16, abs=0.03)
    assert (d.value, d.low, d.high) == (-0.25, -1, 0)


def width(interval):
    return interval[1] - interval[0]


def test_more_patients_make_intervals_narrower():
    few, many = (bootstrap.intervals(*patients_of(2, k, [3], seed=0), n=400) for k in (12, 192))
    for name in metrics.FIGURES:
        assert width(many[name]) < 0.5 * width(few[name]), name


def test_copies_of_a_picture_tell_nothing_new():
    labels, p, patients = patients_of(2, 20, [1], seed=0)
    copies = [np.repeat(x, 16, 0) for x in (labels, p, patients)]
    honest, one_each = bootstrap.intervals(*copies, n=1000), bootstrap.intervals(labels, p, patients, n=1000)
    naive = bootstrap.intervals(*copies[:2], np.arange(len(copies[0])), n=1000)
    for name in ("auc", "accuracy", "balanced_accuracy", "brier"):
        assert honest[name] == pytest.approx(one_each[name])
        assert width(honest[name]) > 2.5 * width(naive[name]), name


def test_the_seed_decides():
    data = patients_of(3, 30, [1, 2], seed=0)
    assert bootstrap.intervals(*data, n=50, seed=1) == bootstrap.intervals(*data, n=50, seed=1)
    assert bootstrap.intervals(*data, n=50, seed=1) != bootstrap.intervals(*data, n=50, seed=2)


def test_blocks_do_not_show(monkeypatch):
    data = patients_of(2, 10, [3], seed=0)
    whole = bootstrap.intervals(*data, n=100)
    monkeypatch.setattr(bootstrap, "BLOCK", 200)
    for name, interval in bootstrap.intervals(*data, n=100).items():
        assert interval == pytest.approx(whole[name]), name


def test_a_resample_has_the_same_patients_in_all_partitions():
    labels, p, patients = patients_of(2, 20, [1, 3], seed=0)
    # Exact in binary and never one half, so that a swap of the columns is exactly a swap of the ranks.
    p = two((np.floor(p[:, 1] * 16) * 2 + 1) / 32)
    # What one partition gets right the other gets wrong: every resample is half right.
    both = np.stack([p, p[:, ::-1]])
    assert metrics.figures(labels, both, patients)["accuracy"] == pytest.approx(0.5)
    got = bootstrap.intervals(labels, both, patients, n=100)
    assert got["accuracy"] == pytest.approx((0.5, 0.5))
    assert got["auc"] == pytest.approx((0.5, 0.5))
    single = bootstrap.intervals(labels, p, patients, n=100)
    assert width(single["accuracy"]) > 0.05
    for name, interval in bootstrap.intervals(labels, np.stack([p, p]), patients, n=100).items():
        assert interval == pytest.approx(single[name])


def test_figures_are_those_of_the_report():
    data = patients_of(3, 12, [2, 1], seed=5)
    assert metrics.figures(*data) == {name: getattr(metrics.report(*data), name) for name in metrics.FIGURES}


@pytest.mark.filterwarnings("error")
def test_a_figure_that_is_undefined_has_no_interval():
    labels = np.array([0, 1, 0, 1])
    p = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.3, 0.4, 0.3]])
    got = bootstrap.intervals(labels, p, np.arange(4), n=20)
    assert np.isnan(got["auc"]).all()
    assert np.isfinite(got["balanced_accuracy"]).all()
    assert np.isnan(bootstrap.paired(labels, p, p, np.arange(4), n=20)["auc"].p)


def test_a_classifier_does_not_differ_from_itself_and_does_from_chance():
    labels, p, patients = patients_of(2, 40, [2], seed=0)
    for d in bootstrap.paired(labels, p, p, patients, n=100).values():
        assert (d.value, d.low, d.high, d.p) == (0, 0, 0, 1)
    perfect, random = two(labels * 0.8 + 0.1), two(np.random.default_rng(0).random(len(labels)))
    for d in bootstrap.paired(labels, perfect, random, patients, n=200).values():
        assert d.value > d.low > 0
        assert d.p == 1 / 200


def test_a_bootstrap_needs_resamples_and_a_pair_one_shape():
    with pytest.raises(metrics.MetricsError, match="one resample"):
        bootstrap.intervals(*TINY, n=0)
    with pytest.raises(metrics.MetricsError, match="paired"):
        bootstrap.paired(TINY[0], TINY[1], np.stack([TINY[1]] * 2), TINY[2])


def test_intervals_of_a_mean_are_over_groups():
    values, groups = [0.0] * 10 + [1.0] * 10, ["a"] * 10 + ["b"] * 10
    mean, low, high = bootstrap.mean_interval(values, groups)
    assert (mean, low, high) == (0.5, 0, 1)
    mean, low, high = bootstrap.mean_interval(values)
    assert mean == 0.5
    assert 0.2 < low < 0.4
    assert 0.6 < high < 0.8
