"""Figures of the card show the numbers of the report, and have the same bytes each time."""

import warnings

import numpy as np
import pytest
from PIL import Image

from dala import style
from dala.evaluation import plots
from dala.evaluation import summary as evaluation_summary
from dala.evaluation.calibration import BINS
from dala.files import DiskError
from dala.ui.theme import TOKENS
from tests.support.runs import predictions

FIGURES = {"auc": [0.9, 0.8, 0.95], "balanced_accuracy": [0.7, 0.6, None]}


def texts(figure) -> str:
    legends = [t.get_text() for a in figure.axes if a.get_legend() for t in a.get_legend().get_texts()]
    return " ".join(legends + [t.get_text() for a in figure.axes for t in a.texts])


def test_the_accent_is_the_apps():
    assert TOKENS["color_accent"][0] == style.ACCENT


@pytest.mark.parametrize("options", [{}, {"classes": 3}, {"partitions": 1, "folds": 1}])
def test_roc_tells_the_reports_auc_and_its_curve_has_that_area(options):
    run, colour = predictions(**options), predictions(0.5, seed=3, **options)
    figure = plots.roc(run, colour)
    areas = [evaluation_summary.summary(each, 20)["figures"]["auc"][0] for each in (run, colour)]
    assert all(f"AUC {area:.3f}" in texts(figure) for area in areas)
    mean = figure.axes[0].lines[-1]
    x, y = mean.get_data()
    assert np.trapezoid(y, x) == pytest.approx(areas[0], abs=0.01)
    assert (np.diff(y) >= -1e-12).all()
    thin = [line for line in figure.axes[0].lines if line.get_linewidth() == 0.8]
    assert len(thin) == (6 if options.get("partitions", 3) > 1 else 0)


def test_the_reliability_diagram_is_that_of_the_ece():
    run = predictions()
    after = evaluation_summary.calibrated(run)
    figure = plots.reliability(run, after)
    summary = evaluation_summary.summary(run, 20)
    assert f"ECE {summary['uncalibrated']['ece']:.3f}" in texts(figure)
    assert f"ECE {summary['figures']['ece'][0]:.3f}" in texts(figure)
    bars = [p.get_height() for p in figure.axes[1].patches]
    assert len(bars) == 2 * BINS
    assert sum(bars[:BINS]) == pytest.approx(96) == sum(bars[BINS:])
    confidence, right = figure.axes[0].lines[2].get_data()
    weights = [b for b in bars[BINS:] if b]
    chances = after.probabilities()
    assert np.average(confidence, weights=weights) == pytest.approx(chances.max(1).mean())
    assert np.average(right, weights=weights) == pytest.approx((chances.argmax(1) == run.label).mean())


def test_the_confusion_matrix_tells_shares_and_counts():
    shown = texts(plots.confusion([[3, 1], [0.5, 1.5]], ["a", "b"])).split("  ")
    assert " ".join(shown) == "75 % 3 25 % 1 25 % 0.5 75 % 1.5"


def test_the_protocols_have_a_bar_each_and_no_invented_interval():
    rows = {"by image": {"net": FIGURES}, "by patient": {"net": FIGURES, "colour": FIGURES}}
    auc, balanced = plots.protocols(rows).axes
    for panel, name in ((auc, "auc"), (balanced, "balanced_accuracy")):
        assert [p.get_height() for p in panel.patches] == [FIGURES[name][0]] * 3
    # Chance, and a white and a dark line for each interval.
    assert (len(auc.lines), len(balanced.lines)) == (7, 1)
    assert plots.protocols(rows, classes=4).axes[1].lines[0].get_ydata()[0] == 0.25


def test_files_are_readable_and_the_same_twice(tmp_path):
    run = predictions(partitions=1)
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figures = {"roc": plots.roc(run), "protocols": plots.protocols({"by patient": {"net": FIGURES}})}
            plots.save(figures, folder)
    for name in ("roc", "protocols"):
        one, other = ((tmp_path / k / f"{name}.png").read_bytes() for k in "ab")
        assert one == other
        with Image.open(tmp_path / "a" / f"{name}.png") as picture:
            assert picture.width >= 800
            assert picture.convert("L").getextrema()[1] == 255


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DiskError, match=r"roc\.png: cannot be written .No such file"):
        plots.save({"roc": plots.roc(predictions(partitions=1))}, tmp_path / "none")
